// The C++ half of timeout.py.
#include "scenarios.hpp"

using namespace conformance;

namespace {

coil::time_point now() { return coil::get_running_loop().time(); }

std::string ms(std::optional<coil::time_point> when) {
  if (!when) return "none";
  return std::to_string(std::chrono::round<std::chrono::milliseconds>(*when - coil::time_point{}).count());
}

coil::Coro<void> sleep_and_log_cleanup() {
  const auto ended = co_await coil::as_result(sleep(1h));
  co_await sleep(500ms);
  log("cleaned");
  ended.value();
}

coil::Coro<void> fail_in_cleanup() {
  try {
    co_await sleep(1h);
  } catch (const coil::CancelledError&) {
    throw Failure("cleanup");
  }
}

}  // namespace

SCENARIO("timeout: a body in time gives its value") {
  bool expired = true;
  std::string when;
  const int got = co_await coil::timeout(200ms, [&](coil::Timeout& scope) -> coil::Coro<int> {
    const int result = co_await value(100ms, 7);
    expired = scope.expired();
    when = ms(scope.when());
    co_return result;
  });
  log("got", got, expired, when);
}

SCENARIO("timeout: a body that is too slow is cancelled") {
  const std::string failure = co_await failure_of(coil::timeout(100ms, park("body")));
  log(failure);
  log(coil::current_task().cancelling());
}

SCENARIO("timeout: the body's cleanup may take longer than the deadline") {
  const std::string failure = co_await failure_of(coil::timeout(100ms, sleep_and_log_cleanup()));
  log(failure);
}

SCENARIO("timeout: of zero expires at the first wait, not before") {
  auto body = [&]() -> coil::Coro<void> {
    log("before");
    co_await sleep(0s);
    log("after one turn");
    co_await sleep(0s);
    log("after two turns");
  };
  const std::string failure = co_await failure_of(coil::timeout(0s, body));
  log(failure);
}

SCENARIO("timeout: of zero around a body that never waits") {
  bool expired = true;
  co_await coil::timeout(0s, [&](coil::Timeout& scope) -> coil::Coro<void> {
    log("inside");
    expired = scope.expired();
    co_return;
  });
  log(expired);
}

SCENARIO("timeout: in the past") {
  co_await sleep(50ms);
  const std::string failure = co_await failure_of(coil::timeout(-1s, park("body")));
  log(failure);
}

SCENARIO("timeout: none never expires") {
  bool expired = true;
  co_await coil::timeout(std::nullopt, [&](coil::Timeout& scope) -> coil::Coro<void> {
    log(ms(scope.when()));
    co_await sleep(1h);
    expired = scope.expired();
  });
  log(expired);
}

SCENARIO("timeout_at: a deadline on the loop's clock") {
  co_await sleep(100ms);
  auto body = [&](coil::Timeout& scope) -> coil::Coro<void> {
    log(ms(scope.when()));
    co_await park("body");
  };
  const std::string failure = co_await failure_of(coil::timeout_at(now() + 250ms, body));
  log(failure);
}

SCENARIO("timeout: another exception passes through") {
  bool expired = true;
  auto body = [&](coil::Timeout& scope) -> coil::Coro<void> {
    const auto ended = co_await coil::as_result(fail(100ms, "broken"));
    expired = scope.expired();
    ended.value();
  };
  const std::string failure = co_await failure_of(coil::timeout(200ms, body));
  log(failure);
  log(expired);
}

SCENARIO("timeout: an exception in the cleanup replaces TimeoutError") {
  const std::string failure = co_await failure_of(coil::timeout(100ms, fail_in_cleanup()));
  log(failure);
  log(coil::current_task().cancelling());
}

SCENARIO("timeout: a body that swallows the cancellation") {
  bool expired = false;
  co_await coil::timeout(100ms, [&](coil::Timeout& scope) -> coil::Coro<void> {
    const std::string name = co_await stubborn("body", 1);
    log(name);
    expired = scope.expired();
  });
  log(expired, coil::current_task().cancelling());
}

SCENARIO("timeout: a cancel from outside stays a cancel") {
  auto task = create_task(coil::timeout(200ms, park("body")));
  co_await sleep(100ms);
  task.cancel("outside");
  const std::string failure = co_await failure_of(task);
  log(failure);
  log(task.cancelled());
}

SCENARIO("timeout: a cancel from outside during the cleanup after the deadline") {
  auto body = [&]() -> coil::Coro<void> {
    co_await coil::as_result(sleep(1h));
    log("deadline");
    co_await sleep(1h);
  };
  auto task = create_task(coil::timeout(100ms, body));
  co_await sleep(200ms);
  task.cancel();
  const std::string failure = co_await failure_of(task);
  log(failure);
  log(task.cancelled());
}

SCENARIO("timeout: a cancel in the turn of the deadline") {
  auto task = create_task(coil::timeout(100ms, park("body")));
  coil::get_running_loop().call_at(coil::time_point{} + 100ms, [task] { task.cancel(); });
  const std::string failure = co_await failure_of(task);
  log(failure);
}

SCENARIO("timeout: inner expires first") {
  bool inner_expired = false;
  bool outer_expired = true;
  co_await coil::timeout(200ms, [&](coil::Timeout& outer) -> coil::Coro<void> {
    auto body = [&](coil::Timeout& inner) -> coil::Coro<void> {
      const auto ended = co_await coil::as_result(park("body"));
      inner_expired = inner.expired();
      ended.value();
    };
    const std::string failure = co_await failure_of(coil::timeout(100ms, body));
    log("inner", failure);
    co_await sleep(50ms);
    outer_expired = outer.expired();
  });
  log(outer_expired, inner_expired);
}

SCENARIO("timeout: outer expires first") {
  auto body = [&]() -> coil::Coro<void> {
    const auto ended = co_await coil::as_result(coil::timeout(200ms, park("body")));
    if (!ended.cancelled()) log("inner");
    ended.value();
  };
  const std::string failure = co_await failure_of(coil::timeout(100ms, body));
  log(failure);
}

SCENARIO("timeout: both expire together, the outer one throws") {
  auto body = [&]() -> coil::Coro<void> {
    const auto ended = co_await coil::as_result(coil::timeout(100ms, park("body")));
    if (!ended.cancelled()) log("inner");
    ended.value();
  };
  const std::string failure = co_await failure_of(coil::timeout(100ms, body));
  log(failure);
  log(coil::current_task().cancelling());
}

SCENARIO("timeout: rescheduled to later, earlier, never") {
  co_await coil::timeout(100ms, [&](coil::Timeout& scope) -> coil::Coro<void> {
    scope.reschedule(now() + 300ms);
    co_await sleep(200ms);
    log(ms(scope.when()), scope.expired());
    scope.reschedule(std::nullopt);
    co_await sleep(500ms);
    log(ms(scope.when()), scope.expired());
  });
  auto body = [&](coil::Timeout& scope) -> coil::Coro<void> {
    scope.reschedule(now() + 100ms);
    co_await park("body");
  };
  const std::string failure = co_await failure_of(coil::timeout(1h, body));
  log(failure);
}

SCENARIO("timeout: rescheduled after it has expired") {
  auto body = [&](coil::Timeout& scope) -> coil::Coro<void> {
    const auto ended = co_await coil::as_result(sleep(1h));
    try {
      scope.reschedule(std::nullopt);
    } catch (const std::logic_error&) {
      log(std::current_exception());
    }
    ended.value();
  };
  const std::string failure = co_await failure_of(coil::timeout(100ms, body));
  log(failure);
}

SCENARIO("timeout: a scope may follow another one that expired") {
  for (int i = 0; i < 2; ++i) {
    const std::string failure = co_await failure_of(coil::timeout(100ms, sleep(1h)));
    log(failure);
  }
}

SCENARIO("timeout: inside the cleanup of a cancelled task") {
  auto body = [&]() -> coil::Coro<void> {
    const auto ended = co_await coil::as_result(sleep(1h));
    const std::string failure = co_await failure_of(coil::timeout(100ms, sleep(1h)));
    log(failure);
    ended.value();
  };
  auto task = create_task(body);
  co_await sleep(100ms);
  task.cancel();
  const std::string failure = co_await failure_of(task);
  log(failure);
  log(task.cancelled(), task.cancelling());
}

SCENARIO("wait_for: a result in time") {
  const int got = co_await coil::wait_for(value(100ms, 7), 200ms);
  log(got);
}

SCENARIO("wait_for: too slow is cancelled") {
  const std::string failure = co_await failure_of(coil::wait_for(park("body"), 100ms));
  log(failure);
}

SCENARIO("wait_for: waits for the cleanup") {
  const std::string failure = co_await failure_of(coil::wait_for(sleep_and_log_cleanup(), 100ms));
  log(failure);
}

SCENARIO("wait_for: what swallows the cancellation gives its value") {
  const std::string got = co_await coil::wait_for(stubborn("body", 1), 100ms);
  log(got);
}

SCENARIO("wait_for: what fails in its cleanup throws that") {
  const std::string failure = co_await failure_of(coil::wait_for(fail_in_cleanup(), 100ms));
  log(failure);
}

SCENARIO("wait_for: zero never starts a coroutine") {
  const std::string failure = co_await failure_of(coil::wait_for(steps("never", 1), 0s));
  log(failure);
}

SCENARIO("wait_for: zero gives the result of a task that is done") {
  auto task = create_task(value(0ms, 7));
  co_await task;
  const int got = co_await coil::wait_for(task, 0s);
  log(got);
}

SCENARIO("wait_for: zero cancels a task that is not done") {
  auto task = create_task(park("task"));
  co_await sleep(0s);
  const std::string failure = co_await failure_of(coil::wait_for(task, 0s));
  log(failure);
  log(task.cancelled());
}

SCENARIO("wait_for: no limit") {
  const int got = co_await coil::wait_for(value(1h, 7), std::nullopt);
  log(got);
}

SCENARIO("wait_for: a result in the turn of the deadline") {
  auto future = coil::get_running_loop().create_future<int>();
  coil::get_running_loop().call_at(coil::time_point{} + 100ms, [future] { future.set_result(7); });
  const std::string failure = co_await failure_of(coil::wait_for(future, 100ms));
  log(failure);
  log(future.done(), future.cancelled());
}

SCENARIO("wait_for: a cancel from outside cancels what it waits for") {
  auto inner = create_task(park("inner"));
  auto outer = create_task(coil::wait_for(inner, 1h));
  co_await sleep(100ms);
  outer.cancel("outside");
  const std::string failure = co_await failure_of(outer);
  log(failure);
  log(inner.cancelled(), outer.cancelled());
}

SCENARIO("wait_for: a task cancelled by others") {
  auto inner = create_task(park("inner"));
  auto outer = create_task(coil::wait_for(inner, 1h));
  co_await sleep(100ms);
  inner.cancel("others");
  const std::string failure = co_await failure_of(outer);
  log(failure);
  log(outer.cancelled());
}

SCENARIO("wait_for: nested") {
  auto inner = [&]() -> coil::Coro<std::string> { co_return co_await failure_of(coil::wait_for(park("body"), 100ms)); };
  const std::string got = co_await coil::wait_for(inner(), 200ms);
  log(got);
}

SCENARIO("timeout: a cancel inside it of a task that has swallowed one before") {
  auto body = []() -> coil::Coro<void> {
    coil::current_task().cancel("first");
    const std::string failure = co_await failure_of(sleep(1s));
    log(failure);
    const auto limited = []() -> coil::Coro<void> {
      coil::current_task().cancel("second");
      co_await park("body");
    };
    co_await coil::timeout(1s, limited);
  };
  auto task = create_task(body);
  const std::string failure = co_await failure_of(task);
  log(failure);
  log(task.cancelled(), task.cancelling());
}

SCENARIO("timeout: inside the cleanup after another one has expired") {
  auto body = []() -> coil::Coro<void> {
    const auto ended = co_await coil::as_result(sleep(1h));
    const std::string failure = co_await failure_of(coil::timeout(100ms, park("cleanup")));
    log(failure);
    ended.value();
  };
  const std::string failure = co_await failure_of(coil::timeout(100ms, body));
  log(failure);
  log(coil::current_task().cancelling());
}

SCENARIO("timeout: around a task group whose task fails in its cleanup") {
  auto body = [](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail_in_cleanup());
    co_await park("body");
  };
  const std::string failure = co_await failure_of(coil::timeout(100ms, coil::task_group(body)));
  log(failure);
  log(coil::current_task().cancelling());
}
