#pragma once
#include <memory>
#include <utility>

#include <coil/detail/ring.hpp>

namespace coil::detail {

/// As long as it lives, a loop of this thread that ends leaves its ring to the next one: setting up a ring takes ten
/// times as long as all the rest of a short run.
class RingCache {
public:
  RingCache() noexcept : outer_(std::exchange(current_, this)) {}
  RingCache(const RingCache&) = delete;
  RingCache& operator=(const RingCache&) = delete;
  ~RingCache() { current_ = outer_; }

  /// Whether loops of this thread follow each other quickly.
  static bool is_active() noexcept { return current_ != nullptr; }
  /// A ring of this thread that was left, or null.
  static std::unique_ptr<Ring> take(unsigned entries) noexcept {
    if (current_ == nullptr || current_->entries_ != entries) return nullptr;
    return std::move(current_->ring_);
  }
  /// `ring` is idle.
  static void keep(std::unique_ptr<Ring> ring, unsigned entries) noexcept {
    if (current_ == nullptr) return;
    while (Ring* behind = ring->release_ring_behind()) ring.reset(behind);
    ring->restart_counters();
    current_->ring_ = std::move(ring);
    current_->entries_ = entries;
  }

private:
  static inline thread_local RingCache* current_ = nullptr;
  RingCache* outer_;
  std::unique_ptr<Ring> ring_;
  unsigned entries_ = 0;
};

}  // namespace coil::detail
