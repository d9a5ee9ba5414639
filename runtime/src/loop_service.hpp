#pragma once
#include <memory>
#include <utility>
#include <vector>

#include <coil/coro.hpp>

namespace coil::detail {

/// What a loop keeps for a part of the library: made when first asked for, closed when `run` ends and all tasks have.
class LoopService {
public:
  virtual ~LoopService() = default;
  /// May make tasks. What it throws goes to the exception handler.
  virtual Coro<void> aclose() = 0;
};

class LoopServices {
public:
  /// The loop's one service of the type S.
  template <class S>
  S& get() {
    static const char key = 0;
    for (const Entry& entry : entries_)
      if (entry.key == &key) return static_cast<S&>(*entry.service);
    entries_.push_back({&key, std::make_unique<S>()});
    return static_cast<S&>(*entries_.back().service);
  }
  bool empty() const noexcept { return entries_.empty(); }
  /// Takes out the newest one.
  std::unique_ptr<LoopService> take_last() noexcept {
    std::unique_ptr<LoopService> last = std::move(entries_.back().service);
    entries_.pop_back();
    return last;
  }

private:
  struct Entry {
    const void* key;
    std::unique_ptr<LoopService> service;
  };
  std::vector<Entry> entries_;
};

}  // namespace coil::detail
