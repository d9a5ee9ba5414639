#include "interrupt.hpp"

#include <sys/prctl.h>

#include <mutex>
#include <utility>

#include "fork.hpp"
#include "loop_parts.hpp"
#include "signals.hpp"

namespace coil::detail {

namespace {

void set_disposition(int signal, void (*handler)(int)) noexcept {
  struct sigaction action{};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);
}

// SIGPIPE belongs to the process, loops to threads: the first loop ignores it, the last one restores it.
struct PipeSignal {
  std::mutex mutex;
  int loops = 0;
  bool ignored_by_us = false;
};
PipeSignal& pipe_signal() {
  static auto* instance = new PipeSignal;
  return *instance;
}

}  // namespace

void lock_dispositions() noexcept { pipe_signal().mutex.lock(); }
void unlock_dispositions() noexcept { pipe_signal().mutex.unlock(); }

void restore_dispositions_in_child() noexcept {
  if (std::exchange(pipe_signal().ignored_by_us, false)) set_disposition(SIGPIPE, SIG_DFL);
  pipe_signal().loops = 0;
}

InterruptScope::InterruptScope(LoopParts& parts, TaskState& main) noexcept : parts_(parts), main_(main) {
  parts_.interruptible = &main;
  parts_.interrupts = 0;
  take_interrupt(parts);
}

InterruptScope::~InterruptScope() {
  parts_.interruptible = nullptr;
  give_back_interrupt(parts_);
}

void deliver_interrupt(LoopParts& parts) noexcept {
  ++parts.interrupts;
  parts.interruptible->cancel({});
}

// As asyncio.Runner.run: main has to end cancelled, by nobody else. A SIGINT of its last step, or after it, found no wait
// to throw at; asyncio would have marked the task as cancelled all the same.
void InterruptScope::leave() {
  const bool came_late = give_back_interrupt(parts_);
  const bool cancelled = main_.phase == Phase::cancelled;
  if (parts_.interrupts != 0) {
    if (cancelled && main_.uncancel() == 0) throw KeyboardInterrupt();
  } else if (came_late && main_.phase != Phase::error) {
    if (!cancelled || main_.cancels == 0) throw KeyboardInterrupt();
  }
}

ThreadSettings::ThreadSettings() noexcept {
  timer_slack_before_run = ::prctl(PR_GET_TIMERSLACK);
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  const std::lock_guard lock(pipe_signal().mutex);
  if (pipe_signal().loops++ == 0 && has_default_disposition(SIGPIPE)) {
    pipe_signal().ignored_by_us = true;
    set_disposition(SIGPIPE, SIG_IGN);
  }
}

void restore_timer_slack() noexcept {
  if (timer_slack_before_run > 0) ::prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(timer_slack_before_run));
}

ThreadSettings::~ThreadSettings() {
  restore_timer_slack();
  timer_slack_before_run = 0;
  const std::lock_guard lock(pipe_signal().mutex);
  if (--pipe_signal().loops == 0 && pipe_signal().ignored_by_us) {
    pipe_signal().ignored_by_us = false;
    set_disposition(SIGPIPE, SIG_DFL);
  }
}

}  // namespace coil::detail
