#pragma once
#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>

#include <coil/create_task.hpp>
#include <coil/detail/thread_wait.hpp>
#include <coil/loop.hpp>

namespace coil {

/// A few threads that call functions for tasks, of one loop or of several.
///
/// A function is called with copies of what was passed, as by std::thread, and in a copy of the context of the task that
/// awaits it. Functions start in the order in which they were awaited. A thread is started when none is idle, and stays;
/// it has all signals blocked. While functions have lately ended within some ten microseconds, and there are two
/// processors or more, a thread of the pool looks for the next one, and the loop for the end of one, for up to 50 us
/// before they sleep; what that costs in CPU time it saves in wake-ups. With longer functions they stop it.
/// Lifetime: the destructor is `shutdown()`: it blocks until all functions that were awaited have ended.
/// Threads: any.
class ThreadPool {
public:
  /// Threads are named "PREFIX-0", "PREFIX-1", ….
  /// Errors: `std::invalid_argument` for no threads at all.
  explicit ThreadPool(unsigned max_workers = default_max_workers(), std::string_view name_prefix = "coil");
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  /// Calls `f(args...)` in a thread of the pool, from the `co_await`, and gives what it returns. An `f` whose first
  /// parameter is a `std::stop_token` is given one. `f` and `args` are destroyed in that thread.
  /// Errors: what `f` throws; `std::logic_error` after `shutdown()`; `std::system_error` if no thread can be started.
  /// Cancellation: a function that was not begun never runs. One that takes a stop token is asked to stop and waited for:
  ///   CancelledError is thrown unless it throws something else, and what it returns is dropped, unless it had ended
  ///   before. Any other is left to finish and the await ends at once; if it throws, the exception handler is told.
  /// Lifetime: what a function without a stop token refers to outlives it, not only the await.
  template <class F>
  [[nodiscard]] auto run(F&& f, const std::source_location& where = std::source_location::current()) {
    return call(where, std::forward<F>(f));
  }
  template <class F, class... Args>
    requires(sizeof...(Args) != 0)
  [[nodiscard]] auto run(F&& f, Args&&... args) {
    return call(std::source_location(), std::forward<F>(f), std::forward<Args>(args)...);
  }

  /// No function is taken any more. Those that were awaited still run; waits for their end, or does not.
  /// Errors: `std::logic_error` if it would wait for the calling thread.
  void shutdown(bool wait = true);

  unsigned max_workers() const noexcept { return max_workers_; }
  /// One for each CPU and four more, but no more than 32.
  static unsigned default_max_workers() noexcept;

private:
  template <class F, class... Args>
  auto call(const std::source_location& where, F&& f, Args&&... args) {
    detail::refuse_temporary_closure<F>();
    check_open();
    using R = detail::ThreadResultOf<F, Args...>;
    return detail::PoolOperation<R>(
        workers_, detail::make_thread_function(where, std::forward<F>(f), std::forward<Args>(args)...));
  }
  void check_open() const;

  unsigned max_workers_;
  detail::Workers* workers_;  // counted
};

template <class F, class... Args>
auto Loop::run_in_executor(ThreadPool& pool, F&& f, Args&&... args) {
  detail::refuse_temporary_closure<F>();
  auto call = pool.run(std::forward<F>(f), std::forward<Args>(args)...);
  return create_task(std::move(call), TaskOptions{.eager = true});
}

}  // namespace coil
