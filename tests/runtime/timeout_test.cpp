#include <coil/timeout.hpp>

#include "../support/loop_test.hpp"

#include <optional>
#include <string>

using namespace std::chrono_literals;
using coil_test::elapsed;
using coil_test::park;
using coil_test::value_after;

LOOP_TEST("timeout: gives what its body returns, and leaves no timer") {
  auto body = [&]() -> coil::Coro<std::string> {
    co_await coil::sleep(1s);
    co_return "in time";
  };
  const std::string text = co_await coil::timeout(2s, body);
  CHECK(text == "in time");
  CHECK(elapsed() == 1s);
  CHECK(coil::get_running_loop().metrics().timers == 0);
}

LOOP_TEST("timeout: throws TimeoutError at the deadline, after the body was cancelled and has cleaned up") {
  std::string log;
  auto body = [&]() -> coil::Coro<void> { co_await coil_test::park_and_clean(log, "body", 1s); };
  CHECK_AWAIT_THROWS(coil::timeout(2s, body), coil::TimeoutError);
  CHECK(log == "body cancelled;body cleaned;");
  CHECK(elapsed() == 3s);
  CHECK(coil::get_running_loop().metrics().timers == 0);
}

LOOP_TEST("timeout: the body may be a lambda in the call, and may take the Timeout") {
  const int value = co_await coil::timeout(2s, [&](coil::Timeout& limit) -> coil::Coro<int> {
    CHECK(!limit.expired());
    co_await coil::sleep(1s);
    co_return 4;
  });
  CHECK(value == 4);
}

LOOP_TEST("timeout: takes a coroutine where it takes a callable") {
  const int value = co_await coil::timeout(2s, value_after(1s, 4));
  CHECK(value == 4);
  CHECK_AWAIT_THROWS(coil::timeout(2s, value_after(3s, 4)), coil::TimeoutError);
}

LOOP_TEST("timeout: timeout_at takes the point in time") {
  co_await coil::sleep(1s);
  auto body = [&]() -> coil::Coro<void> { co_await coil::sleep(1h); };
  CHECK_AWAIT_THROWS(coil::timeout_at(coil::time_point{} + 3s, body), coil::TimeoutError);
  CHECK(elapsed() == 3s);
}

LOOP_TEST("timeout: when() is the deadline, counted from the co_await") {
  std::optional<coil::time_point> when;
  auto body = [&](coil::Timeout& limit) -> coil::Coro<void> {
    when = limit.when();
    co_await coil::yield();
  };
  auto waiting = coil::timeout(5s, body);
  co_await coil::sleep(1min);
  co_await std::move(waiting);
  CHECK(when == coil::time_point{} + 1min + 5s);
}

LOOP_TEST("timeout: of nullopt never fires") {
  std::optional<coil::time_point> when = coil::time_point{};
  auto body = [&](coil::Timeout& limit) -> coil::Coro<int> {
    when = limit.when();
    co_await coil::sleep(coil_test::ages);
    co_return 6;
  };
  const int value = co_await coil::timeout(std::nullopt, body);
  CHECK(value == 6);
  CHECK(!when.has_value());
}

LOOP_TEST("timeout: of a huge duration never fires, and does not overflow") {
  co_await coil::sleep(1s);
  auto body = [&]() -> coil::Coro<void> { co_await coil::sleep(coil_test::ages); };
  co_await coil::timeout(std::chrono::nanoseconds::max(), body);
  co_await coil::timeout(std::chrono::hours::max(), body);
  CHECK(elapsed() == 2 * coil_test::ages + 1s);
}

LOOP_TEST("timeout: of zero, or a deadline that has passed, fires at the first suspension, not before") {
  co_await coil::sleep(10s);
  int reached = 0;
  auto body = [&]() -> coil::Coro<void> {
    ++reached;
    co_await coil::yield();
    reached += 100;
  };
  CHECK_AWAIT_THROWS(coil::timeout(0s, body), coil::TimeoutError);
  CHECK_AWAIT_THROWS(coil::timeout(-1h, body), coil::TimeoutError);
  CHECK_AWAIT_THROWS(coil::timeout_at(coil::time_point{} + 1s, body), coil::TimeoutError);
  CHECK(reached == 3);
  CHECK(elapsed() == 10s);
}

LOOP_TEST("timeout: of zero lets a body that never suspends return") {
  auto body = [&]() -> coil::Coro<int> { co_return 3; };
  const int value = co_await coil::timeout(0s, body);
  CHECK(value == 3);
  co_await coil::sleep(1s);  // nothing is delivered late
}

LOOP_TEST("timeout: expired() tells the body that its cancellation is the deadline") {
  bool before = true;
  bool after = false;
  auto body = [&](coil::Timeout& limit) -> coil::Coro<void> {
    before = limit.expired();
    try {
      co_await coil::sleep(1h);
    } catch (const coil::CancelledError&) {
      after = limit.expired();
      throw;
    }
  };
  CHECK_AWAIT_THROWS(coil::timeout(1s, body), coil::TimeoutError);
  CHECK(!before);
  CHECK(after);
}

LOOP_TEST("timeout: a body that swallows the cancellation and returns has its value returned") {
  auto body = [&]() -> coil::Coro<int> {
    const int value = co_await coil_test::return_when_cancelled(4);
    co_return value;
  };
  const int value = co_await coil::timeout(1s, body);
  CHECK(value == 4);
  CHECK(coil::current_task().cancelling() == 0);
  co_await coil::sleep(1s);
}

LOOP_TEST("timeout: an exception of the body passes, before the deadline and after it") {
  auto fail = [&]() -> coil::Coro<void> { co_await coil_test::fail_after(1s, "early"); };
  auto fail_in_cleanup = [&]() -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(0);
    throw std::runtime_error("in cleanup");
  };
  CHECK_AWAIT_FAILS_WITH(coil::timeout(2s, fail), "early");
  CHECK_AWAIT_FAILS_WITH(coil::timeout(2s, fail_in_cleanup), "in cleanup");
  CHECK(coil::current_task().cancelling() == 0);
}

LOOP_TEST("timeout: after a TimeoutError the task is as it was before") {
  auto body = [&]() -> coil::Coro<void> { co_await coil::sleep(1h); };
  CHECK_AWAIT_THROWS(coil::timeout(1s, body), coil::TimeoutError);
  CHECK(coil::current_task().cancelling() == 0);
  co_await coil::sleep(1s);
  CHECK(elapsed() == 2s);
}

LOOP_TEST("timeout: reschedule() moves the deadline, forwards, backwards and away") {
  auto later = [&](coil::Timeout& limit) -> coil::Coro<void> {
    limit.reschedule(coil::get_running_loop().time() + 10s);
    co_await coil::sleep(1h);
  };
  auto sooner = [&](coil::Timeout& limit) -> coil::Coro<void> {
    limit.reschedule(coil::get_running_loop().time() + 1s);
    co_await coil::sleep(1h);
  };
  auto never = [&](coil::Timeout& limit) -> coil::Coro<void> {
    limit.reschedule(std::nullopt);
    CHECK(!limit.when().has_value());
    co_await coil::sleep(1h);
  };
  CHECK_AWAIT_THROWS(coil::timeout(5s, later), coil::TimeoutError);
  CHECK(elapsed() == 10s);
  CHECK_AWAIT_THROWS(coil::timeout(5s, sooner), coil::TimeoutError);
  CHECK(elapsed() == 11s);
  co_await coil::timeout(5s, never);
  CHECK(elapsed() == 1h + 11s);
}

LOOP_TEST("timeout: reschedule() gives a deadline to one that had none") {
  auto body = [&](coil::Timeout& limit) -> coil::Coro<void> {
    limit.reschedule(coil::get_running_loop().time() + 1s);
    CHECK(limit.when() == coil::get_running_loop().time() + 1s);
    co_await coil::sleep(1h);
  };
  CHECK_AWAIT_THROWS(coil::timeout(std::nullopt, body), coil::TimeoutError);
  CHECK(elapsed() == 1s);
}

LOOP_TEST("timeout: reschedule() into the past fires at the next suspension") {
  co_await coil::sleep(5s);
  auto body = [&](coil::Timeout& limit) -> coil::Coro<void> {
    limit.reschedule(coil::time_point{});
    co_await coil::sleep(1h);
  };
  CHECK_AWAIT_THROWS(coil::timeout(1min, body), coil::TimeoutError);
  CHECK(elapsed() == 5s);
}

LOOP_TEST("timeout: reschedule() after the deadline fired is a logic_error") {
  bool refused = false;
  auto body = [&](coil::Timeout& limit) -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(0);
    try {
      limit.reschedule(std::nullopt);
    } catch (const std::logic_error&) {
      refused = true;
    }
  };
  co_await coil::timeout(1s, body);
  CHECK(refused);
}
