#include "cancel_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <coil/call_graph.hpp>
#include <coil/sleep.hpp>

#include "left_over.hpp"
#include "loop_parts.hpp"
#include "symbol.hpp"

namespace coil::detail {

using testing::Failure;

namespace {

constexpr int settling_turns = 16;  // for what ends by itself without any time, such as closing in the background
constexpr int settling_steps = 13;  // in which the time for settling is waited, each twice as long as the one before

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return fmt::format("{} ({})", known.what(), type_name(typeid(known)));
  } catch (const CancelledError&) {
    return "CancelledError";
  } catch (...) {
    return "what is no std::exception";
  }
}

}  // namespace

// ---- The run ---------------------------------------------------------------------------------------------

void CancelRun::go() {
  const Holdings before = Holdings::take();
  deadline = std::chrono::steady_clock::now() + options_.time_limit;
  {
    Runner runner(options_.run);
    runner.run([this] { return drive(*this); });
    main_ = subject_task_ = victim_ = {};
  }
  if (left_.empty()) left_ = Holdings::take().beyond(before);
  judge();
}

Coro<void> CancelRun::drive(CancelRun& run) {
  get_running_loop().set_exception_handler([&run](const ErrorContext& error) {
    run.reported_ += (run.reported_.empty() ? "" : ", ") + error.message;
    if (error.exception) run.reported_ += ": " + text_of(error.exception);
  });
  LoopParts& parts = parts_of(*this_loop);
  {
    const Task<void> task = create_task(run.subject_.start(run.subject_.context));
    run.main_ = current_task();
    run.subject_task_ = task;
    parts.observer = &run;
    this_loop->notable.observed = true;
    run.outcome_.emplace(co_await as_result(task));
  }
  run.over_ = true;
  run.victim_ = run.subject_task_ = {};
  co_await run.settle();
  run.left_ = left_in_loop();
}

// Lets what is left end by itself.
Coro<void> CancelRun::settle() const {
  for (int turn = 0; turn < settling_turns && !left_in_loop().empty(); ++turn) co_await yield();
  auto pause = std::max(options_.settling / (1 << settling_steps), std::chrono::nanoseconds(1));
  for (int step = 0; step < settling_steps && !left_in_loop().empty(); ++step, pause *= 2) co_await sleep(pause);
}

// ---- Steps of tasks --------------------------------------------------------------------------------------

bool CancelRun::is_watched(const TaskState& task) const noexcept {
  if (options_.every_task || options_.at_others) return &task != HandleAccess::state(main_);
  return &task == HandleAccess::state(subject_task_);
}

void CancelRun::before_step(TaskState& task) noexcept {
  if (!armed_ || &task != HandleAccess::state(victim_)) return;
  armed_ = false;
  cancel();
}

void CancelRun::after_step(TaskState& task) noexcept {
  if (over_ || task.done() || !is_watched(task)) return;
  ++suspensions_;
  if (suspensions_ == options_.suspensions_max) {
    stuck_ = fmt::format("did not end: it has suspended {} times", suspensions_);
    return end_all_tasks();
  }
  if (suspensions_ == plan_.suspension) return arrive(task);
  if (&task == HandleAccess::state(victim_)) ++victims_steps_;
  if (cancels_ != 1 || ++since_cancel_ != plan_.again) return;
  if (options_.every_task) victim_ = HandleAccess::make<TaskRef>(&task);
  cancel();
}

void CancelRun::arrive(TaskState& task) noexcept {
  victim_ = options_.every_task ? HandleAccess::make<TaskRef>(&task) : subject_task_;
  if (&task != HandleAccess::state(victim_) && plan_.moment != CancelPlan::Moment::at_once) return;
  for (const CallGraphFrame& frame : capture_call_graph(victim_).frames) where_.push_back(frame.where);
  switch (plan_.moment) {
    case CancelPlan::Moment::at_once:
      return cancel();
    case CancelPlan::Moment::a_turn_later:
      get_running_loop().call_soon([this] { cancel_later(); });
      return;
    case CancelPlan::Moment::about_to_go_on:
      armed_ = true;
      return;
  }
}

void CancelRun::cancel_later() noexcept {
  if (!over_ && victims_steps_ == 0 && !victim_.done()) cancel();
}

void CancelRun::cancel() noexcept {
  if (!victim_.cancel("cancelled by cancel_everywhere()")) return;
  ++cancels_;
  if (cancels_ == 1 && plan_.again == 0) cancel();
}

// ---- Runs that do not end --------------------------------------------------------------------------------

void CancelRun::overdue() noexcept {
  if (!stuck_.empty()) {
    const std::string text = place() + stuck_ + ", and it does not let itself be cancelled\n";
    std::fputs(text.c_str(), stderr);
    std::abort();
  }
  stuck_ = over_ ? "something that is left did not end" : "did not end";
  for (const TaskRef& task : all_tasks()) {
    if (task == main_) continue;
    const CallGraph graph = capture_call_graph(task);
    stuck_ += fmt::format(", task '{}'", task.name());
    if (!graph.frames.empty()) stuck_ += " is at " + describe(graph.frames.front().where);
  }
  end_all_tasks();
}

void CancelRun::end_all_tasks() noexcept {
  deadline = std::chrono::steady_clock::now() + options_.time_limit;
  for (const TaskRef& task : all_tasks())
    if (task != main_) task.cancel("cancel_everywhere() ends a run that does not end");
}

// ---- What came of it -------------------------------------------------------------------------------------

std::string CancelRun::place() const {
  std::string text = "coil::testing::cancel_everywhere(): ";
  if (plan_.failing != 0)
    return fmt::format("coil::testing::fail_everywhere(): operation {} failed: it ", plan_.failing);
  if (!was_cancelled()) return text + "not cancelled, it ";
  text += fmt::format("cancelled at suspension {}", plan_.suspension);
  for (const std::source_location& where : where_)
    text += (&where == where_.data() ? " at " : " in ") + describe(where);
  if (plan_.moment == CancelPlan::Moment::a_turn_later) text += ", a turn later";
  if (plan_.moment == CancelPlan::Moment::about_to_go_on) text += ", when it was about to go on";
  if (plan_.again == 0) text += ", twice";
  if (was_cancelled_again() && plan_.again != 0) text += fmt::format(", and again {} suspensions later", *plan_.again);
  return text + ": it ";
}

void CancelRun::judge() {
  if (!stuck_.empty()) throw Failure(place() + stuck_);
  const bool may_throw = options_.errors || plan_.failing != 0;
  if (!was_cancelled() && plan_.failing == 0 && threw()) std::rethrow_exception(outcome_->exception());
  if (!was_cancelled() && outcome_->cancelled()) throw Failure(place() + "ended cancelled");
  if (threw() && !may_throw) throw Failure(place() + "threw " + text_of(outcome_->exception()));
  if (!left_.empty()) throw Failure(place() + "left something behind: " + left_);
  if (!reported_.empty() && !(may_throw && (was_cancelled() || plan_.failing != 0)))
    throw Failure(place() + "made the loop report: " + reported_);
}

}  // namespace coil::detail
