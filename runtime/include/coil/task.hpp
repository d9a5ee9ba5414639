#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <coil/coro.hpp>
#include <coil/future.hpp>

namespace coil {

/// A handle to a running coroutine, whatever it returns. Copyable; the loop owns the work, not the handle.
/// Threads: loop thread.
class TaskRef {
public:
  TaskRef() noexcept = default;

  /// Asks the task to stop: CancelledError is thrown at its current suspension point, or at its next one.
  /// Two requests before delivery are one delivery, a count of two and the first message.
  /// Returns false if the task is done. A task that has not started yet never runs its body.
  /// Errors: `std::logic_error` from another thread, in debug mode.
  bool cancel(std::string_view message = {}) const {
    if (!state_) return false;
    state_->check_thread("Task::cancel");
    return state_->cancel(message);
  }
  bool done() const noexcept { return state_ && state_->done(); }
  bool cancelled() const noexcept { return state_ && state_->phase == detail::Phase::cancelled; }
  /// Requests to cancel minus `uncancel()`s.
  int cancelling() const noexcept { return state_ ? state_->cancels : 0; }
  /// Takes one request back; down to zero also withdraws one that was not delivered yet. Returns what is left.
  int uncancel() const noexcept { return state_ ? state_->uncancel() : 0; }

  /// "Task-N" unless a name was given. Errors: `std::logic_error` for an empty handle.
  const std::string& name() const { return checked("name")->name(); }
  void set_name(std::string name) const { checked("set_name")->extras().name = std::move(name); }

  /// Calls `f(task)`, or `f()`, from the loop once the task is done. The Handle may take it back before.
  template <class F>
  Handle add_done_callback(F&& f) const {
    return detail::call_when_done(*this, std::forward<F>(f));
  }

  explicit operator bool() const noexcept { return static_cast<bool>(state_); }
  bool operator==(const TaskRef&) const = default;

protected:
  friend struct detail::HandleAccess;
  explicit TaskRef(detail::StateRef<detail::TaskState> state) noexcept : state_(std::move(state)) {}
  detail::TaskState* checked(const char* call) const {
    detail::checked_state(state_.get(), call);
    return state_.get();
  }

  detail::StateRef<detail::TaskState> state_;
};

/// A handle to a running coroutine that returns T; any number of awaiters.
///
/// Awaiting copies the result; one that cannot be copied is moved out by the first await and later awaits
/// throw InvalidStateError. An exception that nobody can take any more is reported to the loop's exception
/// handler at once.
/// Cancellation: of an awaiter cancels the task too; `shield` prevents it.
/// Threads: loop thread.
template <class T = void>
class Task : public TaskRef {
public:
  using value_type = T;

  Task() noexcept = default;

  /// Errors: InvalidStateError before it is done; what it ended with. Never moves.
  decltype(auto) result() const { return detail::result_reference<T>(*detail::checked_done(state_.get(), "result")); }
  /// Null for a result. Errors: InvalidStateError before it is done, CancelledError if it was cancelled.
  std::exception_ptr exception() const { return detail::exception_of(detail::checked_done(state_.get(), "exception")); }

  template <class F>
  Handle add_done_callback(F&& f) const {
    return detail::call_when_done(*this, std::forward<F>(f));
  }

  bool operator==(const Task&) const = default;
  /// Tasks of different types are never the same: comparing them is a mistake.
  template <class U>
    requires(!std::is_same_v<T, U>)
  bool operator==(const Task<U>&) const = delete;
  detail::FutureOperation<T> operator co_await() const { return detail::FutureOperation<T>(state_.get()); }

private:
  friend struct detail::HandleAccess;
  explicit Task(detail::StateRef<detail::TaskState> state) noexcept : TaskRef(std::move(state)) {}
};

/// Options of `create_task`. What it points to is copied by the call.
struct TaskOptions {
  std::string_view name = {};        ///< Empty: "Task-N".
  const Context* context = nullptr;  ///< Null: a copy of the maker's.
  bool eager = false;                ///< Runs the first step inside `create_task`.
};
static_assert(std::is_aggregate_v<TaskOptions> && std::is_trivially_destructible_v<TaskOptions>);

}  // namespace coil
