// The C++ half of shield.py.
#include "scenarios.hpp"

using namespace conformance;
using coil::shield;

namespace {

template <class Handle>
coil::Coro<int> shielded(const char* name, Handle task) {
  auto outcome = co_await coil::as_result(shield(task));
  if (outcome.has_value()) {
    log(name, outcome.value());
    co_return outcome.value();
  }
  try {
    static_cast<void>(outcome.value());
  } catch (...) {
    log(name, std::current_exception());
    throw;
  }
  co_return 0;
}

coil::Coro<int> failing(std::chrono::milliseconds delay, std::string text) {
  co_await fail(delay, text);
  co_return 0;
}

}  // namespace

SCENARIO("shield: gives the result") {
  auto task = create_task(value(100ms, 1));
  const int got = co_await shield(task);
  log(got);
}

SCENARIO("shield: throws the failure") {
  auto task = create_task(fail(100ms, "broken"));
  const std::string failure = co_await failure_of(shield(task));
  log(failure);
}

SCENARIO("shield: what is done comes without a turn") {
  auto task = create_task(value(0ms, 1));
  co_await task;
  auto other = create_task(steps("other", 1));
  const int got = co_await shield(task);
  log(got);
  co_await other;
}

SCENARIO("shield: goes on two turns after the end, the direct awaiter one") {
  auto quick = []() -> coil::Coro<int> {
    log("quick ends");
    co_return 1;
  };
  auto direct = [](coil::Task<int> task) -> coil::Coro<void> {
    const int got = co_await task;
    log("direct", got);
  };
  auto task = create_task(quick);
  const std::vector<coil::TaskRef> waiters{create_task(steps("other", 5)), create_task(shielded("shielded", task)),
                                           create_task(direct(task))};
  co_await coil::wait(waiters);
}

SCENARIO("shield: cancelled outside, the task goes on") {
  auto task = create_task(value(300ms, 7));
  auto outer = create_task(shielded("outer", task));
  co_await sleep(100ms);
  log(outer.cancel("leave"));
  co_await sleep(0s);
  log(outer.cancelled(), task.done(), task.cancelling());
  const int got = co_await task;
  log(got);
}

SCENARIO("shield: cancelled inside, the awaiting task gets it too and is not cancelled") {
  auto task = create_task(park("task"));
  auto waiter = [&]() -> coil::Coro<void> {
    const auto outcome = co_await coil::as_result(shield(task));
    log(outcome.cancelled() ? "CancelledError" : "?");
    log(coil::current_task().cancelling());
    co_await sleep(100ms);
    log("goes on");
  };
  auto outer = create_task(waiter);
  co_await sleep(100ms);
  task.cancel();
  co_await outer;
}

SCENARIO("shield: what fails after the awaiting task has left goes to the handler") {
  auto outer = create_task(shielded("outer", create_task(failing(200ms, "unheard"))));
  co_await sleep(100ms);
  outer.cancel();
  const std::string failure = co_await failure_of(outer);
  log(failure);
  co_await sleep(200ms);
  log("later");
}

SCENARIO("shield: cancelled on the turn of the end, or one later") {
  for (int turns = 0; turns <= 1; ++turns) {
    auto future = coil::get_running_loop().create_future<int>();
    auto outer = create_task(shielded("outer", future));
    co_await sleep(100ms);
    future.set_result(1);
    for (int i = 0; i < turns; ++i) co_await sleep(0s);
    log("asked", outer.cancel());
    for (int i = 0; i < 3; ++i) {
      co_await sleep(0s);
      log("turn", i, outer.done());
    }
    const std::string failure = co_await failure_of(outer);
    log(failure);
  }
}

SCENARIO("shield: cancelled before it begins") {
  auto task = create_task(value(100ms, 1));
  auto waiter = [&]() -> coil::Coro<void> {
    coil::current_task().cancel();
    co_await shielded("outer", task);
  };
  auto outer = create_task(waiter);
  for (int i = 0; i < 3; ++i) {
    co_await sleep(0s);
    log("turn", i, outer.done());
  }
  const std::string failure = co_await failure_of(outer);
  log(failure);
  const int got = co_await task;
  log(got);
}

SCENARIO("shield: chained") {
  auto task = create_task(value(500ms, 7));
  auto middle = create_task(shielded("middle", task));
  auto outer = create_task(shielded("outer", middle));
  co_await sleep(100ms);
  outer.cancel();
  const std::string of_outer = co_await failure_of(outer);
  log(of_outer);
  log(middle.done());
  middle.cancel();
  const std::string of_middle = co_await failure_of(middle);
  log(of_middle);
  const int got = co_await task;
  log(got);
}

SCENARIO("shield: in a timeout, with and without time") {
  auto task = create_task(value(300ms, 7));
  const std::string with_time = co_await failure_of(coil::wait_for(shield(task), 100ms));
  log(with_time);
  const std::string without = co_await failure_of(coil::wait_for(shield(task), 0s));
  log(without);
  const int got = co_await coil::wait_for(shield(task), 1s);
  log(got);
  const int again = co_await coil::wait_for(shield(task), 0s);
  log(again);
}

SCENARIO("shield: a cleanup that a second cancel does not reach") {
  auto cleanup = []() -> coil::Coro<void> {
    co_await sleep(200ms);
    log("clean");
  };
  auto body = [&]() -> coil::Coro<void> {
    auto cleaning = create_task(cleanup);
    auto outcome = co_await coil::as_result(sleep(1h));
    co_await shield(cleaning);
    outcome.value();
  };
  auto task = create_task(body);
  co_await sleep(100ms);
  task.cancel("first");
  co_await sleep(0s);
  task.cancel("second");
  const std::string failure = co_await failure_of(task);
  log(failure);
  co_await sleep(200ms);
}

SCENARIO("shield: around one that refuses to be cancelled") {
  auto task = create_task(stubborn("stubborn", 1));
  auto outer = [&]() -> coil::Coro<void> {
    try {
      co_await shield(task);
    } catch (const coil::CancelledError&) {
      log("outer", std::current_exception());
      throw;
    }
  };
  auto waiting = create_task(outer);
  co_await sleep(100ms);
  waiting.cancel();
  const std::string failure = co_await failure_of(waiting);
  log(failure);
  task.cancel();
  const std::string got = co_await task;
  log(got);
}

SCENARIO("shield: inside a gather, and around one") {
  auto first = create_task(value(300ms, 1));
  auto second = create_task(value(400ms, 2));
  auto gathers_shields = [&]() -> coil::Coro<void> { co_await coil::gather(shield(first), shield(second)); };
  auto shields = create_task(gathers_shields);
  co_await sleep(100ms);
  shields.cancel("leave");
  const std::string of_shields = co_await failure_of(shields);
  log(of_shields);
  log(first.done(), first.cancelling(), second.done(), second.cancelling());
  auto total = [&]() -> coil::Coro<int> {
    const auto [one, two] = co_await coil::gather(first, second);
    co_return one + two;
  };
  auto gathering = create_task(total);
  auto outer = create_task(shielded("outer", gathering));
  co_await sleep(100ms);
  outer.cancel("leave");
  const std::string of_outer = co_await failure_of(outer);
  log(of_outer);
  const int got = co_await gathering;
  log(got);
}
