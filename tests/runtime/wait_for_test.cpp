#include <coil/timeout.hpp>

#include "../support/loop_test.hpp"

#include <memory>
#include <string>

using namespace std::chrono_literals;
using coil_test::elapsed;
using coil_test::fail_after;
using coil_test::park;
using coil_test::park_and_clean;
using coil_test::value_after;

LOOP_TEST("wait_for: gives the result that comes in time, and leaves no timer") {
  const int value = co_await coil::wait_for(value_after(1s, 5), 2s);
  CHECK(value == 5);
  CHECK(elapsed() == 1s);
  CHECK(coil::get_running_loop().metrics().timers == 0);
}

LOOP_TEST("wait_for: throws TimeoutError when the time is over, having cancelled what it waited for") {
  std::string log;
  CHECK_AWAIT_THROWS(coil::wait_for(park(log, "inner"), 2s), coil::TimeoutError);
  CHECK(log == "inner cancelled;");
  CHECK(elapsed() == 2s);
}

LOOP_TEST("wait_for: waits for what it cancelled to end, which may take longer than the time") {
  std::string log;
  CHECK_AWAIT_THROWS(coil::wait_for(park_and_clean(log, "inner", 10s), 2s), coil::TimeoutError);
  CHECK(log == "inner cancelled;inner cleaned;");
  CHECK(elapsed() == 12s);
}

LOOP_TEST("wait_for: if what it cancelled returns all the same, gives the value") {
  const int value = co_await coil::wait_for(coil_test::return_when_cancelled(5), 2s);
  CHECK(value == 5);
  CHECK(elapsed() == 2s);
}

LOOP_TEST("wait_for: an error of what it waits for is thrown, in time or while being cancelled") {
  auto fail_when_cancelled = [&]() -> coil::Coro<int> {
    co_await coil_test::return_when_cancelled(0);
    throw std::runtime_error("in cleanup");
  };
  CHECK_AWAIT_FAILS_WITH(coil::wait_for(fail_after(1s, "in time"), 2s), "in time");
  CHECK_AWAIT_FAILS_WITH(coil::wait_for(fail_when_cancelled(), 2s), "in cleanup");
}

LOOP_TEST("wait_for: with no time it never starts a coroutine") {
  bool ran = false;
  auto work = [&]() -> coil::Coro<int> {
    ran = true;
    co_return 5;
  };
  CHECK_AWAIT_THROWS(coil::wait_for(work(), 0s), coil::TimeoutError);
  CHECK_AWAIT_THROWS(coil::wait_for(work(), -5s), coil::TimeoutError);
  CHECK(!ran);
}

LOOP_TEST("wait_for: with no time it gives the result of a task or future that is done") {
  auto task = coil::create_task(value_after(0s, 5));
  co_await task;
  auto future = coil::get_running_loop().create_future<int>();
  future.set_result(6);
  const int of_task = co_await coil::wait_for(task, 0s);
  const int of_future = co_await coil::wait_for(future, -1s);
  CHECK(of_task == 5);
  CHECK(of_future == 6);
}

LOOP_TEST("wait_for: with no time it cancels a task that is pending and waits for it") {
  std::string log;
  auto task = coil::create_task(park_and_clean(log, "task", 1s));
  co_await coil::yield();
  CHECK_AWAIT_THROWS(coil::wait_for(task, 0s), coil::TimeoutError);
  CHECK(log == "task cancelled;task cleaned;");
  CHECK(task.cancelled());
}

LOOP_TEST("wait_for: a task that runs out of time is cancelled") {
  std::string log;
  auto task = coil::create_task(park(log, "task"));
  CHECK_AWAIT_THROWS(coil::wait_for(task, 2s), coil::TimeoutError);
  CHECK(task.cancelled());
  CHECK(log == "task cancelled;");
}

LOOP_TEST("wait_for: a future that runs out of time is cancelled") {
  auto future = coil::get_running_loop().create_future<int>();
  CHECK_AWAIT_THROWS(coil::wait_for(future, 2s), coil::TimeoutError);
  CHECK(future.cancelled());
}

LOOP_TEST("wait_for: cancelled from outside it cancels what it waits for and throws CancelledError, no TimeoutError") {
  std::string log;
  std::string message;
  auto work = [&]() -> coil::Coro<void> {
    try {
      co_await coil::wait_for(park_and_clean(log, "inner", 1s), 1min);
    } catch (const coil::CancelledError& error) {
      message = error.message();
      throw;
    }
  };
  auto task = coil::create_task(work());
  co_await coil::sleep(1s);
  task.cancel("from outside");
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "inner cancelled;inner cleaned;");
  CHECK(message == "from outside");
  CHECK(elapsed() == 2s);
}

LOOP_TEST("wait_for: what it waits for is cancelled by somebody else: CancelledError, no TimeoutError") {
  auto task = coil::create_task(value_after(1h, 0));
  coil::get_running_loop().call_later(1s, [&] { task.cancel(); });
  CHECK_AWAIT_THROWS(coil::wait_for(task, 1min), coil::CancelledError);
  CHECK(coil::current_task().cancelling() == 0);
}

LOOP_TEST("wait_for: a result that came in the same turn before the time was over wins") {
  auto& loop = coil::get_running_loop();
  auto future = loop.create_future<int>();
  loop.call_later(2s, [&] { future.set_result(5); });
  const int value = co_await coil::wait_for(future, 2s);
  CHECK(value == 5);
}

LOOP_TEST("wait_for: result and cancellation from outside in one turn: CancelledError, and the task keeps its result") {
  auto inner = coil::create_task(value_after(1s, 5));
  coil::Task<int> outer;
  inner.add_done_callback([&] { outer.cancel(); });
  auto wait = [&]() -> coil::Coro<int> {
    const int value = co_await coil::wait_for(inner, 1min);
    co_return value;
  };
  outer = coil::create_task(wait());
  CHECK_AWAIT_THROWS(outer, coil::CancelledError);
  CHECK(inner.result() == 5);
}

LOOP_TEST("wait_for: after a TimeoutError the task is as it was before") {
  CHECK_AWAIT_THROWS(coil::wait_for(coil::sleep(1h), 1s), coil::TimeoutError);
  CHECK(coil::current_task().cancelling() == 0);
  co_await coil::sleep(1s);
  CHECK(elapsed() == 2s);
  CHECK(coil::get_running_loop().metrics().timers == 0);
}

LOOP_TEST("wait_for: a huge time is no time limit, and does not overflow") {
  co_await coil::sleep(1s);
  const int a = co_await coil::wait_for(value_after(1h, 1), std::chrono::nanoseconds::max());
  const int b = co_await coil::wait_for(value_after(1h, 2), std::chrono::hours::max());
  const int c = co_await coil::wait_for(value_after(1h, 3), std::chrono::duration<double>(1e300));
  CHECK(a + b + c == 6);
  CHECK(elapsed() == 3h + 1s);
}

LOOP_TEST("wait_for: its clock starts at the co_await") {
  auto waiting = coil::wait_for(value_after(3s, 5), 5s);
  co_await coil::sleep(1min);
  const int value = co_await std::move(waiting);
  CHECK(value == 5);
}

LOOP_TEST("wait_for: takes any awaitable, and gives move-only results") {
  auto make = [&]() -> coil::Coro<std::unique_ptr<int>> {
    co_await coil::sleep(1s);
    co_return std::make_unique<int>(3);
  };
  auto made = co_await coil::wait_for(make(), 2s);
  CHECK(*made == 3);
  co_await coil::wait_for(coil::sleep(1s), 2s);
  auto [a, b] = co_await coil::wait_for(coil::gather(value_after(1s, 1), value_after(1s, 2)), 2s);
  CHECK(a + b == 3);
}

LOOP_TEST("wait_for: around gather cancels every child when the time is over") {
  std::string log;
  CHECK_AWAIT_THROWS(coil::wait_for(coil::gather(park(log, "a"), park(log, "b")), 1s), coil::TimeoutError);
  CHECK(log == "a cancelled;b cancelled;");
}

LOOP_TEST("wait_for: in a wait_for, the shorter time decides") {
  CHECK_AWAIT_THROWS(coil::wait_for(coil::wait_for(coil::sleep(1h), 5s), 1s), coil::TimeoutError);
  CHECK(elapsed() == 1s);
  CHECK_AWAIT_THROWS(coil::wait_for(coil::wait_for(coil::sleep(1h), 1s), 5s), coil::TimeoutError);
  CHECK(elapsed() == 2s);
}

LOOP_TEST("wait_for: of a task that was cancelled before is CancelledError, whatever the timeout") {
  auto task = coil::create_task(value_after(1h, 0));
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK_AWAIT_THROWS(coil::wait_for(task, 0s), coil::CancelledError);
  CHECK_AWAIT_THROWS(coil::wait_for(task, 1s), coil::CancelledError);
}

LOOP_TEST("wait_for: of an empty task or future is a logic_error that names it") {
  for (const auto delay : {0s, 1s}) {
    CHECK_AWAIT_FAILS_WITH(coil::wait_for(coil::Task<int>(), delay),
                           "coil: wait_for() of an empty Task or Future; make one with create_task() or "
                           "create_future()");
    CHECK_AWAIT_THROWS(coil::wait_for(coil::Future<void>(), delay), std::logic_error);
  }
  CHECK_AWAIT_THROWS(coil::wait_for(coil::Task<int>(), std::nullopt), std::logic_error);
}

LOOP_TEST("wait_for: cancelled from outside it cancels the task, with a limit and without one") {
  for (const bool limited : {false, true}) {
    CAPTURE(limited);
    auto inner = coil::create_task(value_after(1h, 5));
    auto outer = limited ? coil::create_task(coil::wait_for(inner, 1min))
                         : coil::create_task(coil::wait_for(inner, std::nullopt));
    co_await coil::yield();
    co_await coil::yield();
    outer.cancel();
    CHECK_AWAIT_THROWS(outer, coil::CancelledError);
    CHECK(inner.cancelled());
  }
}

LOOP_TEST("wait_for: cancelled in the turn in which the task ends, it throws, and goes no further (CPython GH-86296)") {
  auto inner = coil::create_task([]() -> coil::Coro<int> { co_return 5; });
  bool went_on = false;
  auto wait = [&]() -> coil::Coro<void> {
    co_await coil::wait_for(inner, 100s);
    co_await coil::sleep(1s);
    went_on = true;
  };
  auto outer = coil::create_task(wait());
  co_await coil::yield();
  outer.cancel();
  CHECK_AWAIT_THROWS(outer, coil::CancelledError);
  CHECK(inner.result() == 5);
  CHECK(!went_on);
}

LOOP_TEST("wait_for: an error of a task that comes while it is being cancelled is thrown, with no time as well") {
  for (const auto delay : {0s, 1s}) {
    auto fail_in_cleanup = []() -> coil::Coro<int> {
      co_await coil_test::return_when_cancelled(0);
      throw std::runtime_error("in cleanup");
    };
    auto task = coil::create_task(fail_in_cleanup);
    co_await coil::yield();
    CHECK_AWAIT_FAILS_WITH(coil::wait_for(task, delay), "in cleanup");
  }
}

LOOP_TEST("wait_for: with no time, a task that refuses to be cancelled has its value given") {
  auto task = coil::create_task(coil_test::return_when_cancelled(5));
  co_await coil::yield();
  const int value = co_await coil::wait_for(task, 0s);
  CHECK(value == 5);
}

LOOP_TEST("wait_for: with no time, cancelled from outside while the task cleans up: it leaves, the cleanup goes on") {
  std::string log;
  auto task = coil::create_task(park_and_clean(log, "task", 1min));
  co_await coil::yield();
  auto outer = coil::create_task(coil::wait_for(task, 0s));
  co_await coil::sleep(1s);
  CHECK(log == "task cancelled;");
  outer.cancel();
  CHECK_AWAIT_THROWS(outer, coil::CancelledError);
  CHECK(elapsed() == 1s);
  CHECK(task.cancelling() == 1);
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "task cancelled;task cleaned;");
  CHECK(elapsed() == 1min);
}
