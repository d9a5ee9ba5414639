// Cancellation that meets the task itself, its completion, or its withdrawal.
#include <coil/task.hpp>

#include "../support/loop_test.hpp"

#include <string>

using namespace std::chrono_literals;
using coil_test::value_after;

LOOP_TEST("cancel: of oneself is delivered at the next await that suspends") {
  std::string log;
  auto child = [&]() -> coil::Coro<void> { co_return; };
  auto work = [&]() -> coil::Coro<void> {
    coil::current_task().cancel("by myself");
    log += "runs on;";
    co_await child();
    log += "still;";
    try {
      co_await coil::sleep(1h);
    } catch (const coil::CancelledError& error) {
      log += error.message();
      throw;
    }
  };
  auto task = coil::create_task(work());
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "runs on;still;by myself");
  CHECK(coil_test::elapsed() == 0s);
}

LOOP_TEST("cancel: of oneself is delivered at a sleep of zero, too") {
  bool delivered = false;
  auto work = [&]() -> coil::Coro<void> {
    coil::current_task().cancel();
    try {
      co_await coil::sleep(0s);
    } catch (const coil::CancelledError&) {
      delivered = true;
    }
  };
  co_await coil::create_task(work());
  CHECK(delivered);
}

LOOP_TEST("cancel: of oneself is delivered at an await of a pending future, and cancels it") {
  auto future = coil::get_running_loop().create_future<int>();
  auto work = [&]() -> coil::Coro<int> {
    coil::current_task().cancel();
    const int value = co_await future;
    co_return value;
  };
  auto task = coil::create_task(work());
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(future.cancelled());
}

LOOP_TEST("cancel: of oneself and then a return ends cancelled") {
  auto work = [&]() -> coil::Coro<int> {
    coil::current_task().cancel("last words");
    co_return 5;
  };
  auto task = coil::create_task(work());
  std::string message;
  try {
    co_await task;
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(task.cancelled());
  CHECK(message == "last words");
}

LOOP_TEST("cancel: of oneself and then an exception ends with the exception") {
  auto work = [&]() -> coil::Coro<int> {
    coil::current_task().cancel();
    throw std::runtime_error("stronger");
    co_return 5;
  };
  auto task = coil::create_task(work());
  CHECK_AWAIT_FAILS_WITH(task, "stronger");
  CHECK(!task.cancelled());
}

LOOP_TEST("cancel: of the task that is being woken from a sleep throws at that sleep") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    try {
      co_await coil::sleep(1s);
      log += "slept";
    } catch (const coil::CancelledError&) {
      log += "cancelled";
      throw;
    }
  };
  coil::Task<void> task;
  coil::get_running_loop().call_later(1s, [&] { task.cancel(); });  // due before the sleep, in the same turn
  task = coil::create_task(work());
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "cancelled");
}

LOOP_TEST("cancel: between the end of an awaited task and the wake-up throws at that await") {
  auto inner = coil::create_task(value_after(1s, 3));
  coil::Task<int> outer;
  inner.add_done_callback([&] { outer.cancel(); });  // queued before outer's wake-up
  auto await_inner = [&]() -> coil::Coro<int> {
    const int value = co_await inner;
    co_return value;
  };
  outer = coil::create_task(await_inner());
  CHECK_AWAIT_THROWS(outer, coil::CancelledError);
  CHECK(inner.result() == 3);
  CHECK(!inner.cancelled());
}

LOOP_TEST("cancel: of a task whose next step is already queued throws at the await that it stands at") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    try {
      co_await coil::yield();
      log += "yielded";
    } catch (const coil::CancelledError&) {
      log += "cancelled";
      throw;
    }
  };
  auto task = coil::create_task(work());
  co_await coil::yield();
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "cancelled");
}

LOOP_TEST("cancelling: counts the requests, uncancel() takes one back and never goes below zero") {
  auto task = coil::create_task(coil_test::return_when_cancelled(1));
  co_await coil::yield();
  CHECK(task.cancelling() == 0);
  CHECK(task.uncancel() == 0);
  task.cancel();
  task.cancel();
  task.cancel();
  CHECK(task.cancelling() == 3);
  CHECK(task.uncancel() == 2);
  CHECK(task.cancelling() == 2);
  co_await task;
  CHECK(task.cancelling() == 2);
}

LOOP_TEST("uncancel: down to zero withdraws a request not yet delivered") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    coil::current_task().cancel();
    CHECK(coil::current_task().uncancel() == 0);
    co_await coil::sleep(1s);
    log += "not cancelled";
  };
  co_await coil::create_task(work());
  CHECK(log == "not cancelled");
}

LOOP_TEST("uncancel: down to zero before the first step lets the task run") {
  auto task = coil::create_task(value_after(1s, 6));
  task.cancel();
  CHECK(task.uncancel() == 0);
  const int value = co_await task;
  CHECK(value == 6);
}

LOOP_TEST("uncancel: not down to zero withdraws nothing") {
  bool delivered = false;
  auto work = [&]() -> coil::Coro<void> {
    coil::current_task().cancel();
    coil::current_task().cancel();
    CHECK(coil::current_task().uncancel() == 1);
    try {
      co_await coil::sleep(1s);
    } catch (const coil::CancelledError&) {
      delivered = true;
    }
    CHECK(coil::current_task().uncancel() == 0);
    co_await coil::sleep(1s);
  };
  co_await coil::create_task(work());
  CHECK(delivered);
}

LOOP_TEST("uncancel: after the delivery the task has handled its cancellation and is as before") {
  auto work = [&]() -> coil::Coro<int> {
    try {
      co_await coil::sleep(1h);
    } catch (const coil::CancelledError&) {
      coil::current_task().uncancel();
    }
    co_await coil::sleep(1s);
    co_return coil::current_task().cancelling();
  };
  auto task = coil::create_task(work());
  co_await coil::yield();
  task.cancel();
  const int left = co_await task;
  CHECK(left == 0);
}

LOOP_TEST("cancel: at every one of a task's suspensions ends it and leaves nothing behind") {
  for (int nth = 0; nth < 12; ++nth) {
    std::string log;
    auto work = [&]() -> coil::Coro<void> {
      for (int step = 0; step < 10; ++step) {
        co_await coil::sleep(1s);
        log += 'x';
      }
    };
    const auto frames = coil::detail::live_frames();
    auto task = coil::create_task(work());
    co_await coil::sleep(nth * 1s + 500ms);
    const bool asked = task.cancel();
    auto outcome = co_await coil::as_result(task);
    CHECK(asked == (nth < 10));
    CHECK(outcome.cancelled() == (nth < 10));
    CHECK(log.size() == static_cast<std::size_t>(nth < 10 ? nth : 10));
    CHECK(coil::get_running_loop().metrics().timers == 0);
    CHECK(coil::detail::live_frames() == frames);
  }
}
