#include <coil/run.hpp>

#include <utility>

#include <coil/detail/check.hpp>
#include <coil/gather.hpp>

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
  if (loop_ == nullptr) loop_ = new Loop(options_);
  return *loop_;
}

void Runner::run_task(const TaskRef& main) {
  const detail::ThreadSettings settings;
  detail::TaskState& state = *detail::HandleAccess::state(main);
  detail::InterruptScope interrupts(*loop_->parts, state);
  {
    const Entered entered(*this);
    if (!loop_->run_until_done(state))
      detail::throw_logic_error("coil: the event loop was stopped before the main coroutine was done");
  }
  interrupts.leave();
}

// The other tasks of the loop, all cancelled, then all awaited, whatever they throw and however often they stop it.
void Runner::cancel_all_tasks() {
  std::vector<TaskRef> left = all_tasks();
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
  {
    const detail::ThreadSettings settings;
    const Entered entered(*this);
    while (loop_->tasks_alive != 0) cancel_all_tasks();  // some may have made others meanwhile
    loop_->close();
  }
  delete loop_;
  loop_ = nullptr;
}

}  // namespace coil
