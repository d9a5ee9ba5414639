// The C++ half of as_completed.py.
#include "scenarios.hpp"

using namespace conformance;

namespace {

template <class Ended>
coil::Coro<void> log_all(Ended ended) {
  while (auto* each = co_await ended.next()) {
    const int got = co_await *each;
    log("got", got);
  }
}

using Tasks = std::vector<coil::Task<int>>;

}  // namespace

SCENARIO("as_completed: results come in the order of the ends") {
  std::vector<coil::Coro<int>> children;
  for (const int each : {3, 1, 2}) children.push_back(value(each * 100ms, each));
  co_await log_all(coil::as_completed(std::move(children)));
}

SCENARIO("as_completed: how many turns an end takes to arrive") {
  auto future = coil::get_running_loop().create_future<int>();
  const std::vector futures{future};
  auto consumer = [&]() -> coil::Coro<void> { co_await log_all(coil::as_completed(futures)); };
  auto task = create_task(consumer());
  co_await sleep(0s);
  auto other = create_task(steps("other", 5));
  co_await sleep(0s);
  future.set_result(7);
  log("set");
  co_await task;
  co_await other;
}

SCENARIO("as_completed: of what is done already takes as many turns") {
  auto task = create_task(value(0ms, 1));
  co_await task;
  auto other = create_task(steps("other", 4));
  const std::vector tasks{task};
  co_await log_all(coil::as_completed(tasks));
  co_await other;
}

SCENARIO("as_completed: two that end in the same turn") {
  auto first = coil::get_running_loop().create_future<int>();
  auto second = coil::get_running_loop().create_future<int>();
  const std::vector futures{first, second};
  auto consumer = [&]() -> coil::Coro<void> { co_await log_all(coil::as_completed(futures)); };
  auto task = create_task(consumer());
  co_await sleep(0s);
  auto other = create_task(steps("other", 4));
  second.set_result(2);
  first.set_result(1);
  co_await task;
  co_await other;
}

SCENARIO("as_completed: failures come when they are awaited, and it goes on") {
  std::vector<coil::Task<void>> tasks;
  auto wait = []() -> coil::Coro<void> { co_await sleep(300ms); };
  tasks.push_back(create_task(fail(100ms, "broken")));
  tasks.push_back(create_task(wait()));
  tasks.push_back(create_task(park("parked")));
  coil::get_running_loop().call_later(200ms, [task = tasks[2]] { task.cancel(); });
  auto ended = coil::as_completed(tasks);
  while (auto* each = co_await ended.next()) {
    const std::string failure = co_await failure_of(*each);
    log(failure);
  }
}

SCENARIO("as_completed: the timeout leaves the rest running") {
  const Tasks tasks{create_task(value(100ms, 1)), create_task(value(500ms, 5))};
  try {
    co_await log_all(coil::as_completed(tasks, {.timeout = 300ms}));
  } catch (const coil::TimeoutError&) {
    log(std::current_exception());
  }
  log(tasks[1].done());
  const int got = co_await tasks[1];
  log(got);
}

SCENARIO("as_completed: a timeout in the turn of an end: the end was first") {
  const Tasks tasks{create_task(value(100ms, 1)), create_task(value(500ms, 5))};
  auto ended = coil::as_completed(tasks, {.timeout = 200ms});
  try {
    while (auto* each = co_await ended.next()) {
      log("got", each->result());
      co_await sleep(300ms);
    }
  } catch (const coil::TimeoutError&) {
    log(std::current_exception());
  }
  const int got = co_await tasks[1];
  log(got);
}

SCENARIO("as_completed: cancelling its task leaves the others running") {
  const Tasks tasks{create_task(value(100ms, 1)), create_task(value(500ms, 5))};
  auto consumer = [&]() -> coil::Coro<void> { co_await log_all(coil::as_completed(tasks)); };
  auto task = create_task(consumer());
  co_await sleep(200ms);
  task.cancel("enough");
  const std::string failure = co_await failure_of(task);
  log(failure);
  const int got = co_await tasks[1];
  log(got);
}

SCENARIO("as_completed: the same task twice comes once, and nothing gives nothing") {
  auto task = create_task(value(100ms, 1));
  const Tasks twice{task, task};
  co_await log_all(coil::as_completed(twice));
  const Tasks nothing;
  co_await log_all(coil::as_completed(nothing));
}
