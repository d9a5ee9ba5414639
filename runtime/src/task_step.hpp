#pragma once
#include <coil/detail/loop_core.hpp>

namespace coil::detail {

/// The coroutine is over, or never began: destroys it, unless it returned and so has destroyed itself; then tells
/// whoever waits.
void end_task(LoopCore& core, TaskState& task) noexcept;
/// The first step of a task that was cancelled before, or a step of one with a context.
void run_careful_step(LoopCore& core, TaskState& task) noexcept;
/// Goes on with a step that was left to unwind the stack.
void go_on_bounced(TaskState& task) noexcept;

/// Runs a task until it waits or ends. Leaves `core.current` for the next step to change or the caller to clear.
inline void resume_task(LoopCore& core, TaskState& task) noexcept {
  core.current = &task;
  task.resume.resume();
  if (!task.has(Ready::returned | Ready::bounced | Ready::has_context)) return;
  if (task.has(Ready::bounced)) [[unlikely]]
    go_on_bounced(task);
  core.context = nullptr;
  if (task.has(Ready::returned)) end_task(core, task);
}

inline void run_step(LoopCore& core, TaskState& task) noexcept {
  if (task.has(Ready::must_cancel | Ready::has_context)) [[unlikely]]
    run_careful_step(core, task);
  else
    resume_task(core, task);
}

}  // namespace coil::detail
