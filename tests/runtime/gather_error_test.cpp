// What gather does when a child fails or is cancelled, or the gather itself is.
#include <coil/gather.hpp>

#include "../support/loop_test.hpp"

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil_test::elapsed;
using coil_test::fail_after;
using coil_test::park;
using coil_test::park_and_clean;
using coil_test::value_after;

LOOP_TEST("gather: at the first exception its other coroutines are cancelled and waited for, then it is thrown") {
  std::string log;
  CHECK_AWAIT_FAILS_WITH(coil::gather(park_and_clean(log, "a", 1min), fail_after(1s, "x"), park(log, "c")), "x");
  CHECK(log == "a cancelled;c cancelled;a cleaned;");
  CHECK(elapsed() == 1min + 1s);
}

LOOP_TEST("gather: a range does the same: the other coroutines are cancelled and waited for") {
  std::string log;
  std::vector<coil::Coro<int>> all;
  all.push_back(park(log, "a"));
  all.push_back(fail_after(1s, "x"));
  all.push_back(park_and_clean(log, "c", 1s));
  CHECK_AWAIT_FAILS_WITH(coil::gather(std::move(all)), "x");
  CHECK(log == "a cancelled;c cancelled;c cleaned;");
  CHECK(elapsed() == 2s);
}

LOOP_TEST("gather: a task that was passed to it runs on when another fails, and the exception comes at once") {
  std::string log;
  auto mine = coil::create_task(value_after(1h, 5));
  auto failing = coil::create_task(fail_after(1s, "x"));
  CHECK_AWAIT_FAILS_WITH(coil::gather(mine, failing), "x");
  CHECK(elapsed() == 1s);
  CHECK(!mine.done());
  CHECK(mine.cancelling() == 0);
  const int value = co_await mine;
  CHECK(value == 5);
  CHECK(elapsed() == 1h);
}

LOOP_TEST("gather: a failing task lets tasks run on, and cancels the coroutines beside it") {
  std::string log;
  auto mine = coil::create_task(value_after(1h, 5));
  auto failing = coil::create_task(fail_after(1s, "x"));
  CHECK_AWAIT_FAILS_WITH(coil::gather(mine, failing, park_and_clean(log, "child", 1s)), "x");
  CHECK(log == "child cancelled;child cleaned;");
  CHECK(elapsed() == 2s);
  CHECK(!mine.done());
  co_await mine;
}

LOOP_TEST("gather: of two failures the first in time is thrown") {
  CHECK_AWAIT_FAILS_WITH(coil::gather(value_after(1h, 0), fail_after(1s, "first"), fail_after(500ms, "earlier")),
                         "earlier");
}

LOOP_TEST("gather: of two failures in the same turn the first is thrown") {
  auto fail = [&](std::string what) -> coil::Coro<void> {
    throw std::runtime_error(what);
    co_return;
  };
  CHECK_AWAIT_FAILS_WITH(coil::gather(fail("a"), fail("b"), fail("c")), "a");
}

LOOP_TEST("gather: a sibling that swallows the cancellation and returns changes nothing") {
  CHECK_AWAIT_FAILS_WITH(coil::gather(coil_test::return_when_cancelled(5), fail_after(1s, "x")), "x");
}

LOOP_TEST("gather: a coroutine that fails at its first step does not let its siblings go on") {
  std::string log;
  auto fail = [&]() -> coil::Coro<void> {
    throw std::runtime_error("x");
    co_return;
  };
  CHECK_AWAIT_FAILS_WITH(coil::gather(park(log, "early"), fail(), park(log, "late")), "x");
  CHECK(log.find("finished") == std::string::npos);
  CHECK(elapsed() == 0s);
}

LOOP_TEST("gather: a child that is cancelled is an ordinary failure: CancelledError, and the gather is not cancelled") {
  std::string log;
  auto child = coil::create_task(value_after(1h, 0));
  coil::get_running_loop().call_later(1s, [&] { child.cancel("just this one"); });
  std::string message;
  auto work = [&]() -> coil::Coro<void> {
    try {
      co_await coil::gather(child, park(log, "sibling"));
    } catch (const coil::CancelledError& error) {
      message = error.message();
    }
    CHECK(coil::current_task().cancelling() == 0);
    co_await coil::sleep(1s);
  };
  auto task = coil::create_task(work());
  co_await task;
  CHECK(message == "just this one");
  CHECK(log == "sibling cancelled;");
  CHECK(elapsed() == 2s);
}

LOOP_TEST("gather: when a task passed to it is cancelled, the other tasks live on") {
  auto cancelled = coil::create_task(value_after(1h, 0));
  auto other = coil::create_task(value_after(2h, 7));
  coil::get_running_loop().call_later(1s, [&] { cancelled.cancel(); });
  CHECK_AWAIT_THROWS(coil::gather(cancelled, other), coil::CancelledError);
  CHECK(elapsed() == 1s);
  const int value = co_await other;
  CHECK(value == 7);
}

LOOP_TEST("gather: cancelled, it cancels all its children, tasks too, with the message, and waits for them") {
  std::string log;
  std::string message;
  auto note_message = [&]() -> coil::Coro<void> {
    try {
      co_await coil::sleep(1h);
    } catch (const coil::CancelledError& error) {
      message = error.message();
      throw;
    }
  };
  auto mine = coil::create_task(park_and_clean(log, "task", 1s));
  auto all = [&]() -> coil::Coro<void> {
    co_await coil::gather(mine, park_and_clean(log, "child", 3s), note_message());
  };
  auto task = coil::create_task(all());
  co_await coil::sleep(1s);
  task.cancel("stop all");
  std::string outer_message;
  try {
    co_await task;
  } catch (const coil::CancelledError& error) {
    outer_message = error.message();
  }
  CHECK(log == "task cancelled;child cancelled;task cleaned;child cleaned;");
  CHECK(message == "stop all");
  CHECK(outer_message == "stop all");
  CHECK(mine.cancelled());
  CHECK(elapsed() == 4s);
}

LOOP_TEST("gather: cancelled, it throws CancelledError even with return_exceptions") {
  std::string log;
  auto all = [&]() -> coil::Coro<void> {
    co_await coil::gather(coil::return_exceptions, park(log, "a"), park_and_clean(log, "b", 1s));
    log += "never;";
  };
  auto task = coil::create_task(all());
  co_await coil::sleep(1s);
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "a cancelled;b cancelled;b cleaned;");
  CHECK(elapsed() == 2s);
}

LOOP_TEST("gather: cancelled, children that had ended are left alone") {
  auto done = coil::create_task(value_after(1s, 4));
  auto all = [&]() -> coil::Coro<void> { co_await coil::gather(done, value_after(1h, 0)); };
  auto task = coil::create_task(all());
  co_await coil::sleep(2s);
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(!done.cancelled());
  CHECK(done.result() == 4);
}

LOOP_TEST("gather: cancelled before its first step it runs none of its children") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    log += "ran";
    co_return;
  };
  auto task = coil::create_task(coil::gather(work(), work()));
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "");
}

LOOP_TEST("gather: cancelled while it waits for siblings of a failure, it still waits for them") {
  std::string log;
  auto all = [&]() -> coil::Coro<void> {
    co_await coil::gather(park_and_clean(log, "slow", 1min), fail_after(1s, "x"));
  };
  auto task = coil::create_task(all());
  co_await coil::sleep(2s);
  CHECK(log == "slow cancelled;");
  task.cancel();
  auto outcome = co_await coil::as_result(task);
  CHECK(!outcome.has_value());
  CHECK(coil::all_tasks().size() == 1);  // nobody is left behind
}

LOOP_TEST("gather: frames of a failed one are gone when the exception is thrown") {
  const auto frames = coil::detail::live_frames();
  std::string log;
  CHECK_AWAIT_FAILS_WITH(coil::gather(park(log, "a"), park(log, "b"), fail_after(1s, "x")), "x");
  co_await coil::yield();
  CHECK(coil::detail::live_frames() == frames);
  CHECK(coil::get_running_loop().metrics().timers == 0);
}

LOOP_TEST("gather: an inner one that fails makes the outer one cancel the rest") {
  std::string log;
  CHECK_AWAIT_FAILS_WITH(coil::gather(park(log, "outer"), coil::gather(park(log, "inner"), fail_after(1s, "x"))), "x");
  CHECK(log == "inner cancelled;outer cancelled;");
}

LOOP_TEST("gather: a child that throws no std::exception is a failure like any other") {
  auto fail = [&]() -> coil::Coro<void> {
    co_await coil::yield();
    throw 42;
  };
  bool caught = false;
  try {
    co_await coil::gather(fail(), value_after(1h, 0));
  } catch (int number) {
    caught = number == 42;
  }
  CHECK(caught);
}

LOOP_TEST("gather: a failure that it did not throw because another came first is not reported as never retrieved") {
  auto failing = coil::create_task(fail_after(2s, "second"));
  CHECK_AWAIT_FAILS_WITH(coil::gather(fail_after(1s, "first"), failing), "first");
  co_await coil::sleep(5s);
  CHECK(failing.exception() != nullptr);
  CHECK(reports.size() == 0);
}

LOOP_TEST("gather: cancelled when it has just failed, it leaves the caller's tasks alone and throws CancelledError") {
  auto bystander = coil::create_task(value_after(1h, 0));
  auto failing = coil::create_task(fail_after(1s, "broken"));
  auto body = [&]() -> coil::Coro<void> { co_await coil::gather(bystander, failing); };
  auto gathering = coil::create_task(body);
  failing.add_done_callback([&] { gathering.cancel(); });
  co_await coil::sleep(2s);
  CHECK(bystander.cancelling() == 0);
  CHECK_AWAIT_THROWS(gathering, coil::CancelledError);
  bystander.cancel();
}

LOOP_TEST("gather: of the task that gathers is a logic_error, before anything starts") {
  coil::Task<void> task;
  bool started = false;
  auto work = [&]() -> coil::Coro<void> {
    started = true;
    co_return;
  };
  auto gather_itself = [&]() -> coil::Coro<void> { co_await coil::gather(work(), task); };
  task = coil::create_task(gather_itself());
  CHECK_AWAIT_THROWS(task, std::logic_error);
  CHECK(!started);
}

LOOP_TEST("gather: never cancels a coroutine inside the call that fails a future") {
  auto& loop = coil::get_running_loop();
  auto a = loop.create_future<int>();
  auto b = loop.create_future<int>();
  auto wait = [&]() -> coil::Coro<int> {
    const int value = co_await b;
    co_return value;
  };
  loop.call_later(1s, [=] {
    a.set_exception(std::runtime_error("x"));
    CHECK(!b.done());
  });
  CHECK_AWAIT_FAILS_WITH(coil::gather(a, wait()), "x");
  CHECK(b.cancelled());
}
