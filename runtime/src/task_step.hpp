#pragma once
#include <utility>

#include <coil/detail/loop_core.hpp>

namespace coil::detail {

/// After a step of a task with a context, or the last one: the coroutine is over, or never began. Destroys it, then
/// tells whoever waits.
void leave_step(LoopCore& core, TaskState& task) noexcept;
/// The first step of a task that was cancelled before, or a step of one with a context.
void run_unusual_step(LoopCore& core, TaskState& task) noexcept;

inline void resume_task(LoopCore& core, TaskState& task) noexcept {
  core.current = &task;
  task.phase = Phase::running;
  task.resume.resume();
  while (transfers.bounced) [[unlikely]]
    std::exchange(transfers.bounced, nullptr).resume();
  core.current = nullptr;
  if (task.has(Ready::returned | Ready::has_context)) leave_step(core, task);
}

/// Runs a task until it waits or ends.
inline void run_step(LoopCore& core, TaskState& task) noexcept {
  if (task.has(Ready::must_cancel | Ready::has_context)) [[unlikely]]
    run_unusual_step(core, task);
  else
    resume_task(core, task);
}

}  // namespace coil::detail
