#pragma once
#include <source_location>
#include <utility>

#include <coil/detail/thread_wait.hpp>

namespace coil {

namespace detail {

class StartedThread;

/// A counted reference to a thread that was started for one function.
class ThreadRef {
public:
  ThreadRef() noexcept = default;
  /// Starts the thread. Takes over the reference to the function, also if that fails.
  explicit ThreadRef(ThreadFunction* function);
  ThreadRef(const ThreadRef& other) noexcept;
  ThreadRef(ThreadRef&& other) noexcept : thread_(std::exchange(other.thread_, nullptr)) {}
  ThreadRef& operator=(ThreadRef other) noexcept {
    std::swap(thread_, other.thread_);
    return *this;
  }
  ~ThreadRef();

  explicit operator bool() const noexcept { return thread_ != nullptr; }
  bool operator==(const ThreadRef&) const noexcept = default;
  /// Its function, with a reference for the caller. Errors: `std::logic_error` that names the call if there is none.
  ThreadFunction* share_function(const char* call) const;
  ThreadFunction& function(const char* call) const;
  /// Waits for the last instruction of a thread whose function has ended.
  void join() const noexcept;
  /// Blocks until its function has ended. Errors: `std::logic_error` in that thread, or if it would block a loop.
  void wait() const;

private:
  StartedThread* thread_ = nullptr;
};

/// Waits for the end of a started thread.
class ThreadJoin : public ThreadWait {
public:
  explicit ThreadJoin(ThreadRef thread) : ThreadWait(thread.share_function("co_await")), thread_(std::move(thread)) {}
  ThreadJoin(ThreadJoin&& other) noexcept = default;

  bool await_ready() noexcept { return function_->ended(); }
  void start() noexcept;

protected:
  void finish_join();

private:
  void arrive() noexcept override;
  Abort abort() noexcept override;
  ThreadRef thread_;
};

template <class T>
class ThreadJoinOperation final : public Operation<ThreadJoinOperation<T>, ThreadJoin> {
public:
  explicit ThreadJoinOperation(ThreadRef thread) : Operation<ThreadJoinOperation<T>, ThreadJoin>(std::move(thread)) {}

  T await_resume() {
    this->finish_join();
    return static_cast<ThreadFunctionTo<T>*>(this->function_)->share();
  }
};

}  // namespace detail

/// A thread that runs one function: a handle, made by `start_thread`. Copies are handles to the same thread.
///
/// `co_await thread` waits until it has ended and gives what its function returned, or throws what it threw; as with a
/// Task any number may await it, the result is copied, or moved out by the first if it cannot be copied. So
/// `gather(thread, …)`, `race`, `wait_for` and `create_task(thread)` take it like any other thing to await.
/// Cancellation: of the await asks a function that takes a std::stop_token to stop and waits for its end; any other goes
///   on and the await ends at once. All as `ThreadPool::run`.
/// Lifetime: when its last handle goes, a function that takes a stop token is asked to stop. A thread that was started
///   in a loop is not waited for then: `run` does that at its end, after it has asked all of them to stop, and names the
///   one that keeps it waiting. For one that was started outside of loops that last destructor blocks until it has ended.
///   An exception that nobody took goes to the exception handler.
/// Threads: handles may be copied, used and destroyed in any thread, but as with pointers not the same one in two.
template <class T = void>
class Thread {
public:
  using value_type = T;

  Thread() noexcept = default;  // no thread: to await it is a `std::logic_error`
  /// For `start_thread`.
  explicit Thread(detail::ThreadFunctionTo<T>* function) : thread_(function) {}

  [[nodiscard]] detail::ThreadJoinOperation<T> operator co_await() const { return join(); }
  /// The same.
  [[nodiscard]] detail::ThreadJoinOperation<T> join() const { return detail::ThreadJoinOperation<T>(thread_); }
  /// The same for threads: blocks until it has ended.
  /// Errors: what the function threw; `std::logic_error` in the thread itself, or if it would block an event loop.
  T join_blocking() const {
    thread_.wait();
    auto& function = static_cast<detail::ThreadFunctionTo<T>&>(thread_.function("Thread::join_blocking"));
    if (std::exception_ptr error = function.share_error()) std::rethrow_exception(std::move(error));
    return function.share();
  }

  /// Whether its function has ended. Errors: `std::logic_error` for an empty handle, as of all of these.
  bool done() const { return thread_.function("Thread::done").ended(); }
  /// False if its function takes no stop token, or has ended.
  bool request_stop() const { return thread_.function("Thread::request_stop").request_stop(); }
  /// False for an empty handle.
  explicit operator bool() const noexcept { return static_cast<bool>(thread_); }
  bool operator==(const Thread&) const noexcept = default;

private:
  detail::ThreadRef thread_;
};

/// Starts a thread that calls `f(args...)`, at once. `f` and `args` are copied or moved as by std::thread, and
/// destroyed in that thread; an `f` whose first parameter is a `std::stop_token` is given one. It runs in a copy of the
/// current context, with all signals blocked. With g++ 12, as for `create_task`, not in the `co_await` expression itself
/// if `f` is a closure that owns something: `auto thread = start_thread(…); co_await thread;`.
/// Errors: `std::system_error`, EAGAIN if there can be no further thread.
/// Threads: any, in a loop or outside.
template <class F>
[[nodiscard("coil: a thread whose handle is dropped is asked to stop")]] auto start_thread(
    F&& f, const std::source_location& where = std::source_location::current()) {
  return Thread<detail::ThreadResultOf<F>>(detail::make_thread_function(where, std::forward<F>(f)));
}
template <class F, class... Args>
  requires(sizeof...(Args) != 0)
[[nodiscard("coil: a thread whose handle is dropped is asked to stop")]] auto start_thread(F&& f, Args&&... args) {
  using R = detail::ThreadResultOf<F, Args...>;
  return Thread<R>(
      detail::make_thread_function(std::source_location(), std::forward<F>(f), std::forward<Args>(args)...));
}

}  // namespace coil
