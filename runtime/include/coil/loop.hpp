#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>

#include <coil/clock.hpp>
#include <coil/detail/loop_core.hpp>
#include <coil/handle.hpp>
#include <coil/task.hpp>

namespace coil {

class ThreadPool;
namespace testing {
class FaultPlan;
}
namespace detail {
class NetworkModel;
}

/// What the exception handler is told.
struct ErrorContext {
  std::string message;
  std::exception_ptr exception = nullptr;  // null where there is none
  std::optional<TaskRef> task = std::nullopt;
  std::source_location where = {};  // the task created, the callback queued, or the coroutine's function
};

/// How busy a loop is. Operations that the loop keeps for itself are not counted.
struct Metrics {
  std::size_t tasks;  // not done
  std::size_t ready;  // tasks and callbacks that are to run, in this turn or the next
  std::size_t timers;
  std::size_t operations_in_flight;  // in the kernel, or queued for it
  std::uint64_t submissions;
  std::uint64_t completions;
  std::uint64_t wakeups;  // times the loop slept in the kernel
  /// Exact in debug mode; else the longest that anything ran between two looks at the clock.
  std::chrono::nanoseconds longest_callback;
};

/// Which kernel interface a loop uses.
enum class Backend : unsigned char { io_uring };

/// Options of `run` and `Runner`.
struct RunOptions {
  bool debug = false;  ///< Also set by the environment: COIL_DEBUG=1.
  std::chrono::nanoseconds slow_callback_duration = std::chrono::milliseconds(100);  ///< Reported in debug mode.
  unsigned ring_entries = 256;  ///< 1 to 32768; halved down to 64 while the kernel has no memory for more.
  Clock clock = Clock::real;
  std::optional<std::uint64_t> shuffle_seed = std::nullopt;  ///< Runs what is ready in a random order.
  Backend backend = Backend::io_uring;
  /// Accepts and receives with operations that go on by themselves and share their buffers, where the kernel can.
  bool multishot = true;
  /// Before it sleeps the loop looks for so long whether something comes, of the kernel or another thread, and then need
  /// not be woken, which takes 5 to 50 us: the lowest latency, for all the time of a processor. With a single processor
  /// it keeps others from what it waits for. 0 to 1 s; 0: sleeps at once.
  std::chrono::nanoseconds busy_poll{0};
  /// At the end of `run` a function in a thread that keeps it waiting is named after this long, see `to_thread`.
  std::chrono::nanoseconds stuck_function_duration = std::chrono::seconds(5);
  /// For tests: what goes wrong between the loop and the kernel, see `<coil/testing.hpp>`. It outlives the loop.
  testing::FaultPlan* faults = nullptr;
  /// For tests: the SimulatedNetwork that its sockets are in. It outlives the loop.
  detail::NetworkModel* network = nullptr;
};
static_assert(std::is_aggregate_v<RunOptions> && std::is_trivially_destructible_v<RunOptions>);

namespace detail {
class ErrorHandler;
struct LoopAccess;
}  // namespace detail

/// A callback that was queued by `call_later` or `call_at`.
class TimerHandle : public Handle {
public:
  TimerHandle() noexcept = default;
  /// The time it is due. Errors: `std::logic_error` for an empty handle.
  time_point when() const;

private:
  friend class Loop;
  using Handle::Handle;
};

/// The event loop. Made by `run` or `Runner`; found by `get_running_loop()`.
///
/// Callbacks and task steps run in the order in which they were queued; one iteration runs those that were
/// ready when it began. An exception that leaves a callback goes to the exception handler.
/// Threads: loop thread, except `call_soon_threadsafe`.
class Loop final : private detail::LoopCore {
public:
  explicit Loop(const RunOptions& options = {});
  ~Loop();

  /// Queues `f()` for the next iteration.
  /// Errors: `std::logic_error` from another thread, in debug mode.
  template <std::invocable F>
  Handle call_soon(F&& f, std::source_location where = std::source_location::current()) {
    return queue(make_callback<detail::Callback>(std::forward<F>(f), where));
  }
  /// Queues `f()` for `delay` from now; a delay of zero or less is due at once. Equal times run in order.
  template <std::invocable F, class Rep, class Period>
  TimerHandle call_later(std::chrono::duration<Rep, Period> delay, F&& f,
                         std::source_location where = std::source_location::current()) {
    check_thread("call_later");
    return call_at(detail::saturating_add(time(), detail::to_nanoseconds(delay)), std::forward<F>(f), where);
  }
  template <std::invocable F>
  TimerHandle call_at(time_point when, F&& f, std::source_location where = std::source_location::current()) {
    return queue_at(when, make_callback<detail::Callback>(std::forward<F>(f), where));
  }
  /// Queues `f()` from any thread and wakes the loop. Those of one thread run in the order of its calls.
  /// Errors: `std::logic_error` once the loop is closed.
  /// Lifetime: a reference to a loop that has ended is good for this, until a thousand others have ended.
  template <std::invocable F>
  void call_soon_threadsafe(F&& f, std::source_location where = std::source_location::current()) {
    queue_threadsafe(make_callback<detail::ThreadsafeCallback>(std::forward<F>(f), where), "call_soon_threadsafe");
  }

  /// Calls `f()` from the loop when `signal` has come to the process, not from inside the C handler. Signals that come
  /// again before it runs are one. A handler for the same signal is replaced. `remove_signal_handler` and the end of
  /// the loop restore the disposition that was there before; one for SIGINT stands in for that of `run`.
  /// Errors: `std::invalid_argument` for no signal number, one that cannot be caught (SIGKILL, SIGSTOP), or one that
  ///   comes of the instruction that fails (SIGSEGV, SIGBUS, SIGFPE, SIGILL); `std::logic_error` if another loop
  ///   handles the signal, or from another thread.
  template <std::invocable F>
  void add_signal_handler(int signal, F&& f, std::source_location where = std::source_location::current()) {
    set_signal_handler(signal, make_callback<detail::RepeatedCallback>(std::forward<F>(f), where));
  }
  /// False if this loop has none for `signal`. The handler is not called any more, also for a signal that has come.
  /// Errors: `std::invalid_argument` for no signal number; `std::logic_error` from another thread.
  bool remove_signal_handler(int signal);
  /// Calls `f(args...)` in a thread of `pool`, or of the loop's own for null, starting now. Gives a Task; cancelling it
  /// does what cancelling the await of `ThreadPool::run` does. Errors: `std::logic_error` after `shutdown()`.
  template <class F, class... Args>
  auto run_in_executor(ThreadPool& pool, F&& f, Args&&... args);
  template <class F, class... Args>
  auto run_in_executor(std::nullptr_t, F&& f, Args&&... args);

  /// The loop's clock.
  time_point time() const noexcept;
  /// Ends the loop after this iteration, or after the first one if it does not run yet; what waited stays
  /// unfinished: `run` then throws `std::logic_error`. The next run of a Runner goes on with it.
  void stop() noexcept;
  bool is_running() const noexcept;

  template <class T = void>
  Future<T> create_future() {
    return detail::HandleAccess::make<Future<T>>(states->make<detail::FutureState>());
  }

  /// `handler(const ErrorContext&)` takes what nobody else can; null brings the default back. If it throws, the
  /// default one is told of both errors, and the loop goes on.
  template <class F>
    requires std::invocable<F&, const ErrorContext&>
  void set_exception_handler(F handler);
  void set_exception_handler(std::nullptr_t) noexcept;
  void call_exception_handler(const ErrorContext& context) noexcept;
  /// Prints to stderr; for handlers that deal with some errors only.
  static void default_exception_handler(const ErrorContext& context) noexcept;

  /// Debug mode; from the next turn on.
  void set_debug(bool on) noexcept;
  bool get_debug() const noexcept { return debug; }
  Metrics metrics() const noexcept;

private:
  friend struct detail::LoopCore;
  friend struct detail::LoopAccess;
  friend class Runner;

  template <class Kind, class F>
  Kind* make_callback(F&& f, const std::source_location& where) {
    detail::refuse_coroutine<std::invoke_result_t<std::decay_t<F>&>>();
    auto* callback = new detail::CallbackOf<std::decay_t<F>, Kind>(std::forward<F>(f));
    callback->where = where;
    return callback;
  }
  Handle queue(detail::Callback* callback);
  TimerHandle queue_at(time_point when, detail::Callback* callback);
  void queue_threadsafe(detail::ThreadsafeCallback* callback, const char* call);
  void set_signal_handler(int signal, detail::Callback* callback);
  void queue_signal_handlers() noexcept;
  void queue_again(detail::Callback& callback) noexcept;
  void remove_signal_handlers() noexcept;
  void set_handler(detail::ErrorHandler* handler) noexcept;

  // One turn of the loop, in call order; runtime/README.md tells it as a list.
  void turn() noexcept;
  void look_around() noexcept;
  void poll_kernel() noexcept;
  std::chrono::nanoseconds time_to_wait() noexcept;
  void wait_for_something(std::chrono::nanoseconds wait) noexcept;
  std::chrono::nanoseconds look(time_point began, std::chrono::nanoseconds wait,
                                std::chrono::nanoseconds longest) noexcept;
  bool take_what_is_there() noexcept;
  void take_inbox() noexcept;
  void fire_timers() noexcept;
  void run_ready() noexcept;
  void run_ready_timed(detail::Ready* first) noexcept;
  void run_ready_observed(detail::Ready* first) noexcept;
  detail::Ready* shuffle(detail::Ready* first) noexcept;
  void run_callback(detail::Callback& callback) noexcept;

  bool run_until_done(const detail::FutureState& main) noexcept;
  void end_default_threads() noexcept;
  void close() noexcept;
  void drop_callbacks() noexcept;
};

/// The loop that runs in this thread. Errors: `std::logic_error` ("no running event loop") outside of `run`.
Loop& get_running_loop();

namespace detail {

class ErrorHandler {
public:
  virtual ~ErrorHandler() = default;
  virtual void handle(const ErrorContext& context) = 0;
};

template <class F>
class ErrorHandlerOf final : public ErrorHandler {
public:
  explicit ErrorHandlerOf(F function) : function_(std::move(function)) {}
  void handle(const ErrorContext& context) override { function_(context); }

private:
  F function_;
};

}  // namespace detail

template <class F>
  requires std::invocable<F&, const ErrorContext&>
void Loop::set_exception_handler(F handler) {
  if constexpr (std::is_constructible_v<F, std::nullptr_t>) {
    if (!static_cast<bool>(handler)) return set_exception_handler(nullptr);
  }
  set_handler(new detail::ErrorHandlerOf<F>(std::move(handler)));
}

}  // namespace coil
