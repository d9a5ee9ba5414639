// What a race does when its winner fails, when its losers do not end as they are told, and when it is cancelled itself.
#include <coil/race.hpp>

#include "../support/loop_test.hpp"

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil_test::elapsed;
using coil_test::fail_after;
using coil_test::park;
using coil_test::park_and_clean;
using coil_test::return_when_cancelled;
using coil_test::value_after;

namespace {

coil::Coro<int> fail_when_cancelled(std::string what) {
  co_await return_when_cancelled(0);
  throw std::runtime_error(what);
}

// Awaits `race` as a task, cancels that after `steps` further turns, and notes the wait after it.
template <class R>
coil::Coro<std::string> cancelled_after(int steps, R race) {
  std::string log;
  auto body = [&]() -> coil::Coro<void> {
    auto outcome = co_await coil::as_result(std::move(race));
    log += outcome.has_value()   ? "value;"
           : outcome.cancelled() ? "cancelled;"
                                 : coil_test::text_of(outcome.exception()) + ";";
    const auto next = co_await coil::as_result(coil::sleep(1s));
    log += next.cancelled() ? "then cancelled" : "then slept";
  };
  auto task = coil::create_task(body());
  for (int i = 0; i < steps; ++i) co_await coil::yield();
  CHECK(task.cancel("from outside"));
  co_await task;
  CHECK(task.cancelling() == 1);
  co_return log;
}

}  // namespace

LOOP_TEST("race: an exception of the winner is thrown after the losers have ended") {
  std::string log;
  CHECK_AWAIT_FAILS_WITH(coil::race(park_and_clean(log, "a", 1min), fail_after(1s, "x"), park(log, "c")), "x");
  CHECK(log == "a cancelled;c cancelled;a cleaned;");
  CHECK(elapsed() == 1min + 1s);
}

LOOP_TEST("race: a range does the same") {
  std::string log;
  std::vector<coil::Coro<int>> all;
  all.push_back(park(log, "a"));
  all.push_back(fail_after(1s, "x"));
  CHECK_AWAIT_FAILS_WITH(coil::race(std::move(all)), "x");
  CHECK(log == "a cancelled;");
}

LOOP_TEST(
    "race: a participant that ends cancelled has finished: CancelledError, and the racing task is not cancelled") {
  std::string log;
  auto task = coil::create_task(value_after(1h, 0));
  coil::get_running_loop().call_later(1s, [&] { task.cancel("just this one"); });
  std::string message;
  try {
    co_await coil::race(park(log, "other"), task);
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(message == "just this one");
  CHECK(log == "other cancelled;");
  CHECK(coil::current_task().cancelling() == 0);
  co_await coil::sleep(1s);
  CHECK(elapsed() == 2s);
}

LOOP_TEST("race: with a task that had failed before, that is thrown and nothing else begins") {
  auto failed = coil::create_task(fail_after(0s, "x"));
  co_await coil::sleep(1s);
  std::string log;
  CHECK_AWAIT_FAILS_WITH(coil::race(park(log, "a"), failed), "x");
  CHECK(log == "");
}

LOOP_TEST("race: what a coroutine throws in its cleanup after it lost goes to the exception handler") {
  const auto result = co_await coil::race(fail_when_cancelled("in cleanup"), value_after(1s, 5));
  CHECK(result.value() == 5);
  CHECK(reports.take().error == "in cleanup");
}

LOOP_TEST("race: the winner's exception is thrown also when the losers fail in their cleanup") {
  CHECK_AWAIT_FAILS_WITH(coil::race(fail_when_cancelled("in cleanup"), fail_after(1s, "x")), "x");
  CHECK(reports.take().error == "in cleanup");
}

LOOP_TEST("race: what a task throws after it lost is for who holds it, and else reported") {
  for (const bool held : {true, false}) {
    CAPTURE(held);
    auto task = coil::create_task(fail_when_cancelled("in cleanup"));
    co_await coil::race(task, value_after(1s, 5));
    CHECK(reports.size() == 0);
    if (held) CHECK(coil_test::text_of(task.exception()) == "in cleanup");
    task = {};
    if (!held) CHECK(reports.take().error == "in cleanup");
  }
}

LOOP_TEST("race: a coroutine that completes although it lost has its result in the RaceResult") {
  const auto result = co_await coil::race(return_when_cancelled(7), value_after(1s, 5));
  CHECK(result.index() == 1);
  CHECK(result.value() == 5);
  CHECK(result.has<0>());
  CHECK(result.get<0>() == 7);
}

LOOP_TEST("race: the same in a range") {
  std::vector<coil::Coro<int>> all;
  all.push_back(value_after(1h, 0));
  all.push_back(value_after(1s, 5));
  all.push_back(return_when_cancelled(7));
  const auto result = co_await coil::race(std::move(all));
  CHECK(result.index() == 1);
  CHECK(!result.has(0));
  CHECK(result.get(2) == 7);
}

LOOP_TEST("race: a task that completes although it lost keeps its result") {
  auto make = [&]() -> coil::Coro<std::unique_ptr<int>> {
    const int value = co_await return_when_cancelled(7);
    co_return std::make_unique<int>(value);
  };
  auto task = coil::create_task(make());
  const auto result = co_await coil::race(task, value_after(1s, 5));
  CHECK(!result.has<0>());
  auto kept = co_await task;
  CHECK(*kept == 7);
}

LOOP_TEST("race: a loser that refuses to be cancelled is waited for") {
  std::string log;
  auto refuse = [&]() -> coil::Coro<int> {
    co_await return_when_cancelled(0);
    co_await coil::sleep(1min);
    log += "refused;";
    co_return 1;
  };
  co_await coil::race(refuse(), value_after(1s, 5));
  CHECK(log == "refused;");
  CHECK(elapsed() == 1min + 1s);
}

LOOP_TEST("race: cancelled from outside it cancels all, tasks too, with the message, waits for them and throws") {
  std::string log;
  std::string message;
  auto task = coil::create_task(park_and_clean(log, "task", 1s));
  auto race = [&]() -> coil::Coro<void> {
    try {
      co_await coil::race(task, park_and_clean(log, "child", 3s), coil::sleep(1h));
    } catch (const coil::CancelledError& error) {
      message = error.message();
      throw;
    }
  };
  auto racing = coil::create_task(race());
  co_await coil::sleep(1s);
  racing.cancel("from outside");
  CHECK_AWAIT_THROWS(racing, coil::CancelledError);
  CHECK(log == "task cancelled;child cancelled;task cleaned;child cleaned;");
  CHECK(message == "from outside");
  CHECK(elapsed() == 4s);
}

LOOP_TEST("race: cancelled before it began its coroutines never run, and it throws even if a task is done") {
  bool ran = false;
  auto work = [&]() -> coil::Coro<int> {
    ran = true;
    co_return 1;
  };
  auto done = coil::create_task(value_after(0s, 1));
  co_await done;
  auto race = [&]() -> coil::Coro<void> {
    coil::current_task().cancel("before");
    co_await coil::race(work(), done, work());
  };
  auto racing = coil::create_task(race());
  CHECK_AWAIT_THROWS(racing, coil::CancelledError);
  CHECK(!ran);
  CHECK(done.result() == 1);
}

LOOP_TEST(
    "race: cancelled from outside while the losers clean up, they are cancelled again; the winner's result stays") {
  std::string log;
  auto race = [&]() -> coil::Coro<void> {
    const auto result = co_await coil::race(park_and_clean(log, "loser", 1h), value_after(1s, 5));
    CHECK(result.value() == 5);
    log += "value;";
    co_await coil::sleep(1h);
  };
  auto racing = coil::create_task(race());
  co_await coil::sleep(2s);
  CHECK(log == "loser cancelled;");
  racing.cancel();
  CHECK_AWAIT_THROWS(racing, coil::CancelledError);
  CHECK(log == "loser cancelled;value;");
  CHECK(elapsed() == 2s);
}

LOOP_TEST("race: cancelled from outside, one that completes all the same gives the result, the next wait throws") {
  const std::string log = co_await cancelled_after(3, coil::race(return_when_cancelled(7), coil::sleep(1h)));
  CHECK(log == "value;then cancelled");
}

LOOP_TEST("race: cancelled from outside, one that fails in its cleanup is thrown, the next wait throws") {
  const std::string log = co_await cancelled_after(3, coil::race(fail_when_cancelled("in cleanup"), coil::sleep(1h)));
  CHECK(log == "in cleanup;then cancelled");
}

LOOP_TEST(
    "race: cancelled from outside at any of its turns, a result that is there is given, and the wait after it throws") {
  for (int steps = 1; steps <= 6; ++steps) {
    CAPTURE(steps);
    auto work = [](int turns) -> coil::Coro<int> {
      for (int i = 0; i < turns; ++i) co_await coil::yield();
      co_return turns;
    };
    const std::string log = co_await cancelled_after(steps, coil::race(work(2), work(9)));
    CAPTURE(log);
    CHECK((log == "cancelled;then slept" || log == "value;then cancelled"));
    CHECK((steps < 4) == (log == "cancelled;then slept"));
  }
}

LOOP_TEST("race: in a timeout, a result that came in the turn of the deadline is the body's") {
  const auto body = []() -> coil::Coro<int> {
    auto result = co_await coil::race(return_when_cancelled(7), coil::sleep(1h));
    co_return std::move(result).get<0>();
  };
  const int value = co_await coil::timeout(1s, body);
  CHECK(value == 7);
  CHECK(coil::current_task().cancelling() == 0);
  co_await coil::sleep(1s);
}

LOOP_TEST("race: in a timeout that expires it is cancelled, and TimeoutError comes when all have ended") {
  std::string log;
  CHECK_AWAIT_THROWS(coil::wait_for(coil::race(park_and_clean(log, "a", 1s), park(log, "b")), 1s), coil::TimeoutError);
  CHECK(log == "a cancelled;b cancelled;a cleaned;");
  CHECK(elapsed() == 2s);
}

LOOP_TEST("race: cancelled twice is one delivery and a count of two") {
  std::string log;
  auto race = [&]() -> coil::Coro<int> {
    const auto outcome = co_await coil::as_result(coil::race(park(log, "a"), park(log, "b")));
    CHECK(outcome.cancelled());
    co_await coil::sleep(1s);
    co_return coil::current_task().cancelling();
  };
  auto racing = coil::create_task(race());
  co_await coil::yield();
  co_await coil::yield();
  racing.cancel("first");
  racing.cancel("second");
  const int count = co_await racing;
  CHECK(count == 2);
  CHECK(log == "a cancelled;b cancelled;");
}

LOOP_TEST("race: uncancel() while the losers clean up withdraws the request") {
  std::string log;
  auto race = [&]() -> coil::Coro<void> {
    const auto result = co_await coil::race(park_and_clean(log, "loser", 5s), value_after(1s, 5));
    CHECK(result.value() == 5);
    co_await coil::sleep(1s);
  };
  auto racing = coil::create_task(race());
  co_await coil::sleep(2s);
  racing.cancel();
  CHECK(racing.uncancel() == 0);
  co_await racing;
}

LOOP_TEST("race: ends a ring of tasks that race each other when it is cancelled") {
  std::vector<coil::Task<void>> ring(3);
  auto race_next = [&](std::size_t index) -> coil::Coro<void> {
    co_await coil::race(ring[(index + 1) % ring.size()], coil::sleep(1h));
  };
  for (std::size_t i = 0; i < ring.size(); ++i) ring[i] = coil::create_task(race_next(i));
  co_await coil::yield();
  co_await coil::yield();
  ring[1].cancel();
  for (const auto& task : ring) CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(elapsed() == 0s);
}

LOOP_TEST("race: a coroutine that cannot be started leaves nothing behind") {
  const auto frames = coil::detail::live_frames();
  auto moved_from = value_after(1s, 1);
  auto owner = std::move(moved_from);
  CHECK_THROWS_AS(static_cast<void>(coil::race(value_after(1s, 2), std::move(moved_from))), std::logic_error);
  co_await std::move(owner);
  CHECK(coil::detail::live_frames() == frames);
}
