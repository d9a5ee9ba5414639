// Timers: a wheel with one slot for each tick of a lap. Setting a timer is a push to the front of a slot's list and
// its frame is touched once more, when it fires. Two levels of bits find the next slot that holds something.
#pragma once
#include <array>
#include <bit>
#include <cstdint>

#include "ready.hpp"

namespace limit {

struct Timer : Waiter {
  std::int64_t due_ns = 0;
};

class Wheel {
public:
  bool empty() const noexcept { return armed_ == 0; }

  void arm(Timer& timer) noexcept {
    const std::int64_t tick = tick_of(timer.due_ns);
    put(timer, tick > now_ ? tick : now_ + 1);
    ++armed_;
  }

  /// Until when there is nothing to do. Not for an empty wheel.
  std::int64_t wake_ns() const noexcept { return (now_ + ticks_to_next()) << tick_shift; }

  /// Hands everything that is due at `now_ns` to `ready`, in order of ticks.
  void turn_to(std::int64_t now_ns, ReadyList& ready) noexcept {
    const std::int64_t target = now_ns >> tick_shift;
    while (armed_ != 0) {
      const std::int64_t tick = now_ + ticks_to_next();
      if (tick > target) break;
      now_ = tick;
      empty_slot(tick, ready);
    }
    if (now_ < target) now_ = target;
  }

  /// Before the first timer: nothing is older than this.
  void start_at(std::int64_t now_ns) noexcept { now_ = now_ns >> tick_shift; }

private:
  static constexpr int tick_shift = 16;                       // 66 us
  static constexpr std::size_t slots = std::size_t{1} << 16;  // a lap takes 4.3 s
  static constexpr std::size_t words = slots / 64;

  static std::int64_t tick_of(std::int64_t ns) noexcept {  // never early: rounded up
    return (ns + (std::int64_t{1} << tick_shift) - 1) >> tick_shift;
  }

  void put(Timer& timer, std::int64_t tick) noexcept {
    const std::size_t slot = static_cast<std::size_t>(tick) % slots;
    timer.next = slot_[slot];
    slot_[slot] = &timer;
    used_[slot / 64] |= std::uint64_t{1} << slot % 64;
    used_words_[slot / 4096] |= std::uint64_t{1} << slot / 64 % 64;
  }

  void empty_slot(std::int64_t tick, ReadyList& ready) noexcept {
    const std::size_t slot = static_cast<std::size_t>(tick) % slots;
    Waiter* waiter = std::exchange(slot_[slot], nullptr);
    used_[slot / 64] &= ~(std::uint64_t{1} << slot % 64);
    if (used_[slot / 64] == 0) used_words_[slot / 4096] &= ~(std::uint64_t{1} << slot / 64 % 64);
    while (waiter != nullptr) {
      Waiter* following = waiter->next;
      auto& timer = static_cast<Timer&>(*waiter);
      if (tick_of(timer.due_ns) > tick) {  // another lap
        put(timer, tick);
      } else {
        ready.push(timer);
        --armed_;
      }
      waiter = following;
    }
  }

  /// 1 to `slots`: how far the next slot in use is.
  std::int64_t ticks_to_next() const noexcept {
    const std::size_t from = static_cast<std::size_t>(now_ + 1) % slots;
    const std::uint64_t rest = used_[from / 64] >> from % 64;
    if (rest != 0) return 1 + std::countr_zero(rest);
    for (std::size_t step = 1;; ++step) {
      std::size_t word = (from / 64 + step) % words;
      if (word % 64 == 0 && used_words_[word / 64] == 0) {
        step += 63;
        continue;
      }
      if (used_[word] == 0) continue;
      return static_cast<std::int64_t>(step * 64 - from % 64 + 1) + std::countr_zero(used_[word]);
    }
  }

  std::int64_t now_ = 0;  // the last tick whose slot was emptied
  std::size_t armed_ = 0;
  std::array<Waiter*, slots> slot_{};
  std::array<std::uint64_t, words> used_{};             // a bit for each slot
  std::array<std::uint64_t, words / 64> used_words_{};  // a bit for each word of used_
};

}  // namespace limit
