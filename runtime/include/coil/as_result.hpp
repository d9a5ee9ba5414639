#pragma once
#include <exception>
#include <type_traits>
#include <utility>

#include <coil/create_task.hpp>
#include <coil/outcome.hpp>

namespace coil {

namespace detail {

/// Awaits `coro` in this task and catches everything.
template <class T>
Coro<Outcome<T>> catch_outcome(Coro<T> coro) {
  std::exception_ptr error;
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(coro);
      co_return Outcome<void>(std::in_place, true);
    } else {
      co_return Outcome<T>(std::in_place, stored<T>(co_await std::move(coro)));
    }
  } catch (...) {
    error = std::current_exception();
  }
  co_return Outcome<T>(std::move(error));
}

}  // namespace detail

/// Awaits anything and gives how it ended; nothing is thrown, cancellation included. After it straight-line
/// code can clean up, which a `catch` handler cannot if that must await.
template <detail::TaskBody A>
[[nodiscard]] auto as_result(A&& awaitable) {
  detail::refuse_temporary_closure<A>();
  return detail::catch_outcome(detail::as_coro(std::forward<A>(awaitable)));
}

}  // namespace coil
