// The C++ half of task.py.
#include "scenarios.hpp"

using namespace conformance;

SCENARIO("a task starts on the next turn, not in create_task") {
  auto task = create_task(steps("a", 1));
  log("created");
  co_await sleep(0s);
  log("yielded");
  co_await task;
  log("awaited");
}

SCENARIO("tasks start in the order of their making and take turns") {
  std::vector<coil::Task<void>> tasks;
  for (const char* name : {"a", "b", "c"}) tasks.push_back(create_task(steps(name, 3)));
  for (auto& task : tasks) co_await task;
}

SCENARIO("a directly awaited coroutine runs at once, in the same task") {
  auto other = create_task(steps("other", 2));
  log("before");
  co_await steps("inner", 1);
  log("after");
  co_await other;
}

SCENARIO("awaiting a task that is done does not let others run") {
  auto done = create_task(value(0ms, 1));
  co_await sleep(1ms);
  auto other = create_task(steps("other", 1));
  const int got = co_await done;
  log("got", got);
  log("still first");
  co_await other;
}

SCENARIO("waiters of a task go on in the order of their waiting") {
  auto task = create_task(value(100ms, 7));
  auto waiter = [&](const char* name) -> coil::Coro<void> {
    const int got = co_await task;
    log(name, "got", got);
  };
  std::vector<coil::Task<void>> waiters;
  for (const char* name : {"a", "b", "c"}) waiters.push_back(create_task(waiter(name)));
  for (auto& each : waiters) co_await each;
}

SCENARIO("a failure reaches every waiter") {
  auto task = create_task(fail(100ms, "broken"));
  auto waiter = [&](const char* name) -> coil::Coro<void> {
    const std::string failure = co_await failure_of(task);
    log(name, failure);
  };
  std::vector<coil::Task<void>> waiters;
  for (const char* name : {"a", "b"}) waiters.push_back(create_task(waiter(name)));
  for (auto& each : waiters) co_await each;
  log(task.exception());
}

SCENARIO("done callbacks run on the turn after the end, in their order") {
  auto task = create_task(value(100ms, 3));
  task.add_done_callback([](coil::Task<int> t) { log("first", t.result()); });
  task.add_done_callback([](coil::Task<int> t) { log("second", t.done()); });
  const int got = co_await task;
  log(got);
  co_await sleep(0s);
  log("later");
}

SCENARIO("a done callback of a task that is done comes on the next turn") {
  auto task = create_task(value(0ms, 3));
  co_await task;
  task.add_done_callback([] { log("called"); });
  log("added");
  co_await sleep(0s);
  log("later");
}

SCENARIO("result and exception before the end are InvalidStateError") {
  auto task = create_task(value(100ms, 3));
  try {
    task.result();
  } catch (const std::exception&) {
    log(std::current_exception());
  }
  try {
    static_cast<void>(task.exception());
  } catch (const std::exception&) {
    log(std::current_exception());
  }
  co_await task;
}

SCENARIO("result and exception of a cancelled task throw") {
  auto task = create_task(park("a"));
  co_await sleep(0s);
  task.cancel("why");
  const std::string failure = co_await failure_of(task);
  log(failure);
  try {
    task.result();
  } catch (const coil::CancelledError&) {
    log("CancelledError");
  }
  try {
    static_cast<void>(task.exception());
  } catch (const coil::CancelledError&) {
    log("CancelledError");
  }
}

SCENARIO("a task that awaits itself gets an error and goes on") {
  coil::Task<std::string> task;
  auto body = [&]() -> coil::Coro<std::string> {
    const std::string failure = co_await failure_of(task);
    log(failure);
    co_return "alive";
  };
  task = create_task(body);
  const std::string got = co_await task;
  log(got);
}

SCENARIO("sleep: zero and less let the others run once") {
  auto other = create_task(steps("other", 3));
  co_await sleep(0s);
  log("zero");
  co_await sleep(-1s);
  log("less");
  co_await other;
}

SCENARIO("sleep: equal deadlines end in the order of their beginning") {
  auto sleeper = [](const char* name) -> coil::Coro<void> {
    co_await sleep(250ms);
    log(name);
  };
  std::vector<coil::Task<void>> tasks;
  for (const char* name : {"a", "b", "c", "d", "e"}) tasks.push_back(create_task(sleeper(name)));
  for (auto& task : tasks) co_await task;
}

SCENARIO("sleep: gives its result") {
  const std::string text = co_await sleep(10ms, std::string("here"));
  log(text);
  const int number = co_await sleep(0s, 5);
  log(number);
}

SCENARIO("the end of main cancels what is left, and waits for its cleanup") {
  auto left = []() -> coil::Coro<void> {
    auto outcome = co_await coil::as_result(sleep(1h));
    log("left", failure_in(outcome));
    co_await sleep(2s);
    log("left cleaned");
    outcome.value();
  };
  create_task(left);
  co_await sleep(1s);
  log("main ends");
}

SCENARIO("what is ready when main ends") {
  create_task(steps("ready", 1));
  log("main ends");
  co_return;
}

SCENARIO("an exception in the cleanup of what is left goes to the handler") {
  auto left = []() -> coil::Coro<void> {
    try {
      co_await sleep(1h);
    } catch (const coil::CancelledError&) {
      throw Failure("in cleanup");
    }
  };
  auto task = create_task(left);
  co_await sleep(0s);
  log("main ends");
}

SCENARIO("what is left and refuses to be cancelled is waited for") {
  auto left = []() -> coil::Coro<void> {
    auto outcome = co_await coil::as_result(sleep(1h));
    if (outcome.cancelled()) log("refuses");
    co_await sleep(1s);
    log("finished");
  };
  create_task(left);
  co_await sleep(0s);
}

SCENARIO("main that fails fails the run, after what is left was cancelled") {
  create_task(park("left"));
  co_await sleep(0s);
  throw Failure("main");
}
