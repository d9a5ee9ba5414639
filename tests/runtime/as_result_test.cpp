#include <coil/as_result.hpp>
#include <coil/scope.hpp>

#include "../support/loop_test.hpp"

#include <memory>
#include <string>
#include <tuple>

using namespace std::chrono_literals;
using coil_test::elapsed;
using coil_test::fail_after;
using coil_test::value_after;

LOOP_TEST("as_result: gives a value as an outcome") {
  auto outcome = co_await coil::as_result(value_after(1s, 5));
  CHECK(outcome.has_value());
  CHECK(outcome.value() == 5);
  CHECK(elapsed() == 1s);
}

LOOP_TEST("as_result: throws nothing when what it awaits fails") {
  auto outcome = co_await coil::as_result(fail_after(1s, "x"));
  CHECK(!outcome.has_value());
  CHECK(!outcome.cancelled());
  CHECK(coil_test::text_of(outcome.exception()) == "x");
}

LOOP_TEST("as_result: throws nothing when the task that it awaits was cancelled") {
  auto task = coil::create_task(value_after(1h, 5));
  coil::get_running_loop().call_later(1s, [&] { task.cancel(); });
  auto outcome = co_await coil::as_result(task);
  CHECK(outcome.cancelled());
  CHECK(coil::current_task().cancelling() == 0);
}

LOOP_TEST(
    "as_result: throws nothing when the awaiting task itself is cancelled there, so cleanup is straight-line code") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    auto outcome = co_await coil::as_result(coil::sleep(1h));
    log += outcome.cancelled() ? "cancelled;" : "?;";
    co_await coil::sleep(1s);
    log += "cleaned;";
    outcome.value();
  };
  auto task = coil::create_task(work());
  co_await coil::yield();
  task.cancel("stop");
  std::string message;
  try {
    co_await task;
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(log == "cancelled;cleaned;");
  CHECK(message == "stop");
  CHECK(task.cancelled());
  CHECK(elapsed() == 1s);
}

LOOP_TEST("as_result: cancels the coroutine that it awaits, whose cleanup runs first") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    auto outcome = co_await coil::as_result(coil_test::park_and_clean(log, "inner", 1s));
    log += outcome.cancelled() ? "outer" : "?";
  };
  auto task = coil::create_task(work());
  co_await coil::yield();
  task.cancel();
  co_await task;
  CHECK(log == "inner cancelled;inner cleaned;outer");
  CHECK(task.cancelling() == 1);
}

LOOP_TEST("as_result: of a task copies, so the task can be awaited again") {
  auto task = coil::create_task(value_after(1s, 5));
  auto first = co_await coil::as_result(task);
  auto second = co_await coil::as_result(task);
  const int third = co_await task;
  CHECK(first.value() + second.value() + third == 15);
}

LOOP_TEST("as_result: takes an exception of a task, so that it is not reported as never retrieved") {
  {
    auto outcome = co_await coil::as_result(coil::create_task(fail_after(1s, "x")));
    CHECK(!outcome.has_value());
  }
  co_await coil::sleep(1s);
  CHECK(reports.size() == 0);
}

LOOP_TEST("as_result: takes any awaitable") {
  auto future = coil::get_running_loop().create_future<int>();
  future.set_exception(std::runtime_error("no"));
  auto of_future = co_await coil::as_result(future);
  auto of_sleep = co_await coil::as_result(coil::sleep(1s));
  auto of_gather = co_await coil::as_result(coil::gather(value_after(1s, 1), value_after(1s, 2)));
  auto of_timeout = co_await coil::as_result(coil::wait_for(coil::sleep(1h), 1s));
  CHECK(coil_test::text_of(of_future.exception()) == "no");
  CHECK(of_sleep.has_value());
  CHECK(std::get<1>(of_gather.value()) == 2);
  CHECK_THROWS_AS(of_timeout.value(), coil::TimeoutError);
}

LOOP_TEST("as_result: a reference comes through as one, as through try_finally") {
  int target = 1;
  auto get = [&]() -> coil::Coro<int&> {
    co_await coil::yield();
    co_return target;
  };
  coil::Outcome<int&> outcome = co_await coil::as_result(get());
  CHECK(&outcome.value() == &target);
  auto nothing = []() -> coil::Coro<void> { co_return; };
  int& cleaned = co_await coil::try_finally(get, nothing);
  CHECK(&cleaned == &target);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wunused-result"
LOOP_TEST("as_result: its outcome may be left aside, to wait for an end only") {
  auto task = coil::create_task(value_after(1h, 1));
  task.cancel();
  co_await coil::as_result(task);
  CHECK(task.cancelled());
}
#pragma GCC diagnostic pop

LOOP_TEST("as_result: can itself be gathered and timed") {
  auto [good, bad] = co_await coil::gather(coil::as_result(value_after(2s, 1)), coil::as_result(fail_after(1s, "x")));
  CHECK(good.value() == 1);
  CHECK(coil_test::text_of(bad.exception()) == "x");
  CHECK(elapsed() == 2s);
  auto limited = co_await coil::wait_for(coil::as_result(coil::sleep(1h)), 1s);
  CHECK(limited.cancelled());
}

LOOP_TEST("as_result: a coroutine that is ready is taken without a trip through the loop") {
  coil_test::TurnCounter turns;
  auto ready = [&]() -> coil::Coro<int> { co_return 1; };
  co_await coil::yield();
  const int before = turns.count();
  auto outcome = co_await coil::as_result(ready());
  CHECK(outcome.value() == 1);
  CHECK(turns.count() == before);
}
