#include <coil/task.hpp>

#include "../support/loop_test.hpp"

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil_test::fail_after;
using coil_test::park;
using coil_test::value_after;

LOOP_TEST("cancel: is a request: CancelledError is thrown at the task's await in a later turn, never inside cancel()") {
  std::string log;
  auto task = coil::create_task(park(log, "a"));
  co_await coil::yield();
  CHECK(task.cancel());
  CHECK(log == "");
  CHECK(!task.done());
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "a cancelled;");
  CHECK(task.cancelled());
}

LOOP_TEST("cancel: takes no time") {
  auto task = coil::create_task(value_after(1h, 0));
  co_await coil::sleep(1s);
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(coil_test::elapsed() == 1s);
}

LOOP_TEST("cancel: of a task that is done is false and changes nothing") {
  auto good = coil::create_task(value_after(1s, 5));
  auto bad = coil::create_task(fail_after(1s, "x"));
  co_await coil::sleep(2s);
  CHECK(!good.cancel());
  CHECK(!bad.cancel());
  CHECK(!good.cancelled());
  CHECK(good.result() == 5);
  CHECK(good.cancelling() == 0);
  CHECK(coil_test::text_of(bad.exception()) == "x");
}

LOOP_TEST("cancel: before the first step the body never runs") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    log += "ran";
    co_await coil::yield();
  };
  auto task = coil::create_task(work());
  CHECK(task.cancel("too late"));
  std::string message;
  try {
    co_await task;
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(log == "");
  CHECK(message == "too late");
  CHECK(task.cancelled());
}

LOOP_TEST("cancel: before the first step destroys what the task was given") {
  auto shared = std::make_shared<int>(1);
  auto work = [](std::shared_ptr<int> kept) -> coil::Coro<int> {
    co_await coil::yield();
    co_return *kept;
  };
  auto task = coil::create_task(work, shared);
  CHECK(shared.use_count() == 2);
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  co_await coil::yield();
  CHECK(shared.use_count() == 1);
}

LOOP_TEST("cancel: is thrown at the innermost await and walks out through every coroutine") {
  std::string log;
  auto middle = [&]() -> coil::Coro<void> {
    try {
      co_await park(log, "inner");
    } catch (const coil::CancelledError&) {
      log += "middle;";
      throw;
    }
  };
  auto outer = [&]() -> coil::Coro<void> {
    try {
      co_await middle();
    } catch (const coil::CancelledError&) {
      log += "outer;";
      throw;
    }
  };
  auto task = coil::create_task(outer());
  co_await coil::yield();
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "inner cancelled;middle;outer;");
}

LOOP_TEST("cancel: reaches the innermost awaited task") {
  std::string log;
  auto inner = coil::create_task(park(log, "inner"));
  auto await_inner = [&]() -> coil::Coro<int> {
    const int value = co_await inner;
    co_return value;
  };
  auto outer = coil::create_task(await_inner());
  co_await coil::yield();
  outer.cancel("for both");
  CHECK_AWAIT_THROWS(outer, coil::CancelledError);
  CHECK(log == "inner cancelled;");
  CHECK(inner.cancelled());
  CHECK(outer.cancelled());
}

LOOP_TEST("cancel: of a task that awaits a task reaches the other awaiters of that task as well") {
  std::string log;
  auto inner = coil::create_task(park(log, "inner"));
  auto await_inner = [&](std::string name) -> coil::Coro<void> {
    try {
      co_await inner;
    } catch (const coil::CancelledError& error) {
      log += name + " " + error.message() + ";";
      throw;
    }
  };
  auto a = coil::create_task(await_inner("a"));
  auto b = coil::create_task(await_inner("b"));
  co_await coil::yield();
  a.cancel("stop");
  CHECK_AWAIT_THROWS(b, coil::CancelledError);
  CHECK(log == "inner cancelled;a stop;b stop;");
  CHECK(b.cancelling() == 0);
}

LOOP_TEST("cancel: when the awaited task swallows it the awaiting one gets the value and goes on") {
  auto inner = coil::create_task(coil_test::return_when_cancelled(7));
  int cancelling = -1;
  auto await_inner = [&]() -> coil::Coro<int> {
    const int value = co_await inner;
    cancelling = coil::current_task().cancelling();
    co_await coil::yield();  // no second delivery
    co_return value;
  };
  auto outer = coil::create_task(await_inner());
  co_await coil::yield();
  CHECK(outer.cancel());
  const int value = co_await outer;
  CHECK(value == 7);
  CHECK(cancelling == 1);
  CHECK(!outer.cancelled());
}

LOOP_TEST("cancel: two before delivery are one delivery, a count of two, the first message") {
  int deliveries = 0;
  std::string message;
  auto work = [&]() -> coil::Coro<void> {
    for (int round = 0; round < 3; ++round) {
      try {
        co_await coil::sleep(1h);
      } catch (const coil::CancelledError& error) {
        ++deliveries;
        message += error.message();
      }
    }
  };
  auto task = coil::create_task(work());
  co_await coil::yield();
  task.cancel("first");
  task.cancel("second");
  CHECK(task.cancelling() == 2);
  co_await task;
  CHECK(deliveries == 1);
  CHECK(message == "first");
  CHECK(task.cancelling() == 2);
}

LOOP_TEST("cancel: two before the first step keep the first message") {
  auto task = coil::create_task(value_after(1h, 0));
  task.cancel("first");
  task.cancel("second");
  CHECK(task.cancelling() == 2);
  std::string message;
  try {
    co_await task;
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(message == "first");
}

LOOP_TEST("cancel: swallowed, the task finishes normally, and the count stays") {
  auto task = coil::create_task(coil_test::return_when_cancelled(4));
  co_await coil::yield();
  CHECK(task.cancel());
  const int value = co_await task;
  CHECK(value == 4);
  CHECK(!task.cancelled());
  CHECK(task.cancelling() == 1);
}

LOOP_TEST("cancel: swallowed, the next await is an ordinary one") {
  auto work = [&]() -> coil::Coro<int> {
    const int value = co_await coil_test::return_when_cancelled(4);
    co_await coil::sleep(1min);
    co_return value;
  };
  auto task = coil::create_task(work());
  co_await coil::yield();
  task.cancel();
  const int value = co_await task;
  CHECK(value == 4);
  CHECK(coil_test::elapsed() == 1min);
}

LOOP_TEST("cancel: a task that swallowed one can be cancelled again") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(4);
    log += "once;";
    co_await coil::sleep(1h);
  };
  auto task = coil::create_task(work());
  co_await coil::yield();
  task.cancel();
  co_await coil::sleep(1s);
  CHECK(log == "once;");
  CHECK(task.cancel());
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(task.cancelling() == 2);
}

LOOP_TEST("cancel: its message is seen inside the task and by those who await it") {
  std::string inside;
  auto work = [&]() -> coil::Coro<void> {
    try {
      co_await coil::sleep(1h);
    } catch (const coil::CancelledError& error) {
      inside = error.message();
      throw;
    }
  };
  auto task = coil::create_task(work());
  co_await coil::yield();
  task.cancel("out of time");
  std::string outside;
  try {
    co_await task;
  } catch (const coil::CancelledError& error) {
    outside = error.message();
  }
  CHECK(inside == "out of time");
  CHECK(outside == "out of time");
}

LOOP_TEST("cancel: awaiting a cancelled task throws, but does not cancel the one that awaits") {
  auto task = coil::create_task(value_after(1h, 0));
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(coil::current_task().cancelling() == 0);
  co_await coil::sleep(1s);
  CHECK(coil_test::elapsed() == 1s);
}

LOOP_TEST("cancel: an exception thrown while cleaning up is the task's, not the cancellation") {
  auto work = [&]() -> coil::Coro<void> {
    try {
      co_await coil::sleep(1h);
    } catch (const coil::CancelledError&) {
      throw std::runtime_error("while cleaning up");
    }
  };
  auto task = coil::create_task(work());
  co_await coil::yield();
  task.cancel();
  CHECK_AWAIT_FAILS_WITH(task, "while cleaning up");
  CHECK(!task.cancelled());
}

LOOP_TEST("cancel: a task that throws CancelledError of its own is cancelled") {
  auto work = [&]() -> coil::Coro<void> {
    co_await coil::yield();
    throw coil::CancelledError("on my own");
  };
  auto task = coil::create_task(work());
  std::string message;
  try {
    co_await task;
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(task.cancelled());
  CHECK(message == "on my own");
  CHECK(task.cancelling() == 0);
}

LOOP_TEST("cancel: leaves no timer of the cancelled sleep behind") {
  auto task = coil::create_task(value_after(1h, 0));
  co_await coil::yield();
  CHECK(coil::get_running_loop().metrics().timers == 1);
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(coil::get_running_loop().metrics().timers == 0);
}

LOOP_TEST("cancel: works from a callback of the loop") {
  auto task = coil::create_task(value_after(1h, 0));
  coil::get_running_loop().call_later(1s, [&] { task.cancel("by a timer"); });
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(coil_test::elapsed() == 1s);
}

LOOP_TEST("cancel: several tasks are cancelled in the order of their cancel() calls") {
  std::string log;
  auto a = coil::create_task(park(log, "a"));
  auto b = coil::create_task(park(log, "b"));
  auto c = coil::create_task(park(log, "c"));
  co_await coil::yield();
  c.cancel();
  a.cancel();
  b.cancel();
  co_await coil::sleep(1s);
  CHECK(log == "c cancelled;a cancelled;b cancelled;");
}

LOOP_TEST("cancel: cleanup that waits for an awaited task cancels it and waits for its cleanup") {
  std::string log;
  auto inner = coil::create_task(coil_test::park_and_clean(log, "inner", 1min));
  auto await_inner = [&]() -> coil::Coro<void> {
    try {
      co_await inner;
    } catch (const coil::CancelledError&) {
      log += "outer;";
      throw;
    }
  };
  auto outer = coil::create_task(await_inner());
  co_await coil::yield();
  outer.cancel();
  CHECK_AWAIT_THROWS(outer, coil::CancelledError);
  CHECK(log == "inner cancelled;inner cleaned;outer;");
  CHECK(coil_test::elapsed() == 1min);
}
