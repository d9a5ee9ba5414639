#include <coil/detail/timer_queue.hpp>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>
#include <utility>

#include <coil/detail/check.hpp>
#include <coil/detail/frame_pool.hpp>

namespace coil::detail {

// ---- What a slot holds -----------------------------------------------------------------------------------

struct TimerQueue::Block : Pooled {
  static constexpr std::size_t room = 13;
  Block* next;  // a ring: that of the newest is the oldest
  Block* previous;
  std::size_t count;
  TimedSuspension* timers[room];

  void prefetch_timers() const noexcept {
    // In a coroutine's frame: what is needed of it lies before the timer too.
    for (std::size_t i = 0; i < count; ++i) {
      __builtin_prefetch(timers[i]);
      __builtin_prefetch(reinterpret_cast<const char*>(timers[i]) - 64);
    }
  }
};

/// One word: nothing, a timer that is alone, or the newest of the blocks.
class TimerQueue::Cell {
public:
  bool empty() const noexcept { return word_ == 0; }

  void push(TimedSuspension& timer) {
    if (word_ == 0) {
      word_ = reinterpret_cast<std::uintptr_t>(&timer);
      timer.put_in(Place::wheel, 0);
      return;
    }
    if ((word_ & has_blocks) == 0) {
      auto& alone = *reinterpret_cast<TimedSuspension*>(word_);
      add_block(nullptr);
      put(newest(), alone);
    }
    if (newest().count == Block::room) add_block(&newest());
    put(newest(), timer);
  }
  /// The newest timer takes the place of one that is removed.
  void remove(TimedSuspension& timer) noexcept {
    if ((word_ & has_blocks) == 0) {
      word_ = 0;
      return timer.take_out();
    }
    Block& block = newest();
    TimedSuspension& last = *block.timers[--block.count];
    *reinterpret_cast<TimedSuspension**>(timer.position()) = &last;
    last.put_in(Place::wheel, timer.position());
    timer.take_out();
    if (block.count != 0) return;
    if (block.previous == &block) {
      word_ = 0;
    } else {
      block.previous->next = block.next;
      block.next->previous = block.previous;
      set_newest(*block.previous);
    }
    delete &block;
  }
  /// Empties it; calls `f` with each timer in order of arrival, as far as none was removed.
  template <class F>
  void take_all(F f) {
    const std::uintptr_t word = std::exchange(word_, 0);
    if (word == 0) return;
    if ((word & has_blocks) == 0) return f(*reinterpret_cast<TimedSuspension*>(word));
    Block& last = *reinterpret_cast<Block*>(word - has_blocks);
    last.next->prefetch_timers();
    for (Block* block = last.next;;) {
      // The timers of the next block are on their way while those of this one are looked at.
      Block* const next = block == &last ? nullptr : block->next;
      if (next != nullptr) {
        __builtin_prefetch(next->next);
        next->prefetch_timers();
      }
      for (std::size_t i = 0; i < block->count; ++i) f(*block->timers[i]);
      delete block;
      if (next == nullptr) return;
      block = next;
    }
  }

private:
  Block& newest() const noexcept { return *reinterpret_cast<Block*>(word_ - has_blocks); }
  void set_newest(Block& block) noexcept { word_ = reinterpret_cast<std::uintptr_t>(&block) + has_blocks; }
  void add_block(Block* previous) {
    auto* block = new Block;
    block->count = 0;
    block->previous = previous == nullptr ? block : previous;
    block->next = previous == nullptr ? block : previous->next;
    block->previous->next = block;
    block->next->previous = block;
    set_newest(*block);
  }
  static void put(Block& block, TimedSuspension& timer) noexcept {
    block.timers[block.count] = &timer;
    timer.put_in(Place::wheel, reinterpret_cast<std::uintptr_t>(&block.timers[block.count++]));
  }

  static constexpr std::uintptr_t has_blocks = 1;
  std::uintptr_t word_;
};

// ---- The queue -------------------------------------------------------------------------------------------

namespace {

constexpr std::size_t reserved = 64;  // timers that are due: so many need no memory that may not be there then

}  // namespace

// From calloc: memory that is not used is not touched.
TimerQueue::TimerQueue(time_point now)
    : tick_(tick_of(now)), wheel_(static_cast<Cell*>(std::calloc(slot_count, sizeof(Cell)))) {
  if (wheel_ == nullptr) throw std::bad_alloc();
  try {
    run_.reserve(reserved);
    heap_.reserve(reserved);
  } catch (...) {
    std::free(wheel_);
    throw;
  }
}

TimerQueue::~TimerQueue() {
  Slot slot{};
  while (next_slot(slot)) {
    unmark(slot);
    cell_of(slot).take_all([](TimedSuspension& timer) { timer.take_out(); });
  }
  std::free(wheel_);
}

// A timer's level is that of the highest digit in which its tick differs from the current one. So every slot of a
// level lies ahead of all slots of the levels below it.
inline TimerQueue::Slot TimerQueue::slot_for(std::uint64_t tick) const noexcept {
  const int highest = 63 - std::countl_zero(tick ^ tick_);
  const int level = highest < first_bits ? 0 : 1 + (highest - first_bits) / level_bits;
  return {level, (tick >> shift_of(level)) & (slots_of(level) - 1)};
}

void TimerQueue::add(TimedSuspension& timer, time_point when) {
  timer.when_ = when;
  soonest_ = std::min(soonest_, when);
  timer.arrive(next_order_++);
  place(timer);
  ++size_;
}

void TimerQueue::remove(TimedSuspension& timer) noexcept {
  check(size_ != 0 && timer.queued(), "a timer that is removed was added");
  --size_;
  if (timer.is_in(Place::run)) {
    run_[timer.position()].timer = nullptr;
    timer.take_out();
  } else if (timer.is_in(Place::heap)) {
    heap_remove(timer.position());
  } else {
    const Slot slot = slot_for(tick_of(timer.when_));
    Cell& cell = cell_of(slot);
    cell.remove(timer);
    if (cell.empty()) unmark(slot);
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

time_point TimerQueue::next_batch(std::chrono::nanoseconds slack, std::size_t count) {
  const time_point earliest = next();
  const std::int64_t end = nanoseconds_of(saturating_add(earliest, slack));
  std::int64_t latest = nanoseconds_of(earliest);
  for (std::size_t i = run_next_; i < std::min(run_.size(), run_next_ + count) && run_[i].when <= end; ++i)
    latest = std::max(latest, run_[i].when);
  return time_point(time_point::duration(latest));
}

// All that the wheel holds is later than what it has passed, so it is turned by one slot, and only when nothing else is
// left: the run stays short and in the cache however far the loop is behind.
TimedSuspension* TimerQueue::pop_any_due(time_point now) {
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
  if (entry == nullptr || entry->when > nanoseconds_of(now)) {
    if (entry != nullptr) {
      soonest_ = time_point(time_point::duration(entry->when));
    } else if (Slot slot{}; next_slot(slot)) {
      soonest_ = time_point(time_point::duration(static_cast<std::int64_t>(start_of(slot) << tick_bits)));
    }
    return nullptr;
  }
  TimedSuspension* timer = entry->timer;
  --size_;
  if (timer->is_in(Place::heap)) {
    heap_remove(0);
  } else {
    ++run_next_;
    timer->take_out();
  }
  return timer;
}

// ---- The wheel -------------------------------------------------------------------------------------------

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

TimerQueue::Cell& TimerQueue::cell_of(Slot slot) const noexcept { return wheel_[base_of(slot.level) + slot.index]; }

void TimerQueue::place(TimedSuspension& timer) {
  const std::uint64_t tick = tick_of(timer.when_);
  if (tick <= tick_) return heap_push(timer);
  const Slot slot = slot_for(tick);
  mark(slot);
  cell_of(slot).push(timer);
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
  unmark(slot);
  if (run_next_ == run_.size()) {
    run_.clear();
    run_next_ = 0;
  }
  const auto sorted_end = static_cast<std::ptrdiff_t>(run_.size());
  cell_of(slot).take_all([this](TimedSuspension& timer) {
    __builtin_prefetch(timer.task_);  // it is woken soon
    if (tick_of(timer.when_) > tick_)
      place(timer);
    else
      run_.push_back({nanoseconds_of(timer.when_), &timer});
  });
  constexpr auto in_order = [](const Entry& a, const Entry& b) { return before(a, b); };  // inlined, as `before` is not
  if (!std::is_sorted(run_.begin() + sorted_end, run_.end(), in_order))
    std::sort(run_.begin() + sorted_end, run_.end(), in_order);
  for (auto i = static_cast<std::size_t>(sorted_end); i < run_.size(); ++i) run_[i].timer->put_in(Place::run, i);
}

void TimerQueue::mark(Slot slot) noexcept {
  const std::size_t index = base_of(slot.level) + slot.index;
  occupied_[index / 64] |= std::uint64_t{1} << (index % 64);
  if (slot.level == 0) first_occupied_ |= std::uint64_t{1} << (index / 64);
}

void TimerQueue::unmark(Slot slot) noexcept {
  const std::size_t index = base_of(slot.level) + slot.index;
  occupied_[index / 64] &= ~(std::uint64_t{1} << (index % 64));
  if (slot.level == 0 && occupied_[index / 64] == 0) first_occupied_ &= ~(std::uint64_t{1} << (index / 64));
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
