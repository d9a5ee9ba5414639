#include <coil/create_task.hpp>
#include <coil/detail/check.hpp>
#include <coil/detail/loop_core.hpp>
#include <coil/loop.hpp>

#include <utility>

namespace coil::detail {

namespace {

/// The coroutine is over, or never began: destroys it, then tells whoever waits.
void end_task(LoopCore& core, TaskState& task, Phase final) noexcept {
  task.phase = Phase::running;  // while destructors of parameters run
  task.set(Ready::returned);
  task.resume.destroy();
  --core.tasks_alive;
  task.phase = final;
  while (Suspension* waiter = task.waiters.pop_front()) waiter->wake(&task);
  task.unref();
}

}  // namespace

void LoopCore::run_step(TaskState& task) noexcept {
  if (task.has(Ready::must_cancel | Ready::has_context)) [[unlikely]]
    return run_unusual_step(task);
  resume(task);
}

void LoopCore::run_unusual_step(TaskState& task) noexcept {
  if (task.phase == Phase::created && task.has(Ready::must_cancel)) return end_task(*this, task, Phase::cancelled);
  if (task.has(Ready::has_context)) context = task.extras().context;
  resume(task);
}

inline void LoopCore::resume(TaskState& task) noexcept {
  current = &task;
  task.phase = Phase::running;
  transfers = 0;
  task.resume.resume();
  while (bounced) [[unlikely]] {
    transfers = 0;
    std::exchange(bounced, nullptr).resume();
  }
  current = nullptr;
  context = nullptr;
  if (task.has(Ready::returned)) end_task(*this, task, task.phase == Phase::running ? Phase::value : task.phase);
}

void LoopCore::run_step_nested(TaskState& task) noexcept {
  TaskState* const outer = current;
  ContextData* const outer_context = context;
  const unsigned outer_transfers = transfers;
  context = nullptr;
  run_step(task);
  current = outer;
  context = outer_context;
  transfers = outer_transfers;
}

TaskState& start_task(LoopCore& core, std::coroutine_handle<> root, const TaskOptions& options,
                      std::source_location where) {
  auto* task = core.states->make<TaskState>();
  PromiseBase& promise = promise_at(root);
  promise.receiver_ = Receiver(*task);
  task->refs = 2;  // the loop's and the caller's
  task->flags = Ready::is_task;
  task->phase = Phase::created;
  task->resume = root;
  task->created_at = where.line() != 0 ? where : promise.where_;
  task->extras_or_number = ++core.tasks_made << 1 | 1;
  ++core.tasks_alive;
  if (!options.name.empty()) [[unlikely]]
    task->extras().name = options.name;
  ContextData* const made_in = options.context == nullptr ? core.context : options.context->data();
  if (made_in != nullptr) [[unlikely]]
    task->set_context(made_in);
  if (options.eager) [[unlikely]]
    core.run_step_nested(*task);
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
