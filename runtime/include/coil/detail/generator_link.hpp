#pragma once

namespace coil::detail {

/// A place in the ring of a loop's generators: of those that have begun and not ended, in that order.
struct GeneratorLink {
  GeneratorLink* prev = this;
  GeneratorLink* next = this;

  GeneratorLink() noexcept = default;
  GeneratorLink(const GeneratorLink&) = delete;
  GeneratorLink& operator=(const GeneratorLink&) = delete;

  bool alone() const noexcept { return next == this; }
  void insert_before(GeneratorLink& other) noexcept {
    prev = other.prev;
    next = &other;
    prev->next = other.prev = this;
  }
  void unlink() noexcept {
    prev->next = next;
    next->prev = prev;
    prev = next = this;
  }
};

}  // namespace coil::detail
