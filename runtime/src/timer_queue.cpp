#include <coil/detail/timer_queue.hpp>

#include <bit>
#include <utility>

#include <coil/detail/check.hpp>

namespace coil::detail {

void TimerQueue::add(TimedSuspension& timer, time_point when) {
  timer.when_ = when;
  // Room in the heap for everything, so that moving a slot there cannot fail later.
  if (heap_.capacity() <= size_) heap_.reserve(size_ < 64 ? 64 : size_ * 2);
  place(timer, false);
  ++size_;
}

void TimerQueue::remove(TimedSuspension& timer) noexcept {
  check(size_ != 0, "a timer that is removed was added");
  --size_;
  if (timer.in_heap()) {
    heap_remove(timer.heap_index());
    return;
  }
  const std::uint64_t tick = tick_of(timer.when_);
  const int level = (63 - std::countl_zero(tick ^ tick_)) / level_bits;
  const std::size_t slot = (tick >> (level * level_bits)) & (slots - 1);
  WaitQueue& list = wheel_[level][slot];
  list.remove(timer);
  if (list.empty()) occupied_[level][slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
}

time_point TimerQueue::next() {
  int level = 0;
  std::size_t slot = 0;
  while (heap_.empty() && next_slot(level, slot)) advance(slot_start(level, slot));
  check(!heap_.empty(), "next() of an empty timer queue");
  return time_point(time_point::duration(heap_.front().when));
}

TimedSuspension* TimerQueue::pop_due(time_point now) {
  if (size_ == 0) return nullptr;
  if (const std::uint64_t tick = tick_of(now); tick > tick_) advance(tick);
  if (heap_.empty() || heap_.front().when > nanoseconds_of(now)) return nullptr;
  TimedSuspension* timer = heap_.front().timer;
  heap_remove(0);
  --size_;
  return timer;
}

// ---- The wheel -------------------------------------------------------------------------------------------

// A timer's level is that of the highest digit (of 8 bits) in which its tick differs from the current one. So
// every slot of a level lies ahead of all slots of the levels below it, and a timer found on a higher level
// arrived before one of the same tick on a lower level: moved down, it goes in front.
void TimerQueue::place(TimedSuspension& timer, bool before_others) {
  const std::uint64_t tick = tick_of(timer.when_);
  if (tick <= tick_) {
    heap_push(timer);
    return;
  }
  const int level = (63 - std::countl_zero(tick ^ tick_)) / level_bits;
  const std::size_t slot = (tick >> (level * level_bits)) & (slots - 1);
  occupied_[level][slot / 64] |= std::uint64_t{1} << (slot % 64);
  if (before_others)
    wheel_[level][slot].push_front(timer);
  else
    wheel_[level][slot].push_back(timer);
}

void TimerQueue::advance(std::uint64_t tick) {
  int level = 0;
  std::size_t slot = 0;
  while (next_slot(level, slot)) {
    const std::uint64_t start = slot_start(level, slot);
    if (start > tick) break;
    tick_ = start;
    empty_slot(level, slot);
  }
  if (tick > tick_) tick_ = tick;
}

bool TimerQueue::next_slot(int& level, std::size_t& slot) const noexcept {
  for (level = 0; level < levels; ++level) {
    const std::size_t current = (tick_ >> (level * level_bits)) & (slots - 1);
    for (std::size_t word = current / 64; word < words; ++word) {
      std::uint64_t bits = occupied_[level][word];
      if (word == current / 64) bits &= ~std::uint64_t{0} << (current % 64);
      if (bits != 0) {
        slot = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
        return true;
      }
    }
  }
  return false;
}

std::uint64_t TimerQueue::slot_start(int level, std::size_t slot) const noexcept {
  const int low = level * level_bits;
  const std::uint64_t above = low + level_bits >= 64 ? 0 : tick_ >> (low + level_bits) << (low + level_bits);
  return above | static_cast<std::uint64_t>(slot) << low;
}

void TimerQueue::empty_slot(int level, std::size_t slot) {
  occupied_[level][slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
  WaitQueue list = std::exchange(wheel_[level][slot], WaitQueue());
  WaitQueue later;
  while (Suspension* node = list.pop_front()) {
    auto& timer = static_cast<TimedSuspension&>(*node);
    if (tick_of(timer.when_) <= tick_)
      heap_push(timer);
    else
      later.push_back(timer);
  }
  while (Suspension* node = later.pop_back()) place(static_cast<TimedSuspension&>(*node), true);
}

// ---- The heap: four children a node ----------------------------------------------------------------------

void TimerQueue::heap_push(TimedSuspension& timer) {
  timer.set_heap_place(0, next_order_++);
  heap_.push_back({});
  sift_up(heap_.size() - 1, {nanoseconds_of(timer.when_), &timer});
}

void TimerQueue::heap_remove(std::size_t index) noexcept {
  heap_[index].timer->leave_heap();
  const HeapEntry last = heap_.back();
  heap_.pop_back();
  if (index == heap_.size()) return;
  if (index != 0 && before(last, heap_[(index - 1) / 4]))
    sift_up(index, last);
  else
    sift_down(index, last);
}

void TimerQueue::sift_up(std::size_t index, HeapEntry entry) noexcept {
  while (index != 0) {
    const std::size_t parent = (index - 1) / 4;
    if (!before(entry, heap_[parent])) break;
    put(index, heap_[parent]);
    index = parent;
  }
  put(index, entry);
}

void TimerQueue::sift_down(std::size_t index, HeapEntry entry) noexcept {
  const std::size_t size = heap_.size();
  for (;;) {
    const std::size_t first = 4 * index + 1;
    if (first >= size) break;
    const std::size_t end = first + 4 < size ? first + 4 : size;
    std::size_t least = first;
    for (std::size_t child = first + 1; child < end; ++child)
      if (before(heap_[child], heap_[least])) least = child;
    if (!before(heap_[least], entry)) break;
    put(index, heap_[least]);
    index = least;
  }
  put(index, entry);
}

}  // namespace coil::detail
