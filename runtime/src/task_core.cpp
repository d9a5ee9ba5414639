#include <coil/create_task.hpp>
#include <coil/detail/check.hpp>
#include <coil/detail/loop_core.hpp>
#include <coil/loop.hpp>

#include <utility>

#include "task_step.hpp"

namespace coil::detail {

void end_task(LoopCore& core, TaskState& task) noexcept {
  core.current = nullptr;
  Phase final = Phase::value;
  if (task.done()) [[unlikely]] {
    final = std::exchange(task.phase, Phase::running);  // while destructors of parameters run
    task.set(Ready::returned);
    task.resume.destroy();
  } else if (task.has(Ready::must_cancel) && !task.has(Ready::late_cancel)) [[unlikely]] {
    // Asked to cancel, and no wait came any more: cancelled all the same, as in asyncio.
    if (task.destroy_value != nullptr) std::exchange(task.destroy_value, nullptr)(task);
    final = Phase::cancelled;
  }
  --core.tasks_alive;
  task.phase = final;
  while (Suspension* waiter = task.waiters.pop_front()) waiter->wake(&task);
  task.unref();
}

void run_careful_step(LoopCore& core, TaskState& task) noexcept {
  if (task.phase == Phase::created && task.has(Ready::must_cancel)) {
    task.phase = Phase::cancelled;
    return end_task(core, task);
  }
  if (task.has(Ready::has_context)) core.context = &task.extras().context;
  this_step.cancel_due = task.has(Ready::must_cancel);
  resume_task(core, task);
  this_step.cancel_due = false;
}

void go_on_bounced(TaskState& task) noexcept {
  do {
    task.unset(Ready::bounced);
    std::exchange(this_step.bounced, nullptr).resume();
  } while (task.has(Ready::bounced));
}

namespace {

/// For eager tasks.
void run_step_nested(LoopCore& core, TaskState& task) noexcept {
  TaskState* const outer = core.current;
  Context* const outer_context = std::exchange(core.context, nullptr);
  const Phase outer_phase = outer == nullptr ? Phase::running : std::exchange(outer->phase, Phase::running);
  run_step(core, task);
  if (outer != nullptr) outer->phase = outer_phase;
  core.current = outer;
  core.context = outer_context;
}

}  // namespace

TaskState& start_task(LoopCore& core, std::coroutine_handle<> root, std::source_location where) {
  auto* task = core.states->make<TaskState>(root, ++core.tasks_made, where);
  promise_at(root).receiver_ = Receiver(*task);
  ++core.tasks_alive;
  core.push_ready(*task);
  if (core.context != nullptr && !core.context->empty()) [[unlikely]]
    task->set_context(*core.context);
  return *task;
}

TaskState& start_task(LoopCore& core, std::coroutine_handle<> root, std::source_location where,
                      const TaskOptions& options) {
  auto* task = core.states->make<TaskState>(root, ++core.tasks_made, where);
  promise_at(root).receiver_ = Receiver(*task);
  ++core.tasks_alive;
  if (!options.name.empty()) task->extras().name = options.name;
  const Context* const made_in = options.context == nullptr ? core.context : options.context;
  if (made_in != nullptr && !made_in->empty()) task->set_context(*made_in);
  if (options.eager)
    run_step_nested(core, *task);
  else
    core.push_ready(*task);
  return *task;
}

}  // namespace coil::detail

namespace coil {

TaskRef current_task() {
  detail::TaskState* task = detail::running_loop().current;
  if (task == nullptr) detail::throw_logic_error("coil: current_task() outside of a task: in a callback there is none");
  return detail::HandleAccess::make<TaskRef>(task);
}

std::vector<TaskRef> all_tasks() {
  std::vector<TaskRef> tasks;
  detail::running_loop().states->for_each_task(
      [&](detail::TaskState& task) { tasks.push_back(detail::HandleAccess::make<TaskRef>(&task)); });
  return tasks;
}

}  // namespace coil
