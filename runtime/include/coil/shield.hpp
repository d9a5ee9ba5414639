#pragma once
#include <type_traits>
#include <utility>

#include <coil/detail/child.hpp>
#include <coil/detail/operation.hpp>
#include <coil/future.hpp>
#include <coil/task.hpp>

namespace coil {

namespace detail {

/// Waits for a task or future without passing a cancellation on to it.
class ShieldWait : public Suspension {
public:
  bool await_ready() const;
  void start() noexcept { state_->waiters.push_back(*this); }
  /// Whether it would not wait.
  bool done() const noexcept { return state_->done(); }

protected:
  explicit ShieldWait(FutureState* state) noexcept : state_(state) {}
  ~ShieldWait() = default;
  StateRef<FutureState> state_;

private:
  void wake(FutureState* source) noexcept final;
  Abort abort() noexcept final;
  Handle waking_;  // once it is done
};

template <class T>
class ShieldOperation final : public Operation<ShieldOperation<T>, ShieldWait> {
public:
  explicit ShieldOperation(FutureState* state) noexcept : Operation<ShieldOperation<T>, ShieldWait>(state) {}
  T await_resume() {
    this->throw_if_cancelled();
    return take_result<T>(*this->state_);
  }
};

}  // namespace detail

/// Awaits a Task or Future, and protects it from the cancellation of the awaiting task, which leaves at once with
/// CancelledError while what it waited for goes on.
///
/// Cancelled itself, it gives CancelledError to the awaiting task too. An exception that comes when nobody waits any
/// more goes to the exception handler, unless somebody still holds the task.
/// Errors: what the task throws; `std::logic_error` for an empty handle.
/// Cancellation: of the awaiting task only; the result stays with the task.
template <detail::TaskBody A>
[[nodiscard]] auto shield(const A& awaited) {
  static_assert(detail::is_future_like<A>,
                "coil: shield() takes a Task or a Future: nobody would own a coroutine once its awaiter has left; "
                "write `auto task = coil::create_task(...); co_await coil::shield(task);`");
  if constexpr (detail::is_future_like<A>)
    return detail::ShieldOperation<typename A::value_type>(
        detail::checked_state(detail::HandleAccess::state(awaited), "shield"));
}

}  // namespace coil
