// timeout in a timeout, and beside cancellations that are not its own.
#include <coil/timeout.hpp>

#include "../support/loop_test.hpp"

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil_test::elapsed;
using coil_test::park;

LOOP_TEST("timeout: a cancellation from outside before the deadline stays a CancelledError") {
  std::string message;
  bool expired = true;
  auto work = [&]() -> coil::Coro<void> {
    auto body = [&](coil::Timeout& limit) -> coil::Coro<void> {
      try {
        co_await coil::sleep(1h);
      } catch (const coil::CancelledError& error) {
        message = error.message();
        expired = limit.expired();
        throw;
      }
    };
    co_await coil::timeout(1min, body);
  };
  auto task = coil::create_task(work());
  co_await coil::sleep(1s);
  task.cancel("from outside");
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(message == "from outside");
  CHECK(!expired);
  CHECK(task.cancelling() == 1);
}

LOOP_TEST("timeout: a cancellation from outside after the deadline is not eaten: CancelledError, no TimeoutError") {
  auto work = [&]() -> coil::Coro<void> {
    auto body = [&]() -> coil::Coro<void> {
      try {
        co_await coil::sleep(1h);
      } catch (const coil::CancelledError&) {
        coil::current_task().cancel("from outside");
        throw;
      }
    };
    co_await coil::timeout(1s, body);
  };
  auto task = coil::create_task(work());
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(task.cancelled());
  CHECK(task.cancelling() == 1);
}

LOOP_TEST("timeout: deadline and cancellation from outside in one turn: CancelledError") {
  coil::Task<void> task;
  coil::get_running_loop().call_later(1s, [&] { task.cancel("from outside"); });
  auto work = [&]() -> coil::Coro<void> {
    auto body = [&]() -> coil::Coro<void> { co_await coil::sleep(1h); };
    co_await coil::timeout(1s, body);
  };
  task = coil::create_task(work());
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(elapsed() == 1s);
}

LOOP_TEST(
    "timeout: a body whose awaited task was cancelled throws CancelledError, the deadline has nothing to do with it") {
  auto other = coil::create_task(coil::sleep(1h));
  coil::get_running_loop().call_later(1s, [&] { other.cancel(); });
  auto body = [&]() -> coil::Coro<void> { co_await other; };
  CHECK_AWAIT_THROWS(coil::timeout(1min, body), coil::CancelledError);
  CHECK(coil::current_task().cancelling() == 0);
}

LOOP_TEST("timeout: nested with equal deadlines both expire, and only the outer throws TimeoutError") {
  std::string log;
  const auto deadline = coil::time_point{} + 1s;
  auto innermost = [&](coil::Timeout&) -> coil::Coro<void> { co_await coil::sleep(1h); };
  auto outer_body = [&](coil::Timeout& outer) -> coil::Coro<void> {
    try {
      co_await coil::timeout_at(deadline, innermost);
    } catch (const coil::TimeoutError&) {
      log += "inner: TimeoutError;";
      throw;
    } catch (const coil::CancelledError&) {
      log += outer.expired() ? "inner: CancelledError, outer expired;" : "inner: CancelledError;";
      throw;
    }
  };
  try {
    co_await coil::timeout_at(deadline, outer_body);
  } catch (const coil::TimeoutError&) {
    log += "outer: TimeoutError";
  }
  CHECK(log == "inner: CancelledError, outer expired;outer: TimeoutError");
  CHECK(coil::current_task().cancelling() == 0);
}

LOOP_TEST("timeout: nested, the inner one first: its TimeoutError can be caught and the outer body goes on") {
  std::string log;
  auto sleep_long = [&]() -> coil::Coro<void> { co_await coil::sleep(1h); };
  auto outer_body = [&]() -> coil::Coro<void> {
    CHECK_AWAIT_THROWS(coil::timeout(1s, sleep_long), coil::TimeoutError);
    log += "goes on";
    co_await coil::sleep(1s);
  };
  co_await coil::timeout(1min, outer_body);
  CHECK(log == "goes on");
  CHECK(elapsed() == 2s);
}

LOOP_TEST("timeout: nested, the outer one first: the inner body is cancelled, the outer throws TimeoutError") {
  std::string log;
  auto inner_body = [&]() -> coil::Coro<void> { co_await park(log, "inner"); };
  auto outer_body = [&]() -> coil::Coro<void> {
    try {
      co_await coil::timeout(1min, inner_body);
    } catch (const coil::TimeoutError&) {
      log += "wrong;";
      throw;
    }
  };
  CHECK_AWAIT_THROWS(coil::timeout(1s, outer_body), coil::TimeoutError);
  CHECK(log == "inner cancelled;");
  CHECK(elapsed() == 1s);
}

LOOP_TEST("timeout: two that have passed both end a body that was busy past them") {
  int outer_errors = 0;
  co_await coil::sleep(1s);
  auto inner_body = [&](coil::Timeout& limit) -> coil::Coro<void> {
    limit.reschedule(coil::time_point{});  // as if the body had computed for long
    co_await coil::sleep(1h);
  };
  auto outer_body = [&](coil::Timeout& limit) -> coil::Coro<void> {
    limit.reschedule(coil::time_point{});
    co_await coil::timeout(1h, inner_body);
  };
  try {
    co_await coil::timeout(1h, outer_body);
  } catch (const coil::TimeoutError&) {
    ++outer_errors;
  }
  CHECK(outer_errors == 1);
  CHECK(coil::current_task().cancelling() == 0);
  CHECK(elapsed() == 1s);
}

LOOP_TEST("timeout: works inside the cleanup of a cancelled task") {
  std::string log;
  auto sleep_long = [&]() -> coil::Coro<void> { co_await coil::sleep(1h); };
  auto work = [&]() -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(0);
    try {
      co_await coil::timeout(1s, sleep_long);
    } catch (const coil::TimeoutError&) {
      log += "timed out";
    }
    throw coil::CancelledError();
  };
  auto task = coil::create_task(work());
  co_await coil::yield();
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "timed out");
  CHECK(task.cancelling() == 1);
}

LOOP_TEST("timeout: a task group inside it is ended by the deadline with TimeoutError, no ExceptionGroup") {
  std::string log;
  auto body = [&]() -> coil::Coro<void> {
    auto children = [&](coil::TaskGroup& group) -> coil::Coro<void> {
      group.create_task(park(log, "a"));
      group.create_task(park(log, "b"));
      co_return;
    };
    co_await coil::task_group(children);
  };
  CHECK_AWAIT_THROWS(coil::timeout(1s, body), coil::TimeoutError);
  CHECK(log == "a cancelled;b cancelled;");
}

LOOP_TEST("timeout: inside a task group its TimeoutError is a failure like any other") {
  auto sleep_long = [&]() -> coil::Coro<void> { co_await coil::sleep(1h); };
  auto limited = [&]() -> coil::Coro<void> { co_await coil::timeout(1s, sleep_long); };
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(limited());
    co_return;
  };
  bool is_timeout = false;
  try {
    co_await coil::task_group(body);
  } catch (const coil::ExceptionGroup& group) {
    const auto [timeouts, rest] = group.split<coil::TimeoutError>();
    is_timeout = timeouts.has_value() && !rest.has_value();
  }
  CHECK(is_timeout);
}

LOOP_TEST("timeout: many in turn leave no timer and no frame") {
  const auto frames = coil::detail::live_frames();
  auto body = [&]() -> coil::Coro<void> { co_await coil::sleep(1s); };
  for (int i = 0; i < 1000; ++i) {
    co_await coil::timeout(2s, body);
    CHECK_AWAIT_THROWS(coil::timeout(500ms, body), coil::TimeoutError);
  }
  CHECK(coil::get_running_loop().metrics().timers == 0);
  CHECK(coil::detail::live_frames() == frames);
}

LOOP_TEST("timeout: a task that has swallowed a cancellation may be cancelled inside it: CancelledError") {
  auto work = [&]() -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(0);
    const auto body = []() -> coil::Coro<void> {
      coil::current_task().cancel("again");
      co_await coil::sleep(2s);
    };
    co_await coil::timeout(1s, body);
  };
  auto task = coil::create_task(work());
  co_await coil::yield();
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(elapsed() == 0s);
  CHECK(task.cancelling() == 2);
}

LOOP_TEST("timeout: a task group inside it whose child fails in its cleanup throws that, in a group") {
  auto child = [&]() -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(0);
    throw std::runtime_error("in cleanup");
  };
  auto body = [&]() -> coil::Coro<void> {
    const auto group = [&](coil::TaskGroup& tasks) -> coil::Coro<void> {
      tasks.create_task(child());
      co_await coil::sleep(1h);
    };
    co_await coil::task_group(group);
  };
  std::vector<std::string> failures;
  try {
    co_await coil::timeout(1s, body);
  } catch (const coil::ExceptionGroup& group) {
    for (const auto& failure : group.exceptions()) failures.push_back(coil_test::text_of(failure));
  }
  CHECK(failures == std::vector<std::string>{"in cleanup"});
  CHECK(coil::current_task().cancelling() == 0);
  co_await coil::sleep(1s);
  CHECK(elapsed() == 2s);
}

LOOP_TEST("timeout: its deadline may be moved by another task while the body waits") {
  coil::Timeout* deadline = nullptr;
  const auto body = [&](coil::Timeout& mine) -> coil::Coro<void> {
    deadline = &mine;
    co_await coil::sleep(1h);
  };
  auto limited = [&]() -> coil::Coro<void> { co_await coil::timeout(10s, body); };
  auto task = coil::create_task(limited());
  co_await coil::sleep(1s);
  CHECK(*deadline->when() == coil::time_point{} + 10s);
  deadline->reschedule(coil::time_point{} + 30s);
  co_await coil::sleep(20s);
  CHECK(!task.done());
  deadline->reschedule(std::nullopt);
  CHECK(!deadline->when());
  co_await coil::sleep(1min);
  CHECK(!deadline->expired());
  deadline->reschedule(coil::time_point{} + 2min);
  CHECK_AWAIT_THROWS(task, coil::TimeoutError);
  CHECK(elapsed() == 2min);
}
