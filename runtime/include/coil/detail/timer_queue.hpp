#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include <coil/clock.hpp>
#include <coil/detail/suspension.hpp>

namespace coil::detail {

/// A suspension that ends at a time.
class TimedSuspension : public Suspension {
public:
  time_point when() const noexcept { return when_; }
  /// Whether it is in a queue.
  bool queued() const noexcept { return next_ != nullptr; }

protected:
  using Suspension::Suspension;
  ~TimedSuspension() = default;
  time_point when_{};

private:
  friend class TimerQueue;
  // In the wheel `prev_` and `next_` are links. In the heap there are none: `next_` is this mark, and `prev_` holds
  // the index in its low half and the order of arrival in its high half, which is the order among equal times.
  static Suspension* heap_mark() noexcept { return reinterpret_cast<Suspension*>(std::uintptr_t{1}); }
  bool in_heap() const noexcept { return next_ == heap_mark(); }
  std::uint32_t heap_index() const noexcept { return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(prev_)); }
  std::uint32_t heap_order() const noexcept {
    return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(prev_) >> 32);
  }
  void set_heap_place(std::uint32_t index, std::uint32_t order) noexcept {
    next_ = heap_mark();
    prev_ = reinterpret_cast<Suspension*>(std::uintptr_t{order} << 32 | index);
  }
  void leave_heap() noexcept { prev_ = next_ = nullptr; }
};

/// Timers in exact order of time, those of equal time in order of arrival.
///
/// A hierarchical wheel of 1.05 ms ticks (six levels of 256 slots, intrusive lists) holds what is far away in
/// O(1); the slot whose time has come is moved to a small heap, which is exact to the nanosecond. Removing is
/// O(1) in the wheel and O(log n) in the heap.
/// After Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987).
class TimerQueue {
public:
  static constexpr int tick_bits = 20;

  explicit TimerQueue(time_point now) noexcept : tick_(tick_of(now)) {}
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }

  /// Adds `timer`, which must be in no list. Strong guarantee for std::bad_alloc.
  void add(TimedSuspension& timer, time_point when);
  void remove(TimedSuspension& timer) noexcept;
  /// The earliest time; the queue is not empty.
  time_point next();
  /// Takes out the next timer that is due at `now`, or gives null.
  TimedSuspension* pop_due(time_point now);

private:
  static constexpr int level_bits = 8;
  static constexpr std::size_t slots = std::size_t{1} << level_bits;
  static constexpr int levels = 6;  // 20 + 6 * 8: more than the 63 bits that times have
  static constexpr std::size_t words = slots / 64;

  struct HeapEntry {
    std::int64_t when;
    TimedSuspension* timer;
  };

  static std::int64_t nanoseconds_of(time_point when) noexcept { return when.time_since_epoch().count(); }
  // Times before the epoch would go wrong in the unsigned tick arithmetic; they are due anyway.
  static std::uint64_t tick_of(time_point when) noexcept {
    const std::int64_t ns = nanoseconds_of(when);
    return ns <= 0 ? 0 : static_cast<std::uint64_t>(ns) >> tick_bits;
  }
  void place(TimedSuspension& timer, bool before_others);
  /// Moves the wheel on to `tick`; what it passes goes to the heap.
  void advance(std::uint64_t tick);
  /// The level and slot that come next in time; false if the wheel is empty.
  bool next_slot(int& level, std::size_t& slot) const noexcept;
  std::uint64_t slot_start(int level, std::size_t slot) const noexcept;
  void empty_slot(int level, std::size_t slot);

  void heap_push(TimedSuspension& timer);
  void heap_remove(std::size_t index) noexcept;
  void sift_up(std::size_t index, HeapEntry entry) noexcept;
  void sift_down(std::size_t index, HeapEntry entry) noexcept;
  void put(std::size_t index, HeapEntry entry) noexcept {
    heap_[index] = entry;
    entry.timer->set_heap_place(static_cast<std::uint32_t>(index), entry.timer->heap_order());
  }
  static bool before(const HeapEntry& a, const HeapEntry& b) noexcept {
    if (a.when != b.when) return a.when < b.when;
    return static_cast<std::int32_t>(a.timer->heap_order() - b.timer->heap_order()) < 0;
  }

  std::size_t size_ = 0;
  std::uint64_t tick_;  // every timer of this tick or an earlier one is in the heap
  std::uint32_t next_order_ = 0;
  std::vector<HeapEntry> heap_;
  std::uint64_t occupied_[levels][words] = {};
  WaitQueue wheel_[levels][slots];
};

}  // namespace coil::detail
