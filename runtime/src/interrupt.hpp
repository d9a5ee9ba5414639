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

private:
  int timer_slack_ns_;
};

}  // namespace coil::detail
