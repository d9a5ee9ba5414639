#include <coil/run.hpp>

#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include <pthread.h>

#include <coil/detail/check.hpp>
#include <coil/gather.hpp>

#include "close_generators.hpp"
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
  const bool is_parents = detail::this_loop != nullptr && detail::parts_of(*detail::this_loop).is_parents();
  if (is_parents) detail::this_loop = nullptr;
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
  if (loop_->parts->is_parents())
    detail::throw_logic_error("coil: this Runner's loop belongs to the parent process; make another one");
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
  detail::TaskState& state = *detail::HandleAccess::state(main);
  detail::InterruptScope interrupts(*loop_->parts, state);
  {
    const LentContext lent(context_, state);
    const Entered entered(*this);
    if (!loop_->run_until_done(state))
      detail::throw_logic_error("coil: the event loop was stopped before the main coroutine was done");
  }
  interrupts.leave();
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

// The other tasks of the loop, all cancelled, then all awaited, whatever they throw and however often they stop it.
void Runner::cancel_all_tasks() {
  const std::vector<TaskRef> left = tasks_left(false);
  for (const TaskRef& task : left) task.cancel();
  for (const TaskRef& task : left)
    while (!loop_->run_until_done(*detail::HandleAccess::state(task))) {
    }
  for (const TaskRef& task : left) {
    detail::TaskState& state = *detail::HandleAccess::state(task);
    if (state.phase == detail::Phase::error && !state.has(detail::Ready::retrieved))
      detail::report_at_shutdown(state, state.take_exception());
  }
}

// Generators that are closing are not cancelled.
void Runner::await_closing() {
  for (auto left = tasks_left(true); !left.empty(); left = tasks_left(true))
    for (const TaskRef& task : left)
      while (!loop_->run_until_done(*detail::HandleAccess::state(task))) {
      }
}

// First the tasks, then the generators, as asyncio; what cleans up may leave more of both.
void Runner::end_all() {
  do {
    while (loop_->tasks_alive != 0) {
      cancel_all_tasks();
      await_closing();
    }
    if (!detail::close_generators(*loop_)) return;
    await_closing();
  } while (true);
}

// What a service throws is reported as that of any task that nobody awaits.
void Runner::close_services() noexcept {
  while (!loop_->parts->services.empty()) {
    const auto service = loop_->parts->services.take_last();
    Coro<void> coro = service->aclose();
    const Task<void> closing = detail::start_coro_here(*loop_, coro);
    while (!loop_->run_until_done(*detail::HandleAccess::state(closing))) {
    }
    end_all();
  }
}

void Runner::close() {
  if (loop_ != nullptr && detail::this_loop == loop_)
    detail::throw_logic_error("coil: Runner::close() cannot close a running event loop");
  if (loop_ != nullptr && detail::this_loop != nullptr)
    detail::throw_logic_error("coil: Runner::close() cannot be called from a running event loop");
  finish();
}

Runner::~Runner() {
  detail::check(loop_ == nullptr || detail::this_loop != loop_, "a Runner is destroyed from outside its loop");
  detail::LoopCore* const around = std::exchange(detail::this_loop, nullptr);
  finish();
  detail::this_loop = around;
}

void Runner::finish() noexcept {
  closed_ = true;
  if (loop_ == nullptr) return;
  // The parent's: its ring is not in this child, and its tasks go on there. Given up as it is.
  if (loop_->parts->is_parents()) {
    loop_ = nullptr;
    return;
  }
  {
    const detail::ThreadSettings settings;
    const Entered entered(*this);
    loop_->notable.ending = true;
    loop_->parts->begin_ending();
    do {
      end_all();
      close_services();
      loop_->end_default_threads();
      loop_->drop_callbacks();
    } while (loop_->tasks_alive != 0);
    loop_->close();
  }
  retire(std::exchange(loop_, nullptr));
}

}  // namespace coil
