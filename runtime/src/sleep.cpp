#include <coil/sleep.hpp>

#include "loop_parts.hpp"

namespace coil::detail {

void start_timer(TimedSuspension& timer, std::chrono::nanoseconds delay) noexcept {
  LoopParts& parts = parts_of(*this_loop);
  parts.timers.add(timer, saturating_add(parts.now(), delay));
}

void start_timer_at(TimedSuspension& timer, time_point when) noexcept { parts_of(*this_loop).timers.add(timer, when); }

void stop_timer(TimedSuspension& timer) noexcept {
  if (timer.queued()) parts_of(timer.waiting_task()->core()).timers.remove(timer);
}

void SleepOperation::start() noexcept {
  if (delay_.count() > 0)
    start_timer(*this, delay_);
  else
    task_->make_ready();
}

}  // namespace coil::detail
