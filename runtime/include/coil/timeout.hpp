#pragma once
#include <chrono>
#include <concepts>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include <coil/create_task.hpp>
#include <coil/detail/cancel_scope.hpp>
#include <coil/detail/child.hpp>
#include <coil/loop.hpp>

namespace coil {

namespace detail {

/// A deadline as it was asked for: relative ones start when the timeout is awaited.
struct Deadline {
  enum class Kind : unsigned char { never, after, at };
  Kind kind = Kind::never;
  std::chrono::nanoseconds delay{0};
  time_point when{};
};

}  // namespace detail

/// The deadline of a `timeout` body, given to it as `Timeout&`.
/// Threads: loop thread.
class Timeout {
public:
  Timeout(const Timeout&) = delete;
  Timeout& operator=(const Timeout&) = delete;

  /// The deadline; nothing if there is none.
  std::optional<time_point> when() const noexcept { return when_; }
  /// Moves the deadline; nothing removes it. Errors: `std::logic_error` once it has expired or the body ended.
  void reschedule(std::optional<time_point> when);
  /// Whether the deadline passed before the body ended.
  bool expired() const noexcept { return state_ == State::expiring || state_ == State::expired; }

  /// For `timeout` itself.
  explicit Timeout(const detail::Deadline& deadline);
  ~Timeout();
  /// Ends the scope. True if its own cancellation is what ended the body.
  bool leave(bool body_was_cancelled) noexcept;

private:
  enum class State : unsigned char { entered, expiring, expired, left };
  void arm(bool due);
  void expire() noexcept;

  State state_ = State::entered;
  std::optional<time_point> when_;
  Handle timer_;
  detail::CancelScope scope_;
};

namespace detail {

template <class Rep, class Period>
Deadline deadline_after(std::chrono::duration<Rep, Period> delay) {
  return {Deadline::Kind::after, to_nanoseconds(delay), {}};
}

template <class F>
concept TimeoutBody = TaskBody<F> || AsyncCallable<std::decay_t<F>&, Timeout&>;

template <class F>
decltype(auto) start_body(F& body, Timeout& scope) {
  if constexpr (Awaitable<F>)
    return std::move(body);
  else if constexpr (AsyncCallable<F&, Timeout&>)
    return as_coro(body(scope));
  else
    return as_coro(body());
}
template <class F>
using TimeoutResult = AwaitResult<decltype(start_body(std::declval<std::decay_t<F>&>(), std::declval<Timeout&>()))>;

/// `wait_for` with no time left: cancels what is awaited, and waits for it.
Coro<void> end_expired(Child child);
/// The same of a shield, which has nothing to cancel.
Coro<void> end_expired();

/// A task or future, as the body of a timeout. A result that comes in the turn of the deadline wins.
template <class R>
struct StartedBody {
  Child child;
  bool done() const noexcept { return child.state().done(); }
  bool has_outcome() const noexcept { return done() && child.state().phase != Phase::cancelled; }
  R take() { return take_result<R>(child.state()); }
};
template <class R>
FutureOperation<R> start_body(StartedBody<R>& body, Timeout&) {
  return FutureOperation<R>(&body.child.state());
}

template <class R, class F>
Coro<R> run_timeout(Deadline deadline, F body) {
  Timeout scope(deadline);
  std::exception_ptr error;
  bool cancelled = false;
  try {
    if constexpr (std::is_void_v<R>) {
      co_await start_body(body, scope);
      scope.leave(false);
      co_return;
    } else {
      R result = co_await start_body(body, scope);
      scope.leave(false);
      co_return static_cast<R&&>(result);
    }
  } catch (const CancelledError&) {
    cancelled = true;
    error = std::current_exception();
  } catch (...) {
    error = std::current_exception();
  }
  if (scope.leave(cancelled)) {
    if constexpr (std::same_as<F, StartedBody<R>>)
      if (body.has_outcome()) co_return body.take();
    throw_timeout();
  }
  note_rethrow(error);
  std::rethrow_exception(std::move(error));
}

/// `wait_for` without time.
template <class R>
Coro<R> wait_for_started(StartedBody<R> body) {
  if (!body.done()) {
    co_await end_expired(Child(&body.child.state()));
    if (!body.has_outcome()) throw_timeout();
  }
  co_return body.take();
}
template <class R>
Coro<R> wait_for_coro(Deadline deadline, Coro<R> coro) {
  if (deadline.delay.count() <= 0) {  // a task that is cancelled before it starts, as in asyncio
    Child child(CoroAccess::release(coro));
    child.start(running_loop());
    co_await end_expired(Child(&child.state()));
    throw_timeout();
  }
  Coro<R> waiting = run_timeout<R>(deadline, std::move(coro));
  co_return co_await std::move(waiting);
}

/// A shield: it cannot be cancelled beforehand, but knows whether it would wait.
template <class A>
concept KnowsDone = requires(const A& awaitable) {
  { awaitable.done() } -> std::same_as<bool>;
};
template <class R, KnowsDone A>
Coro<R> wait_for_shield(Deadline deadline, A shield) {
  if (shield.done()) co_return co_await std::move(shield);
  if (deadline.delay.count() <= 0) {
    co_await end_expired();
    throw_timeout();
  }
  Coro<R> waiting = run_timeout<R>(deadline, std::move(shield));
  co_return co_await std::move(waiting);
}

}  // namespace detail

/// Runs `body()` or `body(Timeout&)` and gives what it returns. If it takes longer than `delay`, counted from
/// the `co_await`, it is cancelled, waited for, and TimeoutError is thrown.
///
/// A body that swallows the cancellation and returns gives its value. A deadline of zero or less expires at the
/// body's first suspension. Nested scopes that expire together: the outermost throws.
/// Errors: TimeoutError; what the body throws.
/// Cancellation: from outside stays a cancellation, also when the deadline has passed.
/// Lifetime: the body is kept until it ends.
template <class Rep, class Period, detail::TimeoutBody F>
[[nodiscard]] auto timeout(std::chrono::duration<Rep, Period> delay, F&& body) {
  detail::refuse_temporary_closure<F>();
  return detail::run_timeout<detail::TimeoutResult<F>, std::decay_t<F>>(detail::deadline_after(delay),
                                                                        std::forward<F>(body));
}
/// Without a deadline, until `reschedule` sets one.
template <detail::TimeoutBody F>
[[nodiscard]] auto timeout(std::nullopt_t, F&& body) {
  detail::refuse_temporary_closure<F>();
  return detail::run_timeout<detail::TimeoutResult<F>, std::decay_t<F>>(detail::Deadline(), std::forward<F>(body));
}
/// The same with a deadline on the loop's clock; nothing for none.
template <detail::TimeoutBody F>
[[nodiscard]] auto timeout_at(std::optional<time_point> when, F&& body) {
  detail::refuse_temporary_closure<F>();
  const detail::Deadline deadline = when ? detail::Deadline{detail::Deadline::Kind::at, {}, *when} : detail::Deadline();
  return detail::run_timeout<detail::TimeoutResult<F>, std::decay_t<F>>(deadline, std::forward<F>(body));
}

/// Awaits anything for `delay` at the most. When the time is up it is cancelled and waited for; if it returns all
/// the same, its value is given, else TimeoutError is thrown. With a delay of zero or less, what is done
/// already gives its result, a coroutine is never started.
template <class A, class Rep, class Period>
  requires detail::TaskBody<A>
[[nodiscard]] auto wait_for(A&& awaitable, std::chrono::duration<Rep, Period> delay) {
  detail::refuse_temporary_closure<A>();
  using R = detail::ChildResult<A>;
  const detail::Deadline deadline = detail::deadline_after(delay);
  if constexpr (detail::is_future_like<std::decay_t<A>>) {
    detail::StartedBody<R> body{detail::make_child(std::forward<A>(awaitable), "wait_for")};
    if (deadline.delay.count() <= 0) return detail::wait_for_started<R>(std::move(body));
    return detail::run_timeout<R>(deadline, std::move(body));
  } else if constexpr (detail::KnowsDone<std::decay_t<A>>) {
    return detail::wait_for_shield<R>(deadline, std::decay_t<A>(std::forward<A>(awaitable)));
  } else {
    return detail::wait_for_coro<R>(deadline, detail::as_coro(std::forward<A>(awaitable)));
  }
}
/// Without a limit.
template <class A>
  requires detail::TaskBody<A>
[[nodiscard]] auto wait_for(A&& awaitable, std::nullopt_t) {
  detail::refuse_temporary_closure<A>();
  return detail::as_coro(std::forward<A>(awaitable));
}

}  // namespace coil
