#pragma once
#include <algorithm>
#include <chrono>

#include <sched.h>

#include "cpu_pause.hpp"

namespace coil::detail {

/// Whether it pays to keep looking for a little before one sleeps until another thread has something.
///
/// To put a thread to sleep and wake it takes 5 to 50 microseconds, and an empty function in another thread a tenth of
/// one. So who has lately waited for short times only looks for `looks_for` at the most; who then finds nothing was
/// wrong, and after one or two such looks has to wait shortly four times again. So a wait takes 50 us of CPU time more
/// at the worst, and long ones soon none. With a single processor nobody looks: it would keep the other one from coming.
/// Threads: one at a time.
class Patience {
public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::microseconds looks_for{50};

  /// Whether the next wait begins with a look.
  bool pays() const noexcept { return score_ >= enough_ && has_processors(); }

  /// Looks until `there()`, or the time is up at `deadline` or before it. Gives what `there()` said last.
  template <class There>
  static bool look(Clock::time_point deadline, There there) noexcept {
    constexpr int looks_a_time = 16;  // to look at the clock takes longer
    for (;;) {
      for (int looks = 0; looks != looks_a_time; ++looks) {
        if (there()) return true;
        pause_cpu();
      }
      if (Clock::now() >= deadline) return there();
    }
  }

  /// What became of a wait: whether what was waited for came, after how long, and whether it began with a look.
  void learn(bool came, Clock::duration waited, bool looked) noexcept {
    constexpr std::chrono::microseconds with_two_wake_ups{150};
    const bool paid = came && waited <= (looked ? looks_for : with_two_wake_ups);
    score_ = paid ? std::min(score_ + 1, 2 * enough_) : std::max(score_ - enough_, 0);
  }

private:
  static bool has_processors() noexcept {
    static const bool several = [] {
      cpu_set_t usable;
      return ::sched_getaffinity(0, sizeof usable, &usable) != 0 || CPU_COUNT(&usable) > 1;
    }();
    return several;
  }

  static constexpr int enough_ = 4;
  int score_ = 0;  // 0 to twice that
};

}  // namespace coil::detail
