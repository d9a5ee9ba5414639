// Whole programs, cancelled at every one of their steps, once and twice: whatever is cut off where, everything that
// began is ended, cleaned up once, and nothing is left behind.
#pragma once
#include "count.hpp"
#include "loop_test.hpp"

#include <coil/cancel_everywhere.hpp>

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

/// At each suspension of all its tasks, once and twice.
inline void cancel_everywhere(Scenario scenario) {
  const auto balanced = [scenario]() -> coil::Coro<void> {
    struct Checked : Balance {
      ~Checked() {
        CHECK(entered == left);
        CHECK(cleanups_due == cleanups_done);
      }
    } balance;
    co_await scenario(balance);
  };
  const auto result = coil::testing::cancel_everywhere(balanced, {.pairs = true});
  CHECK(result.points > 5);
  count("cancel points", result.points);
  count("cancel pairs", result.pairs);
}

}  // namespace coil_test
