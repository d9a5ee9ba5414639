#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>

#include <coil/detail/posted.hpp>

#include "fork.hpp"

namespace coil::detail {

class WakeUp;

/// Where other threads leave what is to happen in a loop. Stays until the last one who may post is gone, which may be
/// long after the loop.
///
/// However many post before the loop looks, it is woken once: by the first; while it watches, by nobody.
/// Threads: any, except `take` and `close`.
class Inbox {
public:
  /// Referred to by its maker.
  explicit Inbox(WakeUp& wake_up) noexcept : wake_up_(&wake_up) {}
  void ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
  void unref() noexcept;

  /// False if the loop is closed, or in a parent of this process: `item` stays the caller's.
  [[nodiscard]] bool post(Posted& item) noexcept;
  /// Whether it is the copy of one in a parent, in a child that was forked off: what is posted reaches nobody.
  bool is_parents() const noexcept { return process_ != process_number(); }
  /// Wakes the loop without leaving anything.
  void wake() noexcept;

  /// The loop looks for what is posted by itself for a while, and need not be woken. False if there is something already.
  /// Threads: the loop's, as of the next three.
  bool begin_watch() noexcept { return put_mark(nullptr, is_watched); }
  bool end_watch() noexcept { return put_mark(is_watched, nullptr); }
  bool saw_something() const noexcept { return last_.load(std::memory_order_relaxed) != is_watched; }
  /// Lets everything that was posted arrive, in order. Ends a watch. Threads: the loop's.
  void take() noexcept;
  /// Discards what is left, and refuses what comes. Threads: the loop's.
  void close() noexcept;

private:
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;
  ~Inbox() = default;
  bool push(Posted*& last, Posted& item) noexcept;
  bool put_mark(Posted* from, Posted* to) noexcept {
    return last_.compare_exchange_strong(from, to, std::memory_order_relaxed);
  }
  void signal() noexcept;
  static Posted* in_order(Posted* last) noexcept;

  std::atomic<std::uint32_t> refs_{1};
  std::atomic<Posted*> last_{nullptr};  // linked to those before it; or one of these two
  static inline Posted* const is_closed = reinterpret_cast<Posted*>(std::uintptr_t{1});
  static inline Posted* const is_watched = reinterpret_cast<Posted*>(std::uintptr_t{2});  // and empty
  std::mutex mutex_;                                                                      // guards the rest
  WakeUp* wake_up_;                                                                       // null once closed
  const unsigned process_ = process_number();
};

/// A counted reference to an inbox.
class InboxRef {
public:
  InboxRef() noexcept = default;
  explicit InboxRef(Inbox& inbox) noexcept : inbox_(&inbox) { inbox.ref(); }
  InboxRef(const InboxRef& other) noexcept : inbox_(other.inbox_) {
    if (inbox_ != nullptr) inbox_->ref();
  }
  InboxRef& operator=(InboxRef other) noexcept {
    std::swap(inbox_, other.inbox_);
    return *this;
  }
  ~InboxRef() {
    if (inbox_ != nullptr) inbox_->unref();
  }
  Inbox* get() const noexcept { return inbox_; }

private:
  Inbox* inbox_ = nullptr;
};

}  // namespace coil::detail
