#pragma once
#include <concepts>
#include <cstddef>
#include <exception>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

#include <coil/as_result.hpp>
#include <coil/create_task.hpp>
#include <coil/detail/cancel_scope.hpp>
#include <coil/exception_group.hpp>

namespace coil {

/// The tasks of a `task_group` body, given to it as `TaskGroup&`. Outlived by none of them.
/// Threads: loop thread.
class TaskGroup {
public:
  /// Starts a task that belongs to the group; takes what `coil::create_task` takes.
  /// Errors: `std::logic_error` once the group has ended or is shutting down; what was passed is destroyed.
  template <detail::TaskBody A>
  auto create_task(A&& body, std::source_location where = std::source_location::current()) {
    check_open();
    return adopt(coil::create_task(std::forward<A>(body), where));
  }
  template <detail::TaskBody A>
  auto create_task(A&& body, const TaskOptions& options, std::source_location where = std::source_location::current()) {
    check_open();
    return adopt(coil::create_task(std::forward<A>(body), options, where));
  }
  template <class F, class... Args>
    requires(sizeof...(Args) != 0) && detail::AsyncCallable<std::decay_t<F>, std::decay_t<Args>...>
  auto create_task(F&& f, Args&&... args) {
    check_open();
    return adopt(coil::create_task(std::forward<F>(f), std::forward<Args>(args)...));
  }
  template <class F, class... Args>
    requires detail::AsyncCallable<std::decay_t<F>, std::decay_t<Args>...>
  auto create_task(const TaskOptions& options, F&& f, Args&&... args) {
    check_open();
    return adopt(coil::create_task(options, std::forward<F>(f), std::forward<Args>(args)...));
  }

  /// Ends the group early: cancels the children and the body. Not an error. Idempotent.
  void cancel() noexcept;

  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  /// For `task_group` itself.
  TaskGroup();
  ~TaskGroup();
  /// Waits for all children after the body ended with `error` (null for none). Throws what the group throws.
  Coro<void> leave(std::exception_ptr error, bool body_was_cancelled);

private:
  class Member;
  class EmptyOperation;

  template <class T>
  Task<T> adopt(Task<T> task) {
    add(*detail::HandleAccess::state(task));
    return task;
  }
  void check_open() const;
  void add(detail::TaskState& task);
  void member_done(Member& member) noexcept;
  void abort() noexcept;

  detail::CancelScope scope_;
  Member* members_ = nullptr;  // one per child that is not done, the newest first
  std::vector<std::exception_ptr> errors_;
  EmptyOperation* waiting_ = nullptr;
  bool leaving_ = false;
  bool aborting_ = false;
  bool parent_cancel_requested_ = false;
};

namespace detail {

template <class R, class F>
Coro<R> run_group(F body) {
  TaskGroup group;
  std::exception_ptr error;
  bool cancelled = false;
  std::optional<Outcome<R>> outcome;
  try {
    if constexpr (std::is_void_v<R>) {
      co_await as_coro(body(group));
      outcome.emplace(std::in_place, true);
    } else {
      outcome.emplace(std::in_place, stored<R>(co_await as_coro(body(group))));
    }
  } catch (const CancelledError&) {
    cancelled = true;
    error = std::current_exception();
  } catch (...) {
    error = std::current_exception();
  }
  co_await group.leave(error, cancelled);
  if constexpr (!std::is_void_v<R>) {
    if (!outcome) std::rethrow_exception(std::move(error));  // the body was cancelled: there is no value
    co_return std::move(*outcome).value();
  }
}

template <class F>
using GroupResult =
    typename decltype(as_coro(std::declval<std::decay_t<F>&>()(std::declval<TaskGroup&>())))::value_type;

}  // namespace detail

/// Runs `body(TaskGroup&)`, then waits for all tasks that it and they created in the group, and gives what the
/// body returned.
///
/// At the first failure of a child or of the body the others and the body are cancelled and waited for; then an
/// ExceptionGroup of all failures is thrown, always a group, also for one. A child that is cancelled by itself
/// is no failure.
/// Errors: ExceptionGroup; CancelledError if the body of a group with a result was cancelled by `cancel()`.
/// Cancellation: from outside cancels all and waits. If their cleanup fails, the ExceptionGroup is thrown and
///   the cancellation is delivered again at the next suspension.
template <class F>
  requires detail::AsyncCallable<std::decay_t<F>&, TaskGroup&>
[[nodiscard]] auto task_group(F&& body) {
  detail::refuse_temporary_closure<F>();
  return detail::run_group<detail::GroupResult<F>, std::decay_t<F>>(std::forward<F>(body));
}

}  // namespace coil
