#pragma once
#include <exception>
#include <type_traits>
#include <utility>

#include <coil/as_result.hpp>
#include <coil/create_task.hpp>
#include <coil/loop.hpp>

namespace coil {

namespace detail {

template <class T>
auto close_resource(T& resource) {
  if constexpr (requires { resource.aclose(); })
    return resource.aclose();
  else
    return resource.close();
}

/// The cleanup threw after the body had: the body's exception goes to the handler, the cleanup's is thrown.
void report_replaced(const std::exception_ptr& body_error) noexcept;

template <class R, class Cleanup>
Coro<R> finish_with(Outcome<R> outcome, Cleanup cleanup) {
  std::exception_ptr cleanup_error;
  try {
    co_await cleanup();
  } catch (...) {
    cleanup_error = std::current_exception();
  }
  if (cleanup_error) {
    if (outcome.exception()) report_replaced(outcome.exception());
    std::rethrow_exception(std::move(cleanup_error));
  }
  if constexpr (std::is_void_v<R>)
    std::move(outcome).value();
  else
    co_return std::move(outcome).value();
}

/// The coroutine of a body that is kept by the caller.
template <class Body>
auto start_kept(Body& body) {
  if constexpr (Awaitable<Body>)
    return as_coro(std::move(body));
  else
    return as_coro(body());
}

/// Starts a body from inside a coroutine, so that throwing at the call is one way for it to end.
template <class R, class Start>
Coro<R> start_inside(Start start) {
  Coro<R> started = start();
  co_return co_await std::move(started);
}

template <class R, class Body, class Cleanup>
Coro<R> run_try_finally(Body body, Cleanup cleanup) {
  const auto start = [&body] { return start_kept(body); };
  Coro<Outcome<R>> caught = catch_outcome<R>(start_inside<R>(start));
  Outcome<R> outcome = co_await std::move(caught);
  const auto clean_up = [&cleanup] { return start_kept(cleanup); };
  Coro<R> finishing = finish_with<R>(std::move(outcome), clean_up);
  co_return co_await std::move(finishing);
}

template <class R, class Resource, class Body>
Coro<R> run_with(Resource kept, Body body) {
  std::unwrap_reference_t<Resource>& resource = kept;
  const auto start = [&body, &resource] { return as_coro(body(resource)); };
  Coro<Outcome<R>> caught = catch_outcome<R>(start_inside<R>(start));
  Outcome<R> outcome = co_await std::move(caught);
  const auto close = [&resource] { return close_resource(resource); };
  Coro<R> finishing = finish_with<R>(std::move(outcome), close);
  co_return co_await std::move(finishing);
}

template <class Body>
using KeptResult = typename decltype(start_kept(std::declval<std::decay_t<Body>&>()))::value_type;

}  // namespace detail

/// Runs `body()`, then `cleanup()`, once, however the body ended, cancellation included; gives what the body
/// returned or throws what it threw.
///
/// Errors: an exception of the cleanup replaces the body's, which goes to the exception handler.
/// Cancellation: a further request is delivered inside the cleanup.
/// Lifetime: both are kept until the end.
template <detail::TaskBody Body, detail::TaskBody Cleanup>
[[nodiscard]] auto try_finally(Body&& body, Cleanup&& cleanup) {
  detail::refuse_temporary_closure<Body>();
  detail::refuse_temporary_closure<Cleanup>();
  return detail::run_try_finally<detail::KeptResult<Body>, std::decay_t<Body>, std::decay_t<Cleanup>>(
      std::forward<Body>(body), std::forward<Cleanup>(cleanup));
}

/// Runs `body(resource)`, then `co_await resource.aclose()`, or `resource.close()` where there is no `aclose`,
/// once, however the body ended. The resource is kept until then; `std::ref(resource)` only lends it. Errors and
/// cancellation as `try_finally`.
///
/// With g++ 12 name a resource that is an aggregate with a non-trivial member first, and write
/// `with(std::move(resource), body)`: a temporary one in a `co_await` expression is destroyed twice (GCC PR 98401).
template <class Resource, class Body>
  requires detail::AsyncCallable<std::decay_t<Body>&, std::unwrap_ref_decay_t<Resource>&>
[[nodiscard]] auto with(Resource&& resource, Body&& body) {
  detail::refuse_temporary_closure<Body>();
  using R = detail::CallResult<std::decay_t<Body>&, std::unwrap_ref_decay_t<Resource>&>;
  return detail::run_with<R, std::decay_t<Resource>, std::decay_t<Body>>(std::forward<Resource>(resource),
                                                                         std::forward<Body>(body));
}

}  // namespace coil
