// Whole programs, cancelled at every one of their steps, once and twice: whatever is cut off where, everything that
// began is ended, cleaned up once, and nothing is left behind.
#pragma once
#include "loop_test.hpp"

#include <stdexcept>

namespace coil_test {

/// What began and what ended in a scenario.
struct Balance {
  int entered = 0;
  int left = 0;
  int cleanups_due = 0;
  int cleanups_done = 0;
};

class Scope {
public:
  explicit Scope(Balance& balance) : balance_(balance) { ++balance_.entered; }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() { ++balance_.left; }

private:
  Balance& balance_;
};

inline coil::Coro<int> work(Balance& balance, std::chrono::milliseconds time, int value) {
  Scope scope(balance);
  co_await coil::yield();
  co_await coil::sleep(time);
  co_await coil::yield();
  co_return value;
}

inline coil::Coro<int> fail(Balance& balance, std::chrono::milliseconds time) {
  Scope scope(balance);
  co_await coil::sleep(time);
  throw std::runtime_error("planned");
}

/// Takes the failures that the scenarios plan; lets a cancellation pass.
inline coil::Coro<void> expect_failure(coil::Coro<void> coro) {
  try {
    co_await std::move(coro);
  } catch (const std::runtime_error&) {
  }
}

using Scenario = coil::Coro<void> (*)(Balance&);

/// Cancels `scenario` after `time` and `steps` yields, and a second time `again` yields later (-1: only once).
inline coil::Coro<void> cancel_at(Scenario scenario, std::chrono::microseconds time, int steps, int again) {
  Balance balance;
  const auto frames = coil::detail::live_frames();
  const auto start = coil_test::elapsed();
  {
    auto task = coil::create_task(scenario(balance));
    if (time > 0us) co_await coil::sleep(time);
    for (int i = 0; i < steps; ++i) co_await coil::yield();
    const bool asked = task.cancel("cut off");
    if (again >= 0) {
      for (int i = 0; i < again; ++i) co_await coil::yield();
      task.cancel("again");
    }
    auto outcome = co_await coil::as_result(task);
    CHECK(outcome.exception() == nullptr);
    CHECK((outcome.cancelled() || outcome.has_value()));
    CHECK((asked || outcome.has_value()));
  }
  co_await coil::yield();
  CHECK(coil_test::elapsed() - start < 100ms);
  CHECK(balance.entered == balance.left);
  CHECK(balance.cleanups_due == balance.cleanups_done);
  CHECK(coil::get_running_loop().metrics().tasks == 1);
  CHECK(coil::get_running_loop().metrics().timers == 0);
  CHECK(coil::detail::live_frames() == frames);
}

inline coil::Coro<void> cancel_everywhere(Scenario scenario) {
  for (auto time = 0us; time <= 9000us; time += 500us) {
    for (int steps = 0; steps <= 6; ++steps) {
      for (int again = -1; again <= 4; ++again) {
        CAPTURE(time);
        CAPTURE(steps);
        CAPTURE(again);
        co_await cancel_at(scenario, time, steps, again);
      }
    }
  }
}

}  // namespace coil_test
