// The C++ half of task_cancel.py.
#include "scenarios.hpp"

using namespace conformance;

SCENARIO("cancel before the first step: the body never runs") {
  auto task = create_task(steps("never", 1));
  log(task.cancel());
  log(task.done(), task.cancelled());
  const std::string failure = co_await failure_of(task);
  log(failure);
  log(task.done(), task.cancelled());
}

SCENARIO("cancel is delivered on a later turn") {
  auto task = create_task(park("a"));
  co_await sleep(0s);
  const bool asked = task.cancel();
  log(asked, task.done(), task.cancelling());
  co_await sleep(0s);
  log(task.done(), task.cancelled());
}

SCENARIO("cancel carries its message") {
  auto task = create_task(park("a"));
  co_await sleep(500ms);
  task.cancel("enough");
  const std::string failure = co_await failure_of(task);
  log(failure);
}

SCENARIO("two cancels before delivery: one delivery, a count of two, the first message") {
  auto task = create_task(stubborn("a", 1));
  co_await sleep(0s);
  const bool first = task.cancel("first");
  const bool second = task.cancel("second");
  log(first, second, task.cancelling());
  const std::string got = co_await task;
  log(got, task.cancelled(), task.cancelling());
}

SCENARIO("two cancels one after the other: two deliveries") {
  auto task = create_task(stubborn("a", 2));
  co_await sleep(0s);
  task.cancel("first");
  co_await sleep(0s);
  task.cancel("second");
  const std::string got = co_await task;
  log(got, task.cancelling());
}

SCENARIO("cancel of a task that is done says false") {
  auto task = create_task(value(0ms, 1));
  co_await task;
  log(task.cancel(), task.cancelled(), task.result());
}

SCENARIO("a task that cancels itself gets it at its next wait") {
  auto body = []() -> coil::Coro<void> {
    log(coil::current_task().cancel("self"));
    log("goes on");
    try {
      co_await sleep(1s);
    } catch (const coil::CancelledError&) {
      log(std::current_exception());
      throw;
    }
  };
  auto task = create_task(body);
  const std::string failure = co_await failure_of(task);
  log(failure);
}

SCENARIO("a task that cancels itself and returns ends cancelled") {
  auto body = []() -> coil::Coro<int> {
    coil::current_task().cancel();
    co_return 1;
  };
  auto task = create_task(body);
  const std::string failure = co_await failure_of(task);
  log(failure, task.cancelled());
}

SCENARIO("a task that swallows the cancellation ends with its value") {
  auto task = create_task(stubborn("a", 1));
  co_await sleep(0s);
  task.cancel();
  const std::string got = co_await task;
  log(got, task.cancelled(), task.cancelling());
}

SCENARIO("a task that answers the cancellation with a failure fails") {
  auto body = []() -> coil::Coro<void> {
    try {
      co_await sleep(1h);
    } catch (const coil::CancelledError&) {
      throw Failure("instead");
    }
  };
  auto task = create_task(body);
  co_await sleep(0s);
  task.cancel();
  const std::string failure = co_await failure_of(task);
  log(failure, task.cancelled());
}

SCENARIO("cancel passes on to what the task awaits, and comes back") {
  auto inner = create_task(park("inner"));
  auto outer = [&]() -> coil::Coro<void> {
    try {
      co_await inner;
    } catch (const coil::CancelledError&) {
      log("outer", std::current_exception());
      throw;
    }
  };
  auto task = create_task(outer);
  co_await sleep(100ms);
  task.cancel("stop");
  const std::string failure = co_await failure_of(task);
  log(failure, inner.cancelled(), inner.cancelling());
}

SCENARIO("a cancelled outer task gets the value of an inner one that refuses") {
  auto inner = create_task(stubborn("inner", 1));
  auto outer = [&]() -> coil::Coro<std::string> {
    std::string result = co_await inner;
    log("outer got", result, coil::current_task().cancelling());
    co_return result;
  };
  auto task = create_task(outer);
  co_await sleep(100ms);
  task.cancel();
  const std::string got = co_await task;
  log(got, task.cancelled());
}

SCENARIO("cancel of one of two waiters cancels the task, and so reaches the other") {
  auto task = create_task(park("task"));
  auto waiter = [&](const char* name) -> coil::Coro<void> {
    const std::string failure = co_await failure_of(task);
    log(name, failure);
  };
  auto a = create_task(waiter("a"));
  auto b = create_task(waiter("b"));
  co_await sleep(0s);
  co_await sleep(0s);
  a.cancel("stop");
  co_await a;
  co_await b;
  log(task.cancelled());
}

SCENARIO("uncancel counts down to zero and no further") {
  auto task = create_task(stubborn("a", 1));
  co_await sleep(0s);
  task.cancel();
  task.cancel();
  const int first = task.uncancel();
  const int second = task.uncancel();
  const int third = task.uncancel();
  log(first, second, third, task.cancelling());
  const std::string got = co_await task;
  log(got);
}

SCENARIO("cleanup may wait while the cancellation passes") {
  auto body = []() -> coil::Coro<void> {
    auto outcome = co_await coil::as_result(sleep(1h));
    log("cleans");
    co_await sleep(1s);
    log("clean");
    outcome.value();
  };
  auto task = create_task(body);
  co_await sleep(500ms);
  task.cancel();
  const std::string failure = co_await failure_of(task);
  log(failure);
}

SCENARIO("a second cancel interrupts the cleanup") {
  auto body = []() -> coil::Coro<void> {
    auto outcome = co_await coil::as_result(sleep(1h));
    const std::string failure = co_await failure_of(sleep(1s));
    log("cleanup", failure);
    outcome.value();
  };
  auto task = create_task(body);
  co_await sleep(500ms);
  task.cancel("first");
  co_await sleep(500ms);
  task.cancel("second");
  const std::string failure = co_await failure_of(task);
  log(failure, task.cancelling());
}

SCENARIO("uncancel takes back a cancellation that has not been delivered") {
  auto future = coil::get_running_loop().create_future<void>();
  auto body = [&]() -> coil::Coro<void> {
    co_await future;
    log("goes on", coil::current_task().cancelling());
  };
  auto waiting = create_task(body);
  co_await sleep(0s);
  future.set_result();
  const bool asked = waiting.cancel();
  const int left = waiting.uncancel();
  log(asked, left);
  const std::string of_waiting = co_await failure_of(waiting);
  log(of_waiting);
  auto starting = create_task(steps("starting", 1));
  const bool first = starting.cancel();
  const bool second = starting.cancel();
  const int one_left = starting.uncancel();
  const int none_left = starting.uncancel();
  log(first, second, one_left, none_left);
  const std::string of_starting = co_await failure_of(starting);
  log(of_starting);
}

SCENARIO("uncancel: a timeout by hand") {
  coil::Loop& loop = coil::get_running_loop();
  auto limited = [&](std::chrono::milliseconds delay, std::chrono::milliseconds limit) -> coil::Coro<void> {
    const coil::TaskRef task = coil::current_task();
    bool expired = false;
    auto timer = loop.call_later(limit, [&expired, task] {
      expired = true;
      task.cancel();
    });
    const auto outcome = co_await coil::as_result(sleep(delay));
    timer.cancel();
    if (outcome.cancelled() && (!expired || task.uncancel() != 0)) outcome.value();
    log(outcome.cancelled() ? "expired" : "in time");
    co_await sleep(100ms);
    log("goes on", task.cancelling());
  };
  co_await create_task(limited(1s, 100ms));
  co_await create_task(limited(100ms, 1s));
  auto task = create_task(limited(1s, 100ms));
  loop.call_later(100ms, [task] { task.cancel(); });
  const std::string failure = co_await failure_of(task);
  log(failure);
}

SCENARIO("the message of a cancel is in what result and exception throw") {
  for (const bool by_result : {true, false}) {
    for (int turns = 0; turns <= 1; ++turns) {
      auto task = create_task(park("task"));
      for (int i = 0; i < turns; ++i) co_await sleep(0s);
      task.cancel("why");
      const std::vector waited{task};
      co_await coil::wait(waited);
      try {
        if (by_result)
          task.result();
        else
          static_cast<void>(task.exception());
      } catch (const coil::CancelledError&) {
        log(std::current_exception());
      }
    }
  }
}

SCENARIO("a task that cancels itself and awaits a task cancels that, and what it waits for") {
  auto future = coil::get_running_loop().create_future<void>();
  auto waiter = [&]() -> coil::Coro<void> { co_await future; };
  auto inner = create_task(waiter);
  co_await sleep(0s);
  auto body = [&]() -> coil::Coro<void> {
    coil::current_task().cancel("self");
    co_await inner;
  };
  auto task = create_task(body);
  const std::string failure = co_await failure_of(task);
  log(failure);
  log(task.cancelled(), inner.cancelled(), future.cancelled());
}
