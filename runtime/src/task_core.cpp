#include <coil/create_task.hpp>
#include <coil/detail/check.hpp>
#include <coil/detail/loop_core.hpp>
#include <coil/loop.hpp>

namespace coil::detail {

namespace {

/// The coroutine is over, or never began: destroys it, then tells whoever waits.
void end_task(LoopCore& core, TaskState& task, Phase final) noexcept {
  task.phase = Phase::running;  // while destructors of parameters run
  task.set(Ready::returned);
  task.resume.destroy();
  task.resume = nullptr;
  --core.tasks_alive;
  task.finish(final);
  task.unref();
}

}  // namespace

void LoopCore::run_step(TaskState& task) noexcept {
  check(task.phase == Phase::ready, "only a task that is ready runs");
  TaskState* const outer = std::exchange(current, &task);
  ContextData* const outer_context = context;
  const Extras* const extras = task.extras_if_any();
  ContextData* const its_context = context = extras == nullptr ? nullptr : extras->context;
  task.phase = Phase::running;
  if (!task.has(Ready::started)) {
    task.set(Ready::started);
    if (task.has(Ready::must_cancel)) {
      current = outer;
      context = outer_context;
      return end_task(*this, task, Phase::cancelled);
    }
  }
  std::coroutine_handle<> next = task.resume;
  do {
    bounced = nullptr;
    transfers = 0;
    next.resume();
    next = bounced;
  } while (next);
  bounced = nullptr;
  if (context != its_context) [[unlikely]]
    task.extras().context = context;
  current = outer;
  context = outer_context;
  if (task.has(Ready::returned)) {
    const Phase final = task.phase == Phase::running ? Phase::value : task.phase;
    end_task(*this, task, final);
  }
}

TaskState& start_task(LoopCore& core, std::coroutine_handle<> root, const TaskOptions& options,
                      const std::source_location& where) {
  auto* task = core.states->make<TaskState>();
  PromiseBase& promise = promise_at(root);
  promise.receiver_ = Receiver(*task);
  task->refs = 1;
  task->set(Ready::is_task);
  task->resume = root;
  task->created_at = where.line() != 0 ? where : promise.where_;
  task->extras_or_number = ++core.tasks_made << 1 | 1;
  ++core.tasks_alive;
  if (!options.name.empty()) task->extras().name = options.name;
  if (ContextData* made_in = options.context == nullptr ? core.context : options.context->data())
    task->extras().context = retain(made_in);
  if (!options.eager) {
    task->make_ready();
  } else {
    task->phase = Phase::ready;
    task->ref();
    core.run_step(*task);
    --task->refs;  // the caller takes its own
  }
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
