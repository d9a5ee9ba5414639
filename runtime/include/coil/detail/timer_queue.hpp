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
  enum class Place : std::uintptr_t { wheel = 1, run = 2, heap = 3 };

  // A queue of timers is no list: while it is in one, `next_` holds the place in its two low bits and above them the
  // order of arrival, which decides between equal times. `prev_` is the position: the index in the run or the heap,
  // in the wheel the address of what points here.
  std::uintptr_t word() const noexcept { return reinterpret_cast<std::uintptr_t>(next_); }
  bool is_in(Place place) const noexcept { return (word() & 3U) == static_cast<std::uintptr_t>(place); }
  std::uint64_t order() const noexcept { return word() >> 2; }
  std::uintptr_t position() const noexcept { return reinterpret_cast<std::uintptr_t>(prev_); }
  void arrive(std::uint64_t order) noexcept { next_ = reinterpret_cast<Suspension*>(order << 2); }
  void put_in(Place place, std::uintptr_t position) noexcept {
    next_ = reinterpret_cast<Suspension*>((word() & ~std::uintptr_t{3}) | static_cast<std::uintptr_t>(place));
    prev_ = reinterpret_cast<Suspension*>(position);
  }
  void take_out() noexcept { prev_ = next_ = nullptr; }
};

/// Timers in exact order of time, those of equal time in order of arrival.
///
/// What is far away waits in a hierarchical wheel of 262 us ticks: a first level of 4096 slots (1.07 s), then
/// levels of 256. The slot whose time has come is sorted and becomes part of a run that is consumed in order. What
/// arrives for a time that the wheel has passed goes to a heap. Adding and removing are O(1), in the heap O(log n).
///
/// A slot holds pointers in blocks rather than being a list through the timers: where there are many, each of them is
/// a cache miss away, and the processor fetches several at once only if it knows where they are.
/// After Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987).
class TimerQueue {
public:
  explicit TimerQueue(time_point now);
  ~TimerQueue();
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }

  /// Adds `timer`, which must be in no list.
  void add(TimedSuspension& timer, time_point when);
  void remove(TimedSuspension& timer) noexcept;
  /// Before this nothing is due, for certain.
  time_point soonest() const noexcept { return soonest_; }
  /// The earliest time; the queue is not empty.
  time_point next();
  /// The latest time among the first `count` timers, as far as they lie within `slack`; the queue is not empty.
  time_point next_batch(std::chrono::nanoseconds slack, std::size_t count);
  /// Takes out the next timer that is due at `now`, or gives null.
  TimedSuspension* pop_due(time_point now) {
    if (run_next_ == run_.size() || !heap_.empty() || run_[run_next_].timer == nullptr) return pop_any_due(now);
    const Entry& entry = run_[run_next_];
    if (entry.when > nanoseconds_of(now)) {
      soonest_ = time_point(time_point::duration(entry.when));
      return nullptr;
    }
    ++run_next_;
    --size_;
    entry.timer->take_out();
    return entry.timer;
  }

private:
  static constexpr int tick_bits = 18;
  static constexpr int first_bits = 12;
  static constexpr int level_bits = 8;
  static constexpr int levels = 6;  // 18 + 12 + 5 * 8: more than the 63 bits that times have
  static constexpr std::size_t first_slots = std::size_t{1} << first_bits;
  static constexpr std::size_t level_slots = std::size_t{1} << level_bits;
  static constexpr std::size_t slot_count = first_slots + (levels - 1) * level_slots;

  using Place = TimedSuspension::Place;
  struct Block;
  class Cell;
  struct Entry {
    std::int64_t when;
    TimedSuspension* timer;  // in the run null for one that was removed
  };
  struct Slot {
    int level;
    std::size_t index;  // within its level
  };

  static std::int64_t nanoseconds_of(time_point when) noexcept { return when.time_since_epoch().count(); }
  // Times before the epoch would go wrong in the unsigned tick arithmetic; they are due anyway.
  static std::uint64_t tick_of(time_point when) noexcept {
    const std::int64_t ns = nanoseconds_of(when);
    return ns <= 0 ? 0 : static_cast<std::uint64_t>(ns) >> tick_bits;
  }
  static constexpr int shift_of(int level) noexcept { return level == 0 ? 0 : first_bits + (level - 1) * level_bits; }
  static constexpr std::size_t slots_of(int level) noexcept { return level == 0 ? first_slots : level_slots; }
  static constexpr std::size_t base_of(int level) noexcept {
    return level == 0 ? 0 : first_slots + static_cast<std::size_t>(level - 1) * level_slots;
  }
  static bool before(const Entry& a, const Entry& b) noexcept {
    if (a.when != b.when) return a.when < b.when;
    return a.timer->order() < b.timer->order();
  }

  // The wheel.
  Slot slot_for(std::uint64_t tick) const noexcept;
  std::uint64_t start_of(Slot slot) const noexcept;
  bool next_slot(Slot& slot) const noexcept;
  Cell& cell_of(Slot slot) const noexcept;
  void place(TimedSuspension& timer);
  void advance(std::uint64_t tick);
  void empty_slot(Slot slot);
  void mark(Slot slot) noexcept;
  void unmark(Slot slot) noexcept;

  // The run and the heap.
  TimedSuspension* pop_any_due(time_point now);
  const Entry* first() noexcept;
  void heap_push(TimedSuspension& timer);
  void heap_remove(std::size_t index) noexcept;
  void sift_up(std::size_t index, Entry entry) noexcept;
  void sift_down(std::size_t index, Entry entry) noexcept;
  void put(std::size_t index, Entry entry) noexcept {
    heap_[index] = entry;
    entry.timer->put_in(Place::heap, index);
  }

  std::size_t size_ = 0;
  time_point soonest_ = time_point::max();
  std::uint64_t tick_;  // every timer of this tick or an earlier one is in the run or the heap
  std::uint64_t next_order_ = 0;
  std::vector<Entry> run_;  // sorted from run_next_ on
  std::size_t run_next_ = 0;
  std::vector<Entry> heap_;
  Cell* wheel_;                                   // one per slot
  std::uint64_t first_occupied_ = 0;              // bit per word of `occupied_` on the first level
  std::uint64_t occupied_[slot_count / 64] = {};  // bit per slot
};

}  // namespace coil::detail
