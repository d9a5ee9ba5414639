#include <coil/run.hpp>

#include <deque>
#include <memory>
#include <mutex>

#include <pthread.h>

#include <coil/detail/check.hpp>
#include <coil/gather.hpp>

#include "interrupt.hpp"
#include "loop_parts.hpp"
#include "report.hpp"

namespace coil {

namespace {

// Another thread may hold a reference to a loop, and call it when it is over: it is to be told so. So loops that are
// closed, a hundred bytes each, are kept for a while.
void retire(Loop* loop) {
  constexpr std::size_t kept_max = 1000;
  static std::mutex mutex;
  static auto* kept = new std::deque<std::unique_ptr<Loop>>;  // reachable to the last: other threads may end after main
  const std::lock_guard lock(mutex);
  kept->emplace_back(loop);
  if (kept->size() > kept_max) kept->pop_front();
}

}  // namespace

Runner::Entered::Entered(const Runner& runner) noexcept {
  detail::check(detail::this_loop == nullptr, "one loop runs in a thread at a time");
  detail::this_loop = runner.loop_;
}
Runner::Entered::~Entered() { detail::this_loop = nullptr; }

void Runner::begin() {
  if (detail::this_loop != nullptr) detail::throw_logic_error("coil: run() cannot be called from a running event loop");
  loop();
  if (::pthread_equal(loop_->parts->thread, ::pthread_self()) == 0)
    detail::throw_logic_error("coil: this Runner's loop was made in another thread; run it there");
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

// The tasks that are left, all cancelled, then all awaited, whatever they throw; and those that they start.
void Runner::cancel_all_tasks() noexcept {
  while (loop_->tasks_alive != 0) {
    try {
      cancel_tasks();
    } catch (const std::logic_error&) {
      // A task called stop() again: go on until all have ended.
    }
  }
}

void Runner::cancel_tasks() {
  std::vector<TaskRef> left = all_tasks();
  for (const TaskRef& task : left) task.cancel();
  for (const TaskRef& task : left) loop_->run_until_done(*detail::HandleAccess::state(task));
  for (const TaskRef& task : left) {
    detail::TaskState& state = *detail::HandleAccess::state(task);
    if (state.phase == detail::Phase::error && !state.has(detail::Ready::retrieved))
      detail::report_at_shutdown(state, state.take_exception());
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
    loop_->parts->begin_ending();
    do {
      cancel_all_tasks();
      loop_->end_default_threads();
    } while (loop_->tasks_alive != 0);
    loop_->close();
  }
  retire(std::exchange(loop_, nullptr));
}

}  // namespace coil
