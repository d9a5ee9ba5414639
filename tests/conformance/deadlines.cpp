// The C++ half of deadlines.py.
#include "scenarios.hpp"

#include <optional>

using namespace conformance;
using coil::timeout;
using coil::wait_for;

namespace {

coil::Coro<void> clean_for(std::chrono::milliseconds delay) {
  auto outcome = co_await coil::as_result(sleep(1h));
  co_await sleep(delay);
  log("cleaned");
  outcome.value();
}

coil::Coro<void> nap(std::chrono::milliseconds delay) { co_await sleep(delay); }

}  // namespace

SCENARIO("timeout: met, missed, and none") {
  const auto in_time = [](coil::Timeout& scope) -> coil::Coro<bool> {
    co_await sleep(100ms);
    co_return scope.expired();
  };
  const bool expired = co_await timeout(200ms, in_time);
  log(expired);
  bool missed = false;
  const auto too_long = [&](coil::Timeout& scope) -> coil::Coro<void> {
    const auto outcome = co_await coil::as_result(park("body"));
    missed = scope.expired();
    outcome.value();
  };
  const std::string failure = co_await failure_of(timeout(100ms, too_long));
  log(failure, missed);
  co_await timeout(std::nullopt, nap(100ms));
  log(coil::current_task().cancelling());
}

SCENARIO("timeout: zero and the past fire at the first suspension") {
  for (const auto delay : {0s, -1s}) {
    const auto body = []() -> coil::Coro<void> {
      log("body begins");
      co_await sleep(0s);
      log("one turn later");
      co_await sleep(0s);
      log("two turns later");
    };
    const std::string failure = co_await failure_of(timeout(delay, body));
    if (failure != "none") log(failure);
  }
}

SCENARIO("timeout: moved by another task") {
  coil::Timeout* scope = nullptr;
  const auto body = [&](coil::Timeout& its) -> coil::Coro<void> {
    scope = &its;
    co_await sleep(250ms);
  };
  const auto limited = [&]() -> coil::Coro<void> {
    co_await timeout(100ms, body);
    log("in time");
  };
  auto task = create_task(limited);
  co_await sleep(50ms);
  scope->reschedule(coil::get_running_loop().time() + 250ms);
  co_await task;
}

SCENARIO("timeout: a failure in the cleanup") {
  const auto body = []() -> coil::Coro<void> {
    static_cast<void>(co_await coil::as_result(sleep(1h)));
    throw Failure("cleanup");
  };
  const std::string failure = co_await failure_of(timeout(100ms, body));
  log(failure);
  log(coil::current_task().cancelling());
}

SCENARIO("timeout: nested, each first once, and together") {
  const std::pair<std::chrono::milliseconds, std::chrono::milliseconds> cases[] = {{200ms, 100ms}, {100ms, 200ms}};
  for (const auto& [outer, inner] : cases) {
    const auto delay = inner;
    const auto body = [&]() -> coil::Coro<void> {
      const auto outcome = co_await coil::as_result(timeout(delay, sleep(1h)));
      if (outcome.cancelled()) static_cast<void>(outcome.value());
      log("inner", outcome.exception());
      co_await sleep(1h);
    };
    const std::string failure = co_await failure_of(timeout(outer, body));
    log("outer", failure);
  }
}

SCENARIO("timeout: a cancellation from outside stays one") {
  const auto body = []() -> coil::Coro<void> { co_await timeout(1s, park("body")); };
  auto task = create_task(body);
  co_await sleep(100ms);
  task.cancel("outside");
  const std::string failure = co_await failure_of(task);
  log(failure);
  log(task.cancelled());
}

SCENARIO("timeout: a cancellation from outside during the cleanup after it expired") {
  const auto body = []() -> coil::Coro<void> { co_await timeout(100ms, clean_for(500ms)); };
  auto task = create_task(body);
  co_await sleep(300ms);
  task.cancel("outside");
  const std::string failure = co_await failure_of(task);
  log(failure);
  log(task.cancelled(), task.cancelling());
}

SCENARIO("wait_for: met, missed, swallowed, failed") {
  const int met = co_await wait_for(value(100ms, 1), 200ms);
  log(met);
  const std::string missed = co_await failure_of(wait_for(park("parked"), 100ms));
  log(missed);
  const std::string swallowed = co_await wait_for(stubborn("stubborn", 1), 100ms);
  log(swallowed);
  const std::string failed = co_await failure_of(wait_for(fail(100ms, "broken"), 200ms));
  log(failed);
  log(coil::current_task().cancelling());
}

SCENARIO("wait_for: waits for the cleanup, which takes longer") {
  const std::string failure = co_await failure_of(wait_for(clean_for(500ms), 100ms));
  log(failure);
}

SCENARIO("wait_for: no time, for what is done, what runs and what has not begun") {
  auto task = create_task(value(0ms, 1));
  co_await sleep(100ms);
  const int got = co_await wait_for(task, 0s);
  log(got);
  auto running = create_task(clean_for(200ms));
  co_await sleep(100ms);
  const std::string failure = co_await failure_of(wait_for(running, 0s));
  log(failure);
  log(running.cancelled());
}

SCENARIO("wait_for: no time, and the turns it takes") {
  auto running = create_task(park("running"));
  co_await sleep(0s);
  create_task(steps("other", 5));
  const std::string failure = co_await failure_of(wait_for(running, 0s));
  log(failure);
  co_await sleep(100ms);
}

SCENARIO("wait_for: no time, the turns of a coroutine and of a shield, and a cancel meanwhile") {
  create_task(steps("other", 5));
  const std::string of_coroutine = co_await failure_of(wait_for(park("coroutine"), 0s));
  log(of_coroutine);
  auto running = create_task(park("running"));
  co_await sleep(0s);
  create_task(steps("other", 5));
  const std::string of_shield = co_await failure_of(wait_for(coil::shield(running), 0s));
  log(of_shield);
  auto outer = create_task(wait_for(park("coroutine"), 0s));
  auto shielded = create_task(wait_for(coil::shield(running), 0s));
  co_await sleep(0s);
  log(outer.cancel("meanwhile"), shielded.cancel("meanwhile"));
  const std::string of_outer = co_await failure_of(outer);
  log(of_outer);
  const std::string of_shielded = co_await failure_of(shielded);
  log(of_shielded);
  log(running.cancel());
  const std::string of_running = co_await failure_of(running);
  log(of_running);
  co_await sleep(100ms);
}

SCENARIO("wait_for: no time, cancelled while the task cleans up") {
  auto running = create_task(clean_for(500ms));
  co_await sleep(0s);
  auto outer = create_task(wait_for(running, 0s));
  co_await sleep(100ms);
  outer.cancel("leave");
  const std::string of_outer = co_await failure_of(outer);
  log(of_outer);
  log(running.done(), running.cancelling());
  const std::string of_running = co_await failure_of(running);
  log(of_running);
}

SCENARIO("wait_for: cancelled from outside") {
  auto inner = create_task(clean_for(200ms));
  auto outer = create_task(wait_for(inner, 1s));
  co_await sleep(100ms);
  outer.cancel("outside");
  const std::string failure = co_await failure_of(outer);
  log(failure);
  log(inner.cancelled(), outer.cancelled());
}

SCENARIO("wait_for: what it waits for is cancelled by somebody else") {
  auto inner = create_task(park("inner"));
  auto outer = create_task(wait_for(inner, 1s));
  co_await sleep(100ms);
  inner.cancel();
  const std::string failure = co_await failure_of(outer);
  log(failure);
}

SCENARIO("wait_for: cancelled in the turn in which the task ends") {
  const auto at_once = []() -> coil::Coro<std::string> { co_return "done"; };
  auto inner = create_task(at_once);
  auto outer = create_task(wait_for(inner, 100s));
  co_await sleep(0s);
  outer.cancel();
  const std::string failure = co_await failure_of(outer);
  log(failure);
  const std::string got = co_await inner;
  log(got);
}

SCENARIO("wait_for: no time, and a failure in the cleanup") {
  const auto body = []() -> coil::Coro<void> {
    static_cast<void>(co_await coil::as_result(sleep(1h)));
    throw Failure("cleanup");
  };
  auto running = create_task(body);
  co_await sleep(0s);
  const std::string failure = co_await failure_of(wait_for(running, 0s));
  log(failure);
  log(running.done(), running.cancelled());
}

SCENARIO("wait_for: without a limit, cancelled from outside") {
  auto inner = create_task(park("inner"));
  auto outer = create_task(wait_for(inner, std::nullopt));
  co_await sleep(100ms);
  outer.cancel("outside");
  const std::string failure = co_await failure_of(outer);
  log(failure);
  log(inner.cancelled(), outer.cancelled());
}
