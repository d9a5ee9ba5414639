#pragma once
#include <exception>
#include <source_location>
#include <type_traits>
#include <utility>

#include <coil/create_task.hpp>
#include <coil/error.hpp>
#include <coil/loop.hpp>

// <future> would cost every user of coil 15,000 lines: <coil/run_coroutine_threadsafe.hpp> includes it.
#ifdef __GLIBCXX__
// clang-format off
namespace std _GLIBCXX_VISIBILITY(default) {
_GLIBCXX_BEGIN_NAMESPACE_VERSION
template <typename>
class future;
template <typename>
class promise;
_GLIBCXX_END_NAMESPACE_VERSION
}
// clang-format on
#else
#include <future>
#endif

namespace coil {

namespace detail {

struct LoopAccess {
  template <class F>
  static void post(Loop& loop, F&& f, const std::source_location& where, const char* call) {
    loop.queue_threadsafe(loop.make_callback<ThreadsafeCallback>(std::forward<F>(f), where), call);
  }
};

/// A promise that is broken with CancelledError.
template <class T>
class CancelledPromise {
public:
  CancelledPromise() = default;
  CancelledPromise(CancelledPromise&& other) noexcept
      : promise_(std::move(other.promise_)), open_(std::exchange(other.open_, false)) {}
  CancelledPromise& operator=(CancelledPromise&&) = delete;
  ~CancelledPromise() {
    if (open_) fail(std::make_exception_ptr(CancelledError()));
  }

  std::future<T> get_future() { return promise_.get_future(); }
  template <class... Value>
  void set(Value&&... value) {
    promise_.set_value(std::forward<Value>(value)...);
    open_ = false;
  }
  void fail(std::exception_ptr error) {
    open_ = false;
    promise_.set_exception(std::move(error));
  }

private:
  std::promise<T> promise_;
  bool open_ = true;
};

/// Awaits `coro` and keeps the promise.
template <class T>
Coro<void> deliver(Coro<T> coro, CancelledPromise<T> promise) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(coro);
      promise.set();
    } else {
      promise.set(co_await std::move(coro));
    }
  } catch (...) {
    promise.fail(std::current_exception());
  }
  frame_pool.give_back_surplus();  // to the threads that make the coroutines which end here
}

/// A callback that starts `deliver`. If it never comes to that, the promise is broken.
template <class T, class Body>
class ThreadsafeStart {
public:
  template <class B>
  explicit ThreadsafeStart(B&& body) : body_(std::forward<B>(body)) {}
  ThreadsafeStart(ThreadsafeStart&&) = default;
  ThreadsafeStart& operator=(ThreadsafeStart&&) = delete;
  ~ThreadsafeStart() {
    if constexpr (is_coro<Body>) CoroAccess::discard(body_);  // without a report: nobody forgot to await it
  }

  std::future<T> get_future() { return promise_.get_future(); }
  void operator()() {
    Coro<void> coro = deliver<T>(as_coro(std::move(body_)), std::move(promise_));
    static_cast<void>(start_coro_here(running_loop(), coro));
  }

private:
  Body body_;
  CancelledPromise<T> promise_;
};

template <class T, class Body, class Given>
std::future<T> start_threadsafe(Given&& body, Loop& loop, const std::source_location& where) {
  static_assert(
      requires { sizeof(std::promise<T>); },
      "coil: include <coil/run_coroutine_threadsafe.hpp> or <future> to call this");
  // Names it here, in the caller's file: g++ warns of a coroutine with a closure that a header is the first to name.
  static_assert(is_coro<decltype(as_coro(std::declval<Body>()))>);
  ThreadsafeStart<T, Body> start(std::forward<Given>(body));
  std::future<T> result = start.get_future();
  LoopAccess::post(loop, std::move(start), where, "run_coroutine_threadsafe");
  return result;
}

}  // namespace detail

/// Runs a coroutine as a task of `loop`, from another thread, and gives its result as a std::future. `f` is called in
/// the loop, and kept until its coroutine ends.
///
/// The future has what the coroutine returns or throws; CancelledError if its task is cancelled, or if the loop ends
/// before: `run` cancels what is left. To drop the future changes nothing. In the loop's own thread the call is allowed,
/// but to wait there for the future is to wait for ever: use `create_task`.
/// Errors: `std::logic_error` once the loop is closed.
/// Lifetime: of the loop, as `Loop::call_soon_threadsafe`. Arguments of the coroutine live in it, or outlive it.
/// Threads: any.
template <class T>
std::future<T> run_coroutine_threadsafe(Coro<T> coro, Loop& loop,
                                        const std::source_location& where = std::source_location::current()) {
  return detail::start_threadsafe<T, Coro<T>>(std::move(coro), loop, where);
}
template <class F>
  requires detail::AsyncCallable<std::decay_t<F>>
std::future<detail::CallResult<std::decay_t<F>>> run_coroutine_threadsafe(
    F&& f, Loop& loop, const std::source_location& where = std::source_location::current()) {
  return detail::start_threadsafe<detail::CallResult<std::decay_t<F>>, std::decay_t<F>>(std::forward<F>(f), loop,
                                                                                        where);
}

}  // namespace coil
