#pragma once
#include <signal.h>

namespace coil::detail {

struct LoopParts;
struct TaskState;

/// While it lives, the first SIGINT cancels `main`, if SIGINT had its default disposition. With that signal the
/// default is back, so that a second one ends the process. The destructor restores it in any case.
class InterruptScope {
public:
  InterruptScope(LoopParts& parts, TaskState& main) noexcept;
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  /// The loop has ended. Throws KeyboardInterrupt if it was SIGINT that ended main.
  void leave();

private:
  LoopParts& parts_;
  TaskState& main_;
};

/// SIGINT has come.
void deliver_interrupt(LoopParts& parts) noexcept;

/// What a thread that runs a loop needs: SIGPIPE ignored where it would kill (the writer gets EPIPE instead),
/// and no slack on timers. Restored by the destructor.
class ThreadSettings {
public:
  ThreadSettings() noexcept;
  ~ThreadSettings();
  ThreadSettings(const ThreadSettings&) = delete;
  ThreadSettings& operator=(const ThreadSettings&) = delete;
};

/// What a loop's thread had before, as what it starts shall have. 0 outside of `run`.
inline thread_local constinit int timer_slack_before_run = 0;
/// Async-signal-safe.
void restore_timer_slack() noexcept;

}  // namespace coil::detail
