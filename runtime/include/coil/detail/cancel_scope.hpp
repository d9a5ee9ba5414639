#pragma once
#include <coil/create_task.hpp>

namespace coil::detail {

/// What a scope that may cancel its own task needs to know: which requests are its own, which came from outside.
class CancelScope {
public:
  CancelScope() : task_(current_task()), before_(task_.cancelling()), was_pending_(pending()) {}

  /// Asks the task to cancel, on behalf of the scope.
  void request() const noexcept { task_.cancel(); }
  /// Takes the request back. True if none from outside has come since the scope began; then one that no wait has
  /// seen is withdrawn.
  bool take_back() const noexcept {
    const bool all_ours = task_.uncancel() <= before_;
    if (all_ours && !was_pending_) HandleAccess::state(task_)->unset(Ready::must_cancel | Ready::late_cancel);
    return all_ours;
  }
  /// Whether one from outside has come since the scope began.
  bool asked_from_outside() const noexcept { return task_.cancelling() > before_; }
  /// Delivers that one again, at the next wait; the count stays.
  void deliver_again() const noexcept {
    task_.uncancel();
    task_.cancel();
  }
  const TaskRef& task() const noexcept { return task_; }

private:
  bool pending() const noexcept { return HandleAccess::state(task_)->has(Ready::must_cancel); }

  TaskRef task_;
  int before_;
  bool was_pending_;
};

}  // namespace coil::detail
