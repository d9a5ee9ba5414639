// Cancellation against completion, in several orders: one of them wins, and nothing is lost or done twice.
#pragma once
#include "io_test.hpp"

namespace coil_test {

/// Of a race that takes little time; others have a short form of fewer.
inline constexpr int rounds = 10'000;

/// How the races went. With only one winner there was no race.
struct Tally {
  int completed = 0;
  int cancelled = 0;
  ~Tally() {
    CHECK(completed > 0);
    CHECK(cancelled > 0);
  }
};

inline constexpr int orders = 8;

/// Starts `operation`, makes `happen()` what it waits for, and cancels it, in one of several orders.
template <class T, class F>
coil::Coro<coil::Outcome<T>> race(int order, coil::Coro<T> operation, F happen, Tally& tally) {
  if (order == 0) happen();
  auto task = coil::create_task(std::move(operation));
  const auto cancel = [&]() -> coil::Coro<void> {
    task.cancel();
    co_return;
  };
  if (order <= 1) coil::create_task(cancel);  // after the operation was queued, before the kernel hears of it
  co_await coil::yield();
  if (order >= 2) co_await coil::yield();  // now it waits
  switch (order) {
    case 0:
      break;
    case 1:
      happen();
      break;
    case 2:
      happen();
      task.cancel();
      break;
    case 3:
      task.cancel();
      happen();
      break;
    case 4:
      happen();
      co_await coil::yield();
      task.cancel();
      break;
    case 5:
      task.cancel();
      co_await coil::yield();
      happen();
      break;
    case 6:
      happen();
      task.cancel();
      task.cancel();
      break;
    default:
      happen();
      break;
  }
  auto outcome = co_await coil::as_result(task);
  ++(outcome.cancelled() ? tally.cancelled : tally.completed);
  CHECK(outcome.has_value() != outcome.cancelled());
  co_return outcome;
}

}  // namespace coil_test
