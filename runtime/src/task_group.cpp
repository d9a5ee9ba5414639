#include <coil/task_group.hpp>

#include <coil/detail/check.hpp>
#include <coil/detail/operation.hpp>

#include "report.hpp"

namespace coil {

using detail::Phase;
using detail::Ready;

/// One child that is not done. Hangs in its waiters; when it is done, tells the group on a step of its own.
class TaskGroup::Member final : public detail::Suspension, public detail::Pooled {
public:
  Member(TaskGroup& group, detail::TaskState& task) noexcept : group_(group), task_state_(&task) {
    task_ = detail::HandleAccess::state(group.scope_.task());  // for the call graph: who waits for the child
  }

  void wake(detail::FutureState*) noexcept override {
    task_->core().loop().call_soon([this] { group_.member_done(*this); });
  }
  detail::TaskState& task() const noexcept { return *task_state_; }

  Member* previous = nullptr;
  Member* next = nullptr;

private:
  detail::Abort abort() noexcept override { return detail::Abort::gone; }  // never waited on itself

  TaskGroup& group_;
  detail::StateRef<detail::TaskState> task_state_;
};

/// Waits until no child is left.
class TaskGroup::EmptyOperation final : public detail::Operation<TaskGroup::EmptyOperation> {
public:
  explicit EmptyOperation(TaskGroup& group) noexcept : group_(group) {}
  bool await_ready() const noexcept { return group_.members_ == nullptr; }
  void start() noexcept { group_.waiting_ = this; }
  void await_resume() { throw_if_cancelled(); }

private:
  detail::Abort abort() noexcept override {
    group_.waiting_ = nullptr;
    return detail::Abort::gone;
  }
  TaskGroup& group_;
};

TaskGroup::TaskGroup() = default;

TaskGroup::~TaskGroup() { detail::check(members_ == nullptr, "a task group outlives its tasks"); }

void TaskGroup::check_open() const {
  if (leaving_ && members_ == nullptr) detail::throw_logic_error("coil: TaskGroup::create_task(): the group has ended");
  if (aborting_) detail::throw_logic_error("coil: TaskGroup::create_task(): the group is shutting down");
}

void TaskGroup::add(detail::TaskState& task) {
  auto* member = new Member(*this, task);
  member->next = members_;
  if (members_ != nullptr) members_->previous = member;
  members_ = member;
  if (task.done())
    member->wake(nullptr);
  else
    task.waiters.push_back(*member);
}

void TaskGroup::member_done(Member& member) noexcept {
  if (member.previous != nullptr)
    member.previous->next = member.next;
  else
    members_ = member.next;
  if (member.next != nullptr) member.next->previous = member.previous;
  const bool failed = member.task().phase == Phase::error;
  if (failed) errors_.push_back(member.task().take_exception());
  delete &member;
  if (members_ == nullptr && waiting_ != nullptr) std::exchange(waiting_, nullptr)->wake(nullptr);
  if (failed && !aborting_ && !parent_cancel_requested_) {
    abort();
    parent_cancel_requested_ = true;
    scope_.request();
  }
}

void TaskGroup::abort() noexcept {
  aborting_ = true;
  // From the first to the last, as they were created.
  Member* member = members_;
  while (member != nullptr && member->next != nullptr) member = member->next;
  for (; member != nullptr; member = member->previous) member->task().cancel({});
}

void TaskGroup::cancel() noexcept {
  if (leaving_ && members_ == nullptr) return;
  if (!aborting_) abort();
  if (parent_cancel_requested_ || leaving_) return;
  parent_cancel_requested_ = true;
  scope_.request();
}

// As asyncio.TaskGroup.__aexit__ (CPython 3.13), but for two things: the failure of the body takes its place in time
// among those of the children, and requests to cancel that came before the group began are left alone.
Coro<void> TaskGroup::leave(std::exception_ptr error, bool body_was_cancelled) {
  leaving_ = true;
  std::exception_ptr cancellation = body_was_cancelled ? error : nullptr;
  if (error && !body_was_cancelled) errors_.push_back(error);
  if (error && !aborting_) abort();
  while (members_ != nullptr) {
    try {
      co_await EmptyOperation(*this);
    } catch (const CancelledError&) {
      if (!aborting_) {  // the parent is cancelled from outside
        cancellation = std::current_exception();
        abort();
      }
    }
  }
  if (parent_cancel_requested_ && scope_.take_back()) cancellation = nullptr;
  if (cancellation && errors_.empty()) std::rethrow_exception(cancellation);
  if (errors_.empty()) co_return;
  // Cancelled from outside as well: the group's errors come first, the cancellation at the next suspension.
  if (scope_.asked_from_outside()) scope_.deliver_again();
  throw ExceptionGroup("unhandled errors in a task group", std::move(errors_));
}

}  // namespace coil
