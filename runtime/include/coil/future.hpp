#pragma once
#include <concepts>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <coil/detail/state_ref.hpp>
#include <coil/error.hpp>

namespace coil {

namespace detail {

/// For those who work on the states behind handles.
struct HandleAccess {
  template <class Handle>
  static auto* state(const Handle& handle) noexcept {
    return handle.state_.get();
  }
  template <class Handle, class State>
  static Handle make(State* state) noexcept {
    return Handle(StateRef<State>(state));
  }
  /// Takes over a reference.
  template <class Handle, class State>
  static Handle adopt(State* state) noexcept {
    return Handle(StateRef<State>(state, adopted));
  }
  /// From the state that the kind of handle is for.
  template <class Handle>
  static Handle make_for(FutureState& of) noexcept {
    using State = std::remove_pointer_t<decltype(state(std::declval<const Handle&>()))>;
    return make<Handle>(static_cast<State*>(&of));
  }
};

/// Calls `f(future)` if that is possible, else `f()`. The handle is made for the call.
template <class Of, class F>
class DoneCallbackOf final : public DoneCallback {
public:
  explicit DoneCallbackOf(F&& f) : function_(std::move(f)) {}
  explicit DoneCallbackOf(const F& f) : function_(f) {}

  void call() override {
    const StateRef<FutureState> done = std::exchange(done_, {});
    Of handle = HandleAccess::make_for<Of>(*done);
    if constexpr (std::invocable<F&, Of&>)
      (*function_)(handle);
    else if constexpr (std::invocable<F&, Of>)
      (*function_)(std::move(handle));
    else
      (*function_)();
  }

private:
  void forget() noexcept override { function_.reset(); }
  std::optional<F> function_;
};

/// A callback that returns one would never run it.
template <class Result>
constexpr void refuse_coroutine() {
  static_assert(!is_coro<Result>,
                "coil: a callback is a plain function, its coroutine would never run: use create_task() in it");
}

template <class Of, class F>
Handle call_when_done(const Of& handle, F&& f) {
  using Function = std::decay_t<F>;
  constexpr bool takes_handle = std::invocable<Function&, Of&> || std::invocable<Function&, Of>;
  static_assert(takes_handle || std::invocable<Function&>,
                "coil: add_done_callback(f) calls f(task) or f(future), or else f()");
  if constexpr (!takes_handle && std::invocable<Function&>)
    refuse_coroutine<std::invoke_result_t<Function&>>();
  else if constexpr (std::invocable<Function&, Of&>)
    refuse_coroutine<std::invoke_result_t<Function&, Of&>>();
  else if constexpr (std::invocable<Function&, Of>)
    refuse_coroutine<std::invoke_result_t<Function&, Of>>();
  FutureState* state = checked_state(HandleAccess::state(handle), "add_done_callback");
  return add_done_callback(*state, new DoneCallbackOf<Of, std::decay_t<F>>(std::forward<F>(f)));
}

}  // namespace detail

/// A result that someone will set. A copyable handle, made by `Loop::create_future<T>()`.
///
/// Awaiting copies the result; one that cannot be copied is moved out by the first await and later awaits
/// throw InvalidStateError. Waiters are woken in arrival order, on a later step.
/// Cancellation: of a waiter cancels the future, and so reaches its other waiters; `shield` prevents it.
/// Threads: loop thread; in debug mode setting or cancelling it in another one is a `std::logic_error`.
template <class T = void>
class Future {
public:
  using value_type = T;

  Future() noexcept = default;

  bool done() const noexcept { return state_ && state_->done(); }
  bool cancelled() const noexcept { return state_ && state_->phase == detail::Phase::cancelled; }

  /// Errors: InvalidStateError if the future is done.
  template <class U = T>
    requires(!std::is_void_v<T>)
  void set_result(U&& result) const {
    state("set_result").template emplace<detail::Stored<T>>(convert(std::forward<U>(result)));
    state_->finish(detail::Phase::value);
  }
  void set_result() const
    requires std::is_void_v<T>
  {
    state("set_result").finish(detail::Phase::value);
  }
  /// Errors: InvalidStateError if the future is done; `std::invalid_argument` for a null pointer.
  void set_exception(std::exception_ptr exception) const {
    if (!exception) detail::throw_invalid_argument("coil: Future::set_exception of a null exception_ptr");
    state("set_exception").finish_with_error(std::move(exception));
  }
  template <class E>
    requires(!std::is_same_v<std::decay_t<E>, std::exception_ptr> && !std::is_null_pointer_v<std::decay_t<E>>)
  void set_exception(E&& exception) const {
    set_exception(std::make_exception_ptr(std::forward<E>(exception)));
  }
  /// Ends the future as cancelled. False if it was done.
  bool cancel(std::string_view message = {}) const {
    if (!state_) return false;
    state_->check_thread("Future::cancel");
    return state_->cancel(message);
  }

  /// Errors: InvalidStateError before it is done; what it ended with.
  decltype(auto) result() const { return detail::result_reference<T>(*detail::checked_done(state_.get(), "result")); }
  /// Null for a result. Errors: InvalidStateError before it is done, CancelledError if it was cancelled.
  std::exception_ptr exception() const { return detail::exception_of(detail::checked_done(state_.get(), "exception")); }

  /// Calls `f(future)`, or `f()`, from the loop once the future is done. The Handle may take it back before.
  template <class F>
  Handle add_done_callback(F&& f) const {
    return detail::call_when_done(*this, std::forward<F>(f));
  }

  bool operator==(const Future&) const = default;
  detail::FutureOperation<T> operator co_await() const { return detail::FutureOperation<T>(state_.get()); }

private:
  friend struct detail::HandleAccess;
  explicit Future(detail::StateRef<detail::FutureState> state) noexcept : state_(std::move(state)) {}
  detail::FutureState& state(const char* call) const { return detail::checked_pending(state_.get(), call); }
  template <class U>
  static decltype(auto) convert(U&& result) {
    if constexpr (std::is_reference_v<T>)
      return std::addressof(static_cast<T>(result));
    else
      return std::forward<U>(result);
  }

  detail::StateRef<detail::FutureState> state_;
};

}  // namespace coil
