#pragma once
#include <chrono>
#include <type_traits>
#include <utility>

#include <coil/clock.hpp>
#include <coil/detail/copyable.hpp>
#include <coil/detail/operation.hpp>
#include <coil/detail/timer_queue.hpp>

namespace coil {

namespace detail {

/// Adds a timer to the running loop, due in `delay` or at once if that is not positive.
void start_timer(TimedSuspension& timer, std::chrono::nanoseconds delay) noexcept;
void start_timer_at(TimedSuspension& timer, time_point when) noexcept;
/// Takes the timer of a waiting task out before its time. Harmless if it is in no queue.
void stop_timer(TimedSuspension& timer) noexcept;

/// Waits until a time.
template <class Leaf>
class TimedOperation : public Operation<Leaf, TimedSuspension> {
public:
  explicit TimedOperation(time_point when) noexcept { this->when_ = when; }
  bool await_ready() const noexcept { return false; }
  void await_resume() { this->throw_if_cancelled(); }

private:
  Abort abort() noexcept final {
    stop_timer(*this);
    return Abort::gone;
  }
};

/// From the await on, each time it is awaited.
class SleepOperation : public TimedOperation<SleepOperation> {
public:
  explicit SleepOperation(std::chrono::nanoseconds delay) noexcept : TimedOperation(time_point()), delay_(delay) {}
  void start() noexcept;

private:
  std::chrono::nanoseconds delay_;
};
class SleepUntilOperation final : public TimedOperation<SleepUntilOperation> {
public:
  using TimedOperation::TimedOperation;
  void start() noexcept { start_timer_at(*this, when_); }
};

template <class T>
class SleepOperationFor final : public SleepOperation {
public:
  SleepOperationFor(std::chrono::nanoseconds delay, T result) : SleepOperation(delay), result_(std::move(result)) {}
  T await_resume() {
    throw_if_cancelled();
    if constexpr (copyable<T>)
      return result_;
    else
      return std::move(result_);
  }

private:
  T result_;
};

/// Goes to the end of the ready queue. Needs no node of its own: the task is ready, it waits on nothing.
class YieldOperation {
public:
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> coroutine,
                     std::source_location where = std::source_location::current()) const noexcept {
    coroutine.promise().where_ = where;
    TaskState* task = this_loop->current;
    task->resume = coroutine;
    task->phase = Phase::ready;
    this_loop->push_ready(*task);
  }
  void await_resume() const {
    if (this_step.cancel_due) [[unlikely]]
      this_loop->current->throw_cancelled();
  }
};

}  // namespace detail

/// Suspends the task for `delay`, from the `co_await`. Zero or less yields exactly once.
template <class Rep, class Period>
[[nodiscard]] detail::SleepOperation sleep(std::chrono::duration<Rep, Period> delay) {
  return detail::SleepOperation(detail::to_nanoseconds(delay));
}
/// The same, and gives `result`.
template <class Rep, class Period, class T>
[[nodiscard]] detail::SleepOperationFor<std::decay_t<T>> sleep(std::chrono::duration<Rep, Period> delay, T&& result) {
  return {detail::to_nanoseconds(delay), std::forward<T>(result)};
}
/// Suspends the task until `when` on the loop's clock; yields once if that is past.
[[nodiscard]] inline detail::SleepUntilOperation sleep_until(time_point when) noexcept {
  return detail::SleepUntilOperation(when);
}
/// Lets everything else that is ready run first.
[[nodiscard]] inline detail::YieldOperation yield() noexcept { return {}; }

}  // namespace coil
