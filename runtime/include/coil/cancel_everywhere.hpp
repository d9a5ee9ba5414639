#pragma once
#include <chrono>
#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>

#include <coil/coro.hpp>
#include <coil/for_seeds.hpp>
#include <coil/run.hpp>

namespace coil::testing {

/// Options of `cancel_everywhere`.
struct CancelOptions {
  /// How each run's loop is made.
  RunOptions run = {.clock = Clock::virtual_};
  /// Also cancels a second time: at once, and at each suspension of the cleanup.
  bool pairs = false;
  /// Also cancels at each suspension of the other tasks that `f` has made, while its own waits for them.
  bool at_others = true;
  /// Cancels each task at each of its suspensions, not only the one that runs `f`; the second time any of them.
  bool every_task = false;
  /// Takes any exception from a run that was cancelled, and any report to the exception handler; else only
  /// CancelledError and a normal return are fine, and nothing may be reported.
  bool errors = false;
  /// The time, by the loop's clock, in which what `f` leaves behind may end by itself, as the child of a Process that
  /// was destroyed does. Zero: some turns of the loop.
  std::chrono::nanoseconds settling{0};
  /// How long one run may take, by the real clock.
  std::chrono::nanoseconds time_limit = std::chrono::seconds(10);
  /// More suspensions than this are taken for a run that does not end.
  std::size_t suspensions_max = 1'000'000;
};
static_assert(std::is_aggregate_v<CancelOptions> && std::is_trivially_destructible_v<CancelOptions>);

/// What `cancel_everywhere` has done.
struct CancelResult {
  std::size_t suspensions = 0;  ///< Of a run that was not cancelled, of all tasks that it is cancelled at.
  std::size_t points = 0;       ///< Different places and moments at which it was cancelled once.
  std::size_t pairs = 0;        ///< And twice.
  std::size_t cancelled = 0;    ///< Runs that ended by CancelledError; the others took the cancellation, or came first.
};

}  // namespace coil::testing

namespace coil::detail {

/// Starts what is tested.
struct CancelSubject {
  Coro<void> (*start)(void* context);
  void* context;
};
testing::CancelResult cancel_everywhere(CancelSubject subject, const testing::CancelOptions& options);

template <class T>
Coro<void> without_result(Coro<T> coro) {
  static_cast<void>(co_await std::move(coro));
}

/// A function as the pointer to it, anything else as it is.
template <class F>
decltype(auto) as_object(F& f) noexcept {
  if constexpr (std::is_function_v<F>)
    return &f;
  else
    return (f);
}

template <class F>
CancelSubject subject_of(F& f) {
  static_assert(is_coro<std::invoke_result_t<F&>>, "coil: cancel_everywhere() takes a function that gives a Coro");
  const auto start = [](void* context) -> Coro<void> {
    F& function = *static_cast<F*>(context);
    if constexpr (std::same_as<std::invoke_result_t<F&>, Coro<void>>)
      return function();
    else
      return without_result(function());
  };
  return {start, const_cast<std::remove_const_t<F>*>(&f)};
}

}  // namespace coil::detail

namespace coil::testing {

/// Runs `f`, which gives a Coro, again and again, each time on a loop of its own: once to its end, then cancelled at its
/// 1st, 2nd, 3rd … suspension until it runs through. At each it is cancelled at three moments: at once; a turn later,
/// when the kernel has heard of what is waited for; and when the wait is over and the task is about to go on.
///
///   auto result = coil::testing::cancel_everywhere([&]() -> coil::Coro<void> { … });
///   CHECK(result.points > 10);
///
/// After each run nothing may be left: no task, timer, operation of the kernel, descriptor, coroutine frame or child
/// process, and no buffer that was given up before the kernel was done with it. `f` makes anew what it needs.
/// By a virtual clock nothing waits for other processes; give `f` a real one if it does.
/// Errors: Failure that names the suspension (file and line) and what was left, or that the run did not end or threw;
///   the exception of a run that was not cancelled; `std::logic_error` inside a running loop. A run that cannot be ended
///   at all is named on stderr, and the process aborted.
template <class F>
CancelResult cancel_everywhere(F&& f, const CancelOptions& options = {}) {
  auto&& object = detail::as_object(f);
  return detail::cancel_everywhere(detail::subject_of(object), options);
}

}  // namespace coil::testing
