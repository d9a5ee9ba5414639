#pragma once
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>

#include <coil/context.hpp>
#include <coil/detail/awaitable.hpp>
#include <coil/detail/futex_lock.hpp>
#include <coil/detail/suspension.hpp>

// <stop_token> would cost every user of coil 8,300 lines. Whoever has a function that takes one has included it.
#ifdef __GLIBCXX__
// clang-format off
namespace std _GLIBCXX_VISIBILITY(default) {
_GLIBCXX_BEGIN_NAMESPACE_VERSION
class stop_token;
class stop_source;
_GLIBCXX_END_NAMESPACE_VERSION
}
// clang-format on
#else
#include <stop_token>
#endif

namespace coil::detail {

class Inbox;
class Workers;

/// A function that is called once, in another thread, and what came of it. Shared by that thread and by those who wait
/// for its end; an exception that none of them takes is reported to the loop it came from.
/// Threads: any.
class ThreadFunction {
public:
  void ref() noexcept;
  void unref() noexcept;

  /// Before it starts, in the thread that starts it: it runs in a copy of the current context.
  void prepare() noexcept;
  /// Calls the function, in this thread.
  void execute() noexcept;
  /// Wakes those who wait. The last thing its thread does to it beside `unref()`.
  void end() noexcept;
  /// It could not be started: `error` is what came of it. Wakes nobody.
  void fail(std::exception_ptr error) noexcept;

  /// Has `waiter` woken at the end. False if that has come.
  [[nodiscard]] bool add_waiter(Suspension& waiter) noexcept;
  /// What becomes of a waiter that would rather not wait.
  enum class Quit : unsigned char {
    gone,      ///< It does not wait any more.
    ended,     ///< The function was faster: the waiter is woken.
    stopping,  ///< The function was asked to stop before it ended, and goes on being waited for.
  };
  Quit remove_waiter(Suspension& waiter) noexcept;
  bool ended() noexcept;
  /// False if it takes no stop token, or has ended.
  bool request_stop() noexcept;

  /// After the end. Null if it returned. `share_error` is for several who wait.
  std::exception_ptr take_error() noexcept;
  std::exception_ptr share_error() noexcept;
  /// Before a result that cannot be copied is moved out. Errors: InvalidStateError the second time.
  void claim_result();

  /// For reports: what is called, where from, and since when.
  struct Description {
    const char* name;  // of `name_of`
    std::source_location where;
    std::chrono::steady_clock::time_point begun;
    bool awaited;
  };
  Description describe() noexcept;
  /// Where it was called from, if nothing better is known.
  void set_where_if_unknown(const std::source_location& where) noexcept;

protected:
  ThreadFunction(const char* name, const std::source_location& where) noexcept : name_(name), where_(where) {}
  virtual ~ThreadFunction();

private:
  friend class Workers;
  friend class FunctionList;
  ThreadFunction(const ThreadFunction&) = delete;
  ThreadFunction& operator=(const ThreadFunction&) = delete;
  /// Calls the function, keeps its result and destroys it with its arguments, whether it returns or throws.
  virtual void call() = 0;
  virtual bool takes_stop_token() const noexcept = 0;
  virtual void stop() noexcept = 0;

  FutexLock lock_;
  bool ended_ = false;
  bool taken_ = false;      // the error, or the result
  std::uint32_t refs_ = 1;  // of its maker
  WaitQueue waiters_;
  std::exception_ptr error_;
  Context context_;
  Inbox* home_ = nullptr;  // of the loop that is told of its exception; null for none
  const char* name_;
  std::source_location where_;
  std::chrono::steady_clock::time_point begun_{};

  // Of those who run it, under their lock.
  enum class Place : unsigned char { nowhere, queue, thread };
  Place place_ = Place::nowhere;
  ThreadFunction* prev_ = nullptr;
  ThreadFunction* next_ = nullptr;
};

/// One that returns T.
template <class T>
class ThreadFunctionTo : public ThreadFunction {
  using Kept = Stored<std::conditional_t<std::is_void_v<T>, bool, T>>;

public:
  /// The result, moved out. After the end, if there is no error.
  T take() {
    if constexpr (std::is_reference_v<T>)
      return static_cast<T>(**result_);
    else if constexpr (!std::is_void_v<T>)
      return std::move(*result_);
  }
  /// For several who wait: as `co_await` of a Task gives it.
  T share() {
    if constexpr (std::is_void_v<T> || std::is_reference_v<T>) {
      return take();
    } else if constexpr (std::copy_constructible<T>) {
      return *result_;
    } else {
      claim_result();
      return std::move(*result_);
    }
  }

protected:
  using ThreadFunction::ThreadFunction;

  template <class Call>
  void keep(Call call) {
    if constexpr (std::is_void_v<T>) {
      call();
    } else if constexpr (std::is_reference_v<T>) {
      T result = call();
      result_.emplace(std::addressof(result));
    } else {
      result_.emplace(call());
    }
  }

private:
  std::optional<Kept> result_;
};

template <class F, class... Args>
concept TakesStopToken = requires { std::declval<F>()(std::declval<std::stop_token>(), std::declval<Args>()...); };

// Depends on F, so that nobody but who has such a function needs <stop_token>.
template <bool Takes, class F>
struct StopSource {};
template <class F>
struct StopSource<true, F> {
  template <class>
  struct Of {
    using type = std::stop_source;
  };
  typename Of<F>::type source;
};

template <class F, class... Args>
struct ThreadResult {
  static_assert(std::is_invocable_v<F, Args...>,
                "coil: this function cannot be called with these arguments (they are passed as rvalues, as by "
                "std::thread), nor with a std::stop_token before them");
  using type = std::invoke_result_t<F, Args...>;
};
template <class F, class... Args>
  requires TakesStopToken<F, Args...>
struct ThreadResult<F, Args...> {
  using type = decltype(std::declval<F>()(std::declval<std::stop_token>(), std::declval<Args>()...));
};
/// What `f(args...)`, or `f(stop_token, args...)`, returns.
template <class F, class... Args>
using ThreadResultOf = typename ThreadResult<std::decay_t<F>, std::decay_t<Args>...>::type;

template <class F, class... Args>
class ThreadFunctionOf final : public ThreadFunctionTo<ThreadResultOf<F, Args...>> {
  static constexpr bool takes_token = TakesStopToken<F, Args...>;

public:
  template <class G, class... Given>
  explicit ThreadFunctionOf(const std::source_location& where, G&& function, Given&&... args)
      : ThreadFunctionTo<ThreadResultOf<F, Args...>>(name(), where),
        kept_(std::in_place, std::forward<G>(function), std::forward<Given>(args)...) {}

private:
  struct Kept {
    template <class G, class... Given>
    explicit Kept(G&& f, Given&&... given) : function(std::forward<G>(f)), args(std::forward<Given>(given)...) {}
    F function;
    std::tuple<Args...> args;
  };

  // The compiler spells out F in it.
  static constexpr const char* name() noexcept { return __PRETTY_FUNCTION__; }

  void call() override {
    struct Last {
      std::optional<Kept>& kept;
      ~Last() { kept.reset(); }
    } last{kept_};
    if constexpr (takes_token)
      call_with_token(std::index_sequence_for<Args...>());
    else
      this->keep([&]() -> decltype(auto) { return std::apply(std::move(kept_->function), std::move(kept_->args)); });
  }
  template <std::size_t... I>
  void call_with_token(std::index_sequence<I...>) {
    this->keep([&]() -> decltype(auto) {
      return std::move(kept_->function)(stop_.source.get_token(), std::get<I>(std::move(kept_->args))...);
    });
  }
  bool takes_stop_token() const noexcept override { return takes_token; }
  void stop() noexcept override {
    if constexpr (takes_token) stop_.source.request_stop();
  }

  std::optional<Kept> kept_;  // until it was called
  [[no_unique_address]] StopSource<takes_token, F> stop_;
};

/// Keeps `f` and `args`, copied or moved, to be called in another thread. Its maker owns a reference.
template <class F, class... Args>
ThreadFunctionTo<ThreadResultOf<F, Args...>>* make_thread_function(const std::source_location& where, F&& f,
                                                                   Args&&... args) {
  static_assert(!Awaitable<ThreadResultOf<F, Args...>>,
                "coil: a thread calls plain functions; this one returns a coroutine: co_await it, or give it to "
                "create_task() or run_coroutine_threadsafe()");
  return new ThreadFunctionOf<std::decay_t<F>, std::decay_t<Args>...>(where, std::forward<F>(f),
                                                                      std::forward<Args>(args)...);
}

}  // namespace coil::detail
