#include <coil/race.hpp>

namespace coil::detail {

void throw_no_race_value() {
  throw_logic_error("coil: RaceResult::get() of one that has no result: it lost; index() tells who won");
}

void start_race(std::span<Child> children) {
  if (children.empty()) throw_invalid_argument("coil: race() of nothing");
  start_all(children);
}

void RaceOperation::start() noexcept {
  cancelled_before_ = task_->has(Ready::must_cancel);
  hook_all();
}

// Those that end because the race was cancelled do not win.
bool RaceOperation::child_done(Child& child) noexcept {
  const Phase phase = child.state().phase;
  const bool ended_by_itself = child.state().done() && !(cancel_requested_ && phase == Phase::cancelled);
  if (winner_ == nullptr && ended_by_itself) {
    winner_ = &child;
    if (!cancel_requested_) cancel_after(child, Which::all);
  }
  return left_ == 0;
}

std::size_t RaceOperation::await_resume() {
  const bool cancelled = cancel_requested_ || task_->has(Ready::must_cancel);
  if (cancelled) {
    if (winner_ == nullptr || cancelled_before_ || winner_->state().phase == Phase::cancelled) task_->throw_cancelled();
    // The request waits for the next suspension, as after an operation of the kernel that completed.
    if (task_->cancels != 0) task_->set(Ready::must_cancel | Ready::late_cancel);
  }
  winner_->state().throw_unless_value();
  return static_cast<std::size_t>(winner_ - children_.data());
}

}  // namespace coil::detail
