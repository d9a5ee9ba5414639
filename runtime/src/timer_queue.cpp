#include <coil/detail/timer_queue.hpp>

#include <algorithm>
#include <bit>
#include <utility>

#include <coil/detail/check.hpp>

namespace coil::detail {

void TimerQueue::add(TimedSuspension& timer, time_point when) {
  timer.when_ = when;
  place(timer, false);
  ++size_;
}

void TimerQueue::remove(TimedSuspension& timer) noexcept {
  check(size_ != 0 && timer.queued(), "a timer that is removed was added");
  --size_;
  if (timer.is_in(TimerPlace::run)) {
    run_[timer.index()].timer = nullptr;
    timer.take_out();
  } else if (timer.is_in(TimerPlace::heap)) {
    heap_remove(timer.index());
  } else {
    const Slot slot = slot_for(tick_of(timer.when_));
    WaitQueue& list = wheel_[base_of(slot.level) + slot.index];
    list.remove(timer);
    if (list.empty()) unmark(base_of(slot.level) + slot.index);
  }
}

time_point TimerQueue::next() {
  const Entry* entry = first();
  Slot slot{};
  while (entry == nullptr && next_slot(slot)) {
    advance(start_of(slot));
    entry = first();
  }
  check(entry != nullptr, "next() of an empty timer queue");
  return time_point(time_point::duration(entry->when));
}

// All that the wheel holds is later than what it has passed, so it is turned by one slot, and only when nothing else is
// left: the run stays short and in the cache however far the loop is behind.
TimedSuspension* TimerQueue::pop_due(time_point now) {
  if (size_ == 0) return nullptr;
  const Entry* entry = first();
  if (const std::uint64_t tick = tick_of(now); entry == nullptr && tick > tick_) {
    Slot slot{};
    while (entry == nullptr && next_slot(slot) && start_of(slot) <= tick) {
      advance(start_of(slot));
      entry = first();
    }
    if (entry == nullptr) advance(tick);
  }
  if (entry == nullptr || entry->when > nanoseconds_of(now)) return nullptr;
  TimedSuspension* timer = entry->timer;
  --size_;
  if (timer->is_in(TimerPlace::heap)) {
    heap_remove(0);
  } else {
    ++run_next_;
    timer->take_out();
  }
  return timer;
}

// ---- The wheel -------------------------------------------------------------------------------------------

// A timer's level is that of the highest digit in which its tick differs from the current one. So every slot of a
// level lies ahead of all slots of the levels below it, and a timer found on a higher level arrived before one of
// the same tick on a lower level: moved down, it goes in front.
TimerQueue::Slot TimerQueue::slot_for(std::uint64_t tick) const noexcept {
  const int highest = 63 - std::countl_zero(tick ^ tick_);
  const int level = highest < first_bits ? 0 : 1 + (highest - first_bits) / level_bits;
  return {level, (tick >> shift_of(level)) & (slots_of(level) - 1)};
}

std::uint64_t TimerQueue::start_of(Slot slot) const noexcept {
  const int low = shift_of(slot.level);
  const int high = low + (slot.level == 0 ? first_bits : level_bits);
  const std::uint64_t above = high >= 64 ? 0 : tick_ >> high << high;
  return above | static_cast<std::uint64_t>(slot.index) << low;
}

bool TimerQueue::next_slot(Slot& slot) const noexcept {
  const std::size_t current = tick_ & (first_slots - 1);
  std::uint64_t words = first_occupied_ & (~std::uint64_t{0} << (current / 64));
  while (words != 0) {
    const auto word = static_cast<std::size_t>(std::countr_zero(words));
    std::uint64_t bits = occupied_[word];
    if (word == current / 64) bits &= ~std::uint64_t{0} << (current % 64);
    if (bits != 0) {
      slot = {0, word * 64 + static_cast<std::size_t>(std::countr_zero(bits))};
      return true;
    }
    words &= words - 1;
  }
  for (int level = 1; level < levels; ++level) {
    for (std::size_t word = 0; word < level_slots / 64; ++word) {
      const std::uint64_t bits = occupied_[base_of(level) / 64 + word];
      if (bits == 0) continue;
      slot = {level, word * 64 + static_cast<std::size_t>(std::countr_zero(bits))};
      return true;
    }
  }
  return false;
}

void TimerQueue::place(TimedSuspension& timer, bool before_others) {
  const std::uint64_t tick = tick_of(timer.when_);
  if (tick <= tick_) return heap_push(timer);
  const Slot slot = slot_for(tick);
  const std::size_t index = base_of(slot.level) + slot.index;
  mark(index);
  if (before_others)
    wheel_[index].push_front(timer);
  else
    wheel_[index].push_back(timer);
}

void TimerQueue::advance(std::uint64_t tick) {
  Slot slot{};
  while (next_slot(slot)) {
    const std::uint64_t start = start_of(slot);
    if (start > tick) break;
    tick_ = start;
    empty_slot(slot);
  }
  if (tick > tick_) tick_ = tick;
}

// What is due within the current tick becomes the end of the run, sorted; the rest goes to lower levels.
void TimerQueue::empty_slot(Slot slot) {
  const std::size_t index = base_of(slot.level) + slot.index;
  unmark(index);
  WaitQueue list = std::exchange(wheel_[index], WaitQueue());
  if (run_next_ == run_.size()) {
    run_.clear();
    run_next_ = 0;
  }
  const auto sorted_end = static_cast<std::ptrdiff_t>(run_.size());
  WaitQueue later;
  while (Suspension* node = list.pop_front()) {
    auto& timer = static_cast<TimedSuspension&>(*node);
    __builtin_prefetch(timer.task_);  // it is woken soon
    if (tick_of(timer.when_) > tick_) {
      later.push_back(timer);
    } else {
      timer.put_in(TimerPlace::run, 0, next_order_++);
      run_.push_back({nanoseconds_of(timer.when_), &timer});
    }
  }
  while (Suspension* node = later.pop_back()) place(static_cast<TimedSuspension&>(*node), true);
  if (!std::is_sorted(run_.begin() + sorted_end, run_.end(), before))
    std::sort(run_.begin() + sorted_end, run_.end(), before);
  for (auto i = static_cast<std::size_t>(sorted_end); i < run_.size(); ++i)
    run_[i].timer->put_in(TimerPlace::run, i, run_[i].timer->order());
}

void TimerQueue::mark(std::size_t slot) noexcept {
  occupied_[slot / 64] |= std::uint64_t{1} << (slot % 64);
  if (slot < first_slots) first_occupied_ |= std::uint64_t{1} << (slot / 64);
}

void TimerQueue::unmark(std::size_t slot) noexcept {
  occupied_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
  if (slot < first_slots && occupied_[slot / 64] == 0) first_occupied_ &= ~(std::uint64_t{1} << (slot / 64));
}

// ---- The run and the heap --------------------------------------------------------------------------------

// The earliest of what the wheel has passed, or null.
const TimerQueue::Entry* TimerQueue::first() noexcept {
  while (run_next_ < run_.size() && run_[run_next_].timer == nullptr) ++run_next_;
  const Entry* run = run_next_ < run_.size() ? &run_[run_next_] : nullptr;
  const Entry* heap = heap_.empty() ? nullptr : heap_.data();
  if (run == nullptr || (heap != nullptr && before(*heap, *run))) return heap;
  return run;
}

void TimerQueue::heap_push(TimedSuspension& timer) {
  timer.put_in(TimerPlace::heap, 0, next_order_++);
  heap_.push_back({});
  sift_up(heap_.size() - 1, {nanoseconds_of(timer.when_), &timer});
}

void TimerQueue::heap_remove(std::size_t index) noexcept {
  heap_[index].timer->take_out();
  const Entry last = heap_.back();
  heap_.pop_back();
  if (index == heap_.size()) return;
  if (index != 0 && before(last, heap_[(index - 1) / 4]))
    sift_up(index, last);
  else
    sift_down(index, last);
}

void TimerQueue::sift_up(std::size_t index, Entry entry) noexcept {
  while (index != 0) {
    const std::size_t parent = (index - 1) / 4;
    if (!before(entry, heap_[parent])) break;
    put(index, heap_[parent]);
    index = parent;
  }
  put(index, entry);
}

void TimerQueue::sift_down(std::size_t index, Entry entry) noexcept {
  const std::size_t size = heap_.size();
  for (;;) {
    const std::size_t child = 4 * index + 1;
    if (child >= size) break;
    std::size_t least = child;
    for (std::size_t i = child + 1; i < std::min(child + 4, size); ++i)
      if (before(heap_[i], heap_[least])) least = i;
    if (!before(heap_[least], entry)) break;
    put(index, heap_[least]);
    index = least;
  }
  put(index, entry);
}

}  // namespace coil::detail
