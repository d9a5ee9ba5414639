#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include <coil/create_task.hpp>
#include <coil/detail/operation.hpp>
#include <coil/detail/timer_queue.hpp>
#include <coil/future.hpp>
#include <coil/outcome.hpp>
#include <coil/task.hpp>

namespace coil::detail {

class MultiWait;

/// One participant of `gather` and its like: a coroutine to be started, or a task or future of the caller.
/// It hangs in the waiters of that while a MultiWait waits for it.
class Child final : public Suspension {
public:
  explicit Child(std::coroutine_handle<> coroutine) noexcept
      : word_(reinterpret_cast<std::uintptr_t>(coroutine.address()) | unstarted) {}
  explicit Child(FutureState* state) noexcept : word_(reinterpret_cast<std::uintptr_t>(state)) { state->ref(); }
  Child(Child&& other) noexcept : Suspension(other), word_(std::exchange(other.word_, 0)) {}
  Child& operator=(Child&&) = delete;
  ~Child();

  /// Errors: `std::logic_error` for the task that runs, or one of another loop.
  void check() const;
  /// Makes a coroutine a task; leaves the rest alone.
  void start(LoopCore& core);
  FutureState& state() const noexcept { return *reinterpret_cast<FutureState*>(word_ & ~flags); }
  /// Whether it was passed as a coroutine.
  bool owned() const noexcept { return (word_ & from_coroutine) != 0; }

  void wake(FutureState* source) noexcept override;

private:
  friend class MultiWait;
  Abort abort() noexcept override { return Abort::gone; }  // never waited on itself

  static constexpr std::uintptr_t unstarted = 1;  // the word is a coroutine's address, not a FutureState
  static constexpr std::uintptr_t from_coroutine = 2;
  static constexpr std::uintptr_t counted = 4;  // as done, by the MultiWait
  static constexpr std::uintptr_t flags = 7;
  std::uintptr_t word_;
};

/// Starts the children that are coroutines, in order.
/// Errors: `std::logic_error`, before any is started, for one that cannot be awaited here.
void start_all(std::span<Child> children);

/// Makes `task` ready on the next step.
///
/// asyncio needs two steps from the end of a task to those who wait for it through a future in between: that future's
/// callback, then their own. Taking as many keeps the order of events the same.
Handle wake_in_two_steps(TaskState& task) noexcept;

/// Waits for several futures at once. Leaves say when that is enough. The node itself stands in no list, so it may be a
/// timer as well.
class MultiWait : public TimedSuspension {
protected:
  explicit MultiWait(std::span<Child> children) noexcept : children_(children) {}
  ~MultiWait() = default;

  /// A child is done, or given up. True ends the wait.
  virtual bool child_done(Child& child) noexcept = 0;
  /// Cancels all children and goes on waiting for them.
  Abort abort() noexcept override;

  /// Hangs into all children; those that are done already count at once, in order.
  void hook_all() noexcept;
  void unhook_all() noexcept;
  enum class Which : bool { all, owned };
  void cancel_children(Which which, std::string_view why) noexcept;
  /// The same because of `child`, which is done: not inside the call that sets a future, but on the next step.
  void cancel_after(const Child& child, Which which) noexcept;
  /// Enough: the task goes on in two steps.
  void end() noexcept;

  std::span<Child> children_;
  std::size_t left_ = 0;
  bool ended_ = false;
  bool cancel_requested_ = false;
  Handle waking_;  // once ended

private:
  friend class Child;
  bool hooked_ = false;  // into all children
  void child_woken(Child& child) noexcept;
};

/// Ends when all children are done. At the first failure the others that are owned are cancelled, and only
/// those are waited for. Cancelling it cancels all and waits for all.
class GatherOperation final : public Operation<GatherOperation, MultiWait> {
public:
  /// `collect`: failures do not end it.
  GatherOperation(std::span<Child> children, bool collect) noexcept : Operation(children), collect_(collect) {}

  /// What is done already counts at once, as in asyncio from 3.12 on: that may be enough.
  bool await_ready() noexcept;
  void start() noexcept { hook_all(); }
  /// Throws the first failure, or CancelledError if it was cancelled.
  void await_resume();

private:
  bool child_done(Child& child) noexcept override;

  bool collect_;
  std::size_t owned_left_ = 0;
  FutureState* failure_ = nullptr;
};

template <class A>
inline constexpr bool is_future_like = false;
template <class T>
inline constexpr bool is_future_like<Task<T>> = true;
template <class T>
inline constexpr bool is_future_like<Future<T>> = true;

/// What awaiting `A`, or calling it and awaiting that, gives.
template <class A>
struct ChildResultOf {
  using type = typename decltype(as_coro(std::declval<A>()))::value_type;
};
template <class A>
  requires is_future_like<std::decay_t<A>>
struct ChildResultOf<A> {
  using type = typename std::decay_t<A>::value_type;
};
template <class A>
using ChildResult = typename ChildResultOf<A>::type;

/// Errors: `std::logic_error` that names the call for an empty handle.
template <class A>
Child make_child(A&& awaitable, const char* call) {
  if constexpr (is_future_like<std::decay_t<A>>) {
    FutureState* state = HandleAccess::state(awaitable);
    return Child(checked_state(state, call));
  } else {
    auto coro = as_coro(std::forward<A>(awaitable));
    return Child(CoroAccess::release(coro));
  }
}

/// How a finished future ended; takes its exception or result.
template <class T>
Outcome<T> outcome_of(FutureState& state) {
  if (std::exception_ptr exception = state.take_exception()) return Outcome<T>(std::move(exception));
  if constexpr (std::is_void_v<T>)
    return Outcome<T>(std::in_place, true);
  else if constexpr (std::is_reference_v<T>)
    return Outcome<T>(std::in_place, state.value<Stored<T>>());
  else
    return Outcome<T>(std::in_place, take_result<T>(state));
}

}  // namespace coil::detail
