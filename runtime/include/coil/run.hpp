#pragma once
#include <source_location>
#include <type_traits>
#include <utility>

#include <coil/context.hpp>
#include <coil/create_task.hpp>
#include <coil/loop.hpp>

namespace coil {

/// Runs coroutines one after the other on one loop, and ends it as `asyncio.Runner` does.
/// Threads: all calls from one thread.
class Runner {
  /// Makes the loop the running one of this thread.
  class Entered {
  public:
    explicit Entered(const Runner& runner) noexcept;
    ~Entered();
    Entered(const Entered&) = delete;
    Entered& operator=(const Entered&) = delete;
  };

public:
  /// The loop is made by the first `run` or `loop()`.
  explicit Runner(const RunOptions& options = {}) noexcept : options_(options) {}
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  /// As `close()`; another loop of this thread may run around it.
  ~Runner();

  /// Runs `main` to its end and returns its result. Tasks that are left go on in the next `run`, and so does what main
  /// has set of context variables; at first it has what this thread had when the loop was made. If the loop was
  /// stopped, `main` goes on in the next `run` too. A callable is called inside the loop.
  /// Errors: main's exception; KeyboardInterrupt; `std::logic_error` inside a running loop, after `close()`, or
  ///   if the loop was stopped; RingUnavailableError if io_uring is refused.
  template <detail::TaskBody A>
  decltype(auto) run(A&& main, const std::source_location& where = std::source_location::current()) {
    begin();
    auto task = [&] {
      const Entered entered(*this);
      auto coro = detail::as_coro(std::forward<A>(main));
      return detail::start_coro(*loop_, coro, where);
    }();
    run_task(task);
    return detail::move_result<typename decltype(task)::value_type>(*detail::HandleAccess::state(task));
  }

  /// Errors: `std::logic_error` after `close()`.
  Loop& loop();

  /// Cancels the tasks that are left, waits for them, closes the generators that are left, waits for that, reports
  /// what they throw, and closes the loop. Idempotent.
  /// Errors: `std::logic_error` inside a running loop, which then goes on.
  void close();

private:
  void begin();
  void finish() noexcept;
  void run_task(const TaskRef& main);
  void cancel_all_tasks();
  void await_closing();
  void end_all();
  void close_services() noexcept;

  RunOptions options_;
  Loop* loop_ = nullptr;  // owned
  Context context_;       // main's, from one run to the next
  bool closed_ = false;
};

/// Runs `main`, a Coro or a callable that returns one, on a new loop in this thread, and returns its result.
///
/// As `asyncio.run`: tasks that are left when main ends are cancelled and waited for, then generators are closed;
/// what they throw goes to the exception handler. SIGINT cancels main; if main ends by that, KeyboardInterrupt is thrown. SIGPIPE is
/// ignored meanwhile. Both only where they had their default disposition, which is restored.
/// Errors: as `Runner::run`.
template <detail::TaskBody A>
decltype(auto) run(A&& main, const RunOptions& options = {},
                   const std::source_location& where = std::source_location::current()) {
  Runner runner(options);
  return runner.run(std::forward<A>(main), where);
}

}  // namespace coil
