#pragma once
#include <source_location>
#include <type_traits>
#include <utility>

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
  ~Runner() { close(); }

  /// Runs `main` to its end and returns its result. Tasks that are left go on in the next `run`.
  /// Errors: main's exception; KeyboardInterrupt; `std::logic_error` inside a running loop, after `close()`, or
  ///   if the loop was stopped; RingUnavailableError if io_uring is refused.
  template <detail::TaskBody A>
  auto run(A&& main, const std::source_location& where = std::source_location::current()) {
    begin();
    auto coro = detail::as_coro(std::forward<A>(main));
    auto task = [&] {
      const Entered entered(*this);
      return detail::start_coro(*loop_, coro, where);
    }();
    run_task(task);
    return detail::take_result<typename decltype(task)::value_type>(*detail::HandleAccess::state(task));
  }

  /// Errors: `std::logic_error` after `close()`.
  Loop& loop();

  /// Cancels the tasks that are left, waits for them, reports what they throw, and closes the loop.
  /// Idempotent. Not from inside the loop.
  void close() noexcept;

private:
  void begin();
  void run_task(const TaskRef& main);
  void cancel_all_tasks();
  void end_tasks() noexcept;
  void close_services() noexcept;

  RunOptions options_;
  Loop* loop_ = nullptr;  // owned
  bool closed_ = false;
};

/// Runs `main`, a Coro or a callable that returns one, on a new loop in this thread, and returns its result.
///
/// As `asyncio.run`: tasks that are left when main ends are cancelled and waited for; what they throw goes to
/// the exception handler. SIGINT cancels main; if main ends by that, KeyboardInterrupt is thrown. SIGPIPE is
/// ignored meanwhile. Both only where they had their default disposition, which is restored.
/// Errors: as `Runner::run`.
template <detail::TaskBody A>
auto run(A&& main, const RunOptions& options = {},
         const std::source_location& where = std::source_location::current()) {
  Runner runner(options);
  return runner.run(std::forward<A>(main), where);
}

}  // namespace coil
