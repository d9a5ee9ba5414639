#pragma once
#include <exception>
#include <type_traits>
#include <utility>

#include <coil/detail/awaitable.hpp>
#include <coil/detail/copyable.hpp>
#include <coil/detail/operation.hpp>
#include <coil/handle.hpp>

namespace coil::detail {

struct Adopted {};
inline constexpr Adopted adopted{};  // the reference is the caller's own

/// A counted reference to a future or task.
template <class State>
class StateRef {
public:
  StateRef() noexcept = default;
  explicit StateRef(State* state) noexcept : state_(state) {
    if (state_ != nullptr) state_->ref();
  }
  StateRef(State* state, Adopted) noexcept : state_(state) {}
  StateRef(const StateRef& other) noexcept : StateRef(other.state_) {}
  StateRef(StateRef&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  StateRef& operator=(StateRef other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~StateRef() {
    if (state_ != nullptr) state_->unref();
  }

  State* get() const noexcept { return state_; }
  State* operator->() const noexcept { return state_; }
  State& operator*() const noexcept { return *state_; }
  explicit operator bool() const noexcept { return state_ != nullptr; }
  bool operator==(const StateRef&) const = default;

private:
  State* state_ = nullptr;
};

/// The result of a finished future: T itself where it can be copied, else moved out, once.
template <class T>
T take_result(FutureState& state) {
  state.throw_unless_value();
  if constexpr (std::is_reference_v<T>) {
    return static_cast<T>(*state.value<Stored<T>>());
  } else if constexpr (!std::is_void_v<T>) {
    if constexpr (copyable<T>) {
      return state.value<T>();
    } else {
      if (state.has(Ready::retrieved))
        throw_invalid_state("coil: the result was already moved out by an earlier await");
      state.set(Ready::retrieved);
      return std::move(state.value<T>());
    }
  }
}
/// The result of a future that nobody else will look at.
template <class T>
T move_result(FutureState& state) {
  state.throw_unless_value();
  if constexpr (std::is_reference_v<T>)
    return static_cast<T>(*state.value<Stored<T>>());
  else if constexpr (!std::is_void_v<T>)
    return std::move(state.value<T>());
}
template <class T>
decltype(auto) result_reference(FutureState& state) {
  state.throw_unless_value();
  if constexpr (std::is_reference_v<T>)
    return static_cast<T>(*state.value<Stored<T>>());
  else if constexpr (!std::is_void_v<T>)
    return static_cast<T&>(state.value<T>());
}

/// Errors: `std::logic_error` for what cannot be awaited here: nothing, the task itself, another loop's.
void check_awaitable(const FutureState* state);

/// Throws in a task that was cancelled: the cancellation of what it awaited, if that was first, as in asyncio.
[[noreturn]] void throw_cancelled(TaskState& task, const FutureState& awaited);

/// Waits for a future or task. Cancelling the wait cancels what is awaited and then waits for its answer.
template <class T>
class FutureOperation final : public Operation<FutureOperation<T>> {
public:
  explicit FutureOperation(FutureState* state)
      : Operation<FutureOperation<T>>(Suspension::NeverAsked()), state_(state) {}

  bool await_ready() const {
    if (state_ && state_->done()) [[likely]]
      return true;
    check_awaitable(state_.get());
    return false;
  }
  void start() noexcept { state_->waiters.push_back(*this); }
  T await_resume() {
    if (this->is_cancelled()) [[unlikely]]
      throw_cancelled(*this->task_, *state_);
    return take_result<T>(*state_);
  }

private:
  Abort abort() noexcept override { return Abort::passed_on; }
  FutureState* awaited() noexcept override { return state_.get(); }

  StateRef<FutureState> state_;
};

/// Errors: `std::logic_error` that names the call for an empty handle.
FutureState* checked_state(FutureState* state, const char* call);
/// Errors: InvalidStateError if it is done.
FutureState& checked_pending(FutureState* state, const char* call);
/// Errors: InvalidStateError that names the call if it is not done.
FutureState* checked_done(FutureState* state, const char* call);
/// Of one that is done; null for a value. Errors: CancelledError if it was cancelled.
std::exception_ptr exception_of(FutureState* state);

/// Calls back when a future is done, through the loop. Hangs in its waiters until then, and is queued afterwards.
class DoneCallback : public Callback, public Suspension {
public:
  void hang_on(FutureState& future) noexcept;
  void wake(FutureState* source) noexcept final;
  void drop() noexcept final;

protected:
  /// Destroys the function.
  virtual void forget() noexcept = 0;
  // While it hangs it does not hold what it hangs on: a future that nobody can set any more goes, with its callbacks.
  StateRef<FutureState> done_;

private:
  Abort abort() noexcept final;
  FutureState* pending_ = nullptr;  // while it hangs there
};

/// Calls back when `state` is done; through the loop also if it is already.
Handle add_done_callback(FutureState& state, DoneCallback* callback);

}  // namespace coil::detail
