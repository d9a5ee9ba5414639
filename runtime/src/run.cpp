#include <coil/run.hpp>

#include <coil/detail/check.hpp>
#include <coil/gather.hpp>

#include "close_generators.hpp"
#include "interrupt.hpp"
#include "loop_parts.hpp"
#include "report.hpp"

namespace coil {

Runner::Entered::Entered(const Runner& runner) noexcept {
  detail::check(detail::this_loop == nullptr, "one loop runs in a thread at a time");
  detail::this_loop = runner.loop_;
}
Runner::Entered::~Entered() { detail::this_loop = nullptr; }

void Runner::begin() {
  if (detail::this_loop != nullptr) detail::throw_logic_error("coil: run() cannot be called from a running event loop");
  loop();
}

Loop& Runner::loop() {
  if (closed_) detail::throw_logic_error("coil: this Runner is closed");
  if (loop_ == nullptr) {
    loop_ = new Loop(options_);
    context_ = copy_context();
  }
  return *loop_;
}

namespace {

/// Lets a task run in a context itself, not in a copy.
class LentContext {
public:
  LentContext(Context& context, detail::TaskState& task) : context_(context), task_(task) {
    if (context.empty()) return;
    task.extras().context = std::move(context);
    task.set(detail::Ready::has_context);
  }
  LentContext(const LentContext&) = delete;
  LentContext& operator=(const LentContext&) = delete;
  ~LentContext() {
    detail::Extras* more = task_.extras_if_any();
    if (more == nullptr) return;
    if (task_.done())
      context_ = std::move(more->context);
    else
      context_ = more->context;
  }

private:
  Context& context_;
  detail::TaskState& task_;
};

}  // namespace

void Runner::run_task(const TaskRef& main) {
  const detail::ThreadSettings settings;
  detail::LoopParts& parts = *loop_->parts;
  detail::TaskState& state = *detail::HandleAccess::state(main);
  {
    const LentContext lent(context_, state);
    const detail::InterruptScope interrupts(parts, state);
    const Entered entered(*this);
    loop_->run_until_done(state);
  }
  if (parts.interrupts != 0) {
    parts.interrupts = 0;
    if (main.cancelled() && main.uncancel() == 0) throw KeyboardInterrupt();
  }
}

namespace {

/// The tasks of the loop that close generators, or all others.
std::vector<TaskRef> tasks_left(bool that_close) {
  std::vector<TaskRef> left;
  for (TaskRef& task : all_tasks()) {
    const detail::Extras* more = detail::HandleAccess::state(task)->extras_if_any();
    if ((more != nullptr && more->closes_generator) == that_close) left.push_back(std::move(task));
  }
  return left;
}

}  // namespace

// The other tasks of the loop, all cancelled, then all awaited, whatever they throw.
void Runner::cancel_all_tasks() {
  const std::vector<TaskRef> left = tasks_left(false);
  for (const TaskRef& task : left) task.cancel();
  for (const TaskRef& task : left) loop_->run_until_done(*detail::HandleAccess::state(task));
  for (const TaskRef& task : left) {
    detail::TaskState& state = *detail::HandleAccess::state(task);
    if (state.phase == detail::Phase::error && !state.has(detail::Ready::retrieved))
      detail::report_at_shutdown(state, state.take_exception());
  }
}

// Generators that are closing are not cancelled.
void Runner::await_closing() {
  for (auto left = tasks_left(true); !left.empty(); left = tasks_left(true))
    for (const TaskRef& task : left) loop_->run_until_done(*detail::HandleAccess::state(task));
}

// First the tasks, then the generators, as asyncio; what cleans up may leave more of both. False if a task called
// stop() meanwhile.
bool Runner::end_all() {
  try {
    do {
      while (loop_->tasks_alive != 0) {
        cancel_all_tasks();
        await_closing();
      }
      if (!detail::close_generators(*loop_)) return true;
      await_closing();
    } while (true);
  } catch (const std::logic_error&) {
    return false;
  }
}

void Runner::close() noexcept {
  if (closed_) return;
  closed_ = true;
  if (loop_ == nullptr) return;
  detail::check(detail::this_loop == nullptr, "a Runner is closed from outside its loop");
  {
    const detail::ThreadSettings settings;
    const Entered entered(*this);
    while (!end_all()) {
    }
    loop_->close();
  }
  delete loop_;
  loop_ = nullptr;
}

}  // namespace coil
