#pragma once
#include <cstddef>
#include <source_location>
#include <utility>

#include <coil/create_task.hpp>
#include <coil/detail/thread_wait.hpp>
#include <coil/loop.hpp>

namespace coil {

namespace detail {

template <class F, class... Args>
auto call_in_thread(const std::source_location& where, F&& f, Args&&... args) {
  refuse_temporary_closure<F>();
  return PoolOperation<ThreadResultOf<F, Args...>>(
      nullptr, make_thread_function(where, std::forward<F>(f), std::forward<Args>(args)...));
}

}  // namespace detail

/// Calls `f(args...)` in another thread, from the `co_await`, and gives what it returns. Everything as in
/// `ThreadPool::run`, whose documentation holds; the pool is the loop's own.
///
/// `run` waits at its end for the functions whose awaits were cancelled. The exception handler is told which one keeps it
/// waiting, and for how long it has run: after `RunOptions::stuck_function_duration`, then in growing intervals.
/// With a virtual clock time stands still while a function that is awaited runs.
template <class F>
[[nodiscard]] auto to_thread(F&& f, const std::source_location& where = std::source_location::current()) {
  return detail::call_in_thread(where, std::forward<F>(f));
}
template <class F, class... Args>
  requires(sizeof...(Args) != 0)
[[nodiscard]] auto to_thread(F&& f, Args&&... args) {
  return detail::call_in_thread(std::source_location(), std::forward<F>(f), std::forward<Args>(args)...);
}

template <class F, class... Args>
auto Loop::run_in_executor(std::nullptr_t, F&& f, Args&&... args) {
  auto call = to_thread(std::forward<F>(f), std::forward<Args>(args)...);
  return create_task(std::move(call), TaskOptions{.eager = true});
}

}  // namespace coil
