#include <coil/run.hpp>

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
  const bool is_parents = detail::this_loop != nullptr && detail::parts_of(*detail::this_loop).is_parents;
  if (is_parents) detail::this_loop = nullptr;
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
  detail::LoopParts& parts = *loop_->parts;
  detail::TaskState& state = *detail::HandleAccess::state(main);
  {
    const detail::InterruptScope interrupts(parts, state);
    const Entered entered(*this);
    loop_->run_until_done(state);
  }
  if (parts.interrupts != 0) {
    parts.interrupts = 0;
    if (main.cancelled() && main.uncancel() == 0) throw KeyboardInterrupt();
  }
}

// The other tasks of the loop, all cancelled, then all awaited, whatever they throw.
void Runner::cancel_all_tasks() {
  std::vector<TaskRef> left = all_tasks();
  for (const TaskRef& task : left) task.cancel();
  for (const TaskRef& task : left) loop_->run_until_done(*detail::HandleAccess::state(task));
  for (const TaskRef& task : left) {
    detail::TaskState& state = *detail::HandleAccess::state(task);
    if (state.phase == detail::Phase::error && !state.has(detail::Ready::retrieved))
      detail::report_at_shutdown(state, state.take_exception());
  }
}

void Runner::end_tasks() noexcept {
  while (loop_->tasks_alive != 0) {
    try {
      cancel_all_tasks();
    } catch (const std::logic_error&) {
      // A task called stop() again: go on until all have ended.
    }
  }
}

// What a service throws is reported as that of any task that nobody awaits.
void Runner::close_services() noexcept {
  while (!loop_->parts->services.empty()) {
    const auto service = loop_->parts->services.take_last();
    Coro<void> coro = service->aclose();
    const Task<void> closing = detail::start_coro_here(*loop_, coro);
    while (!closing.done()) {
      try {
        loop_->run_until_done(*detail::HandleAccess::state(closing));
      } catch (const std::logic_error&) {
        // As above.
      }
    }
    end_tasks();
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
    end_tasks();
    close_services();
    loop_->close();
  }
  delete loop_;
  loop_ = nullptr;
}

}  // namespace coil
