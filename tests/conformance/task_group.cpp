// The C++ half of task_group.py.
#include "scenarios.hpp"

using namespace conformance;
using coil::task_group;
using coil::TaskGroup;

namespace {

coil::Coro<void> hydra(TaskGroup& group, int depth) {
  co_await sleep(100ms);
  log("depth", depth);
  if (depth < 3) group.create_task(hydra(group, depth + 1));
}

}  // namespace

SCENARIO("task_group: waits for its tasks; their results can be read afterwards") {
  coil::Task<int> first;
  coil::Task<int> second;
  co_await task_group([&](TaskGroup& group) -> coil::Coro<void> {
    first = group.create_task(value(200ms, 1));
    second = group.create_task(value(100ms, 2));
    log("body ends");
    co_return;
  });
  log(first.result(), second.result());
}

SCENARIO("task_group: an empty one does not let others run") {
  create_task(steps("other", 0));
  co_await task_group([&](TaskGroup&) -> coil::Coro<void> { co_return; });
  log("left");
  co_await sleep(0s);
}

SCENARIO("task_group: a failure cancels the siblings and the body") {
  auto body = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail(100ms, "first"));
    group.create_task(park("sibling"));
    co_await park("body");
  };
  const std::string failure = co_await failure_of(task_group(body));
  log(failure);
  log(coil::current_task().cancelling());
}

SCENARIO("task_group: a failure of the body cancels its tasks") {
  auto body = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(park("a"));
    co_await fail(100ms, "body");
  };
  const std::string failure = co_await failure_of(task_group(body));
  log(failure);
}

SCENARIO("task_group: failures in the cleanup join the group") {
  auto body = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail(100ms, "first"));
    group.create_task(fail_in_cleanup("second", 200ms));
    group.create_task(fail_in_cleanup("third", 100ms));
    co_return;
  };
  const std::string failure = co_await failure_of(task_group(body));
  log(failure);
}

SCENARIO("task_group: waits for slow cleanup of all") {
  auto body = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail(100ms, "first"));
    group.create_task(clean_slowly("a", 300ms));
    group.create_task(clean_slowly("b", 200ms));
    co_return;
  };
  const std::string failure = co_await failure_of(task_group(body));
  log(failure);
}

SCENARIO("task_group: a child that is cancelled by itself is no failure") {
  coil::Task<void> child;
  coil::Task<int> other;
  co_await task_group([&](TaskGroup& group) -> coil::Coro<void> {
    child = group.create_task(park("child"));
    other = group.create_task(value(200ms, 7));
    co_await sleep(100ms);
    child.cancel();
  });
  log(child.cancelled(), other.result());
}

SCENARIO("task_group: a body that swallows the cancellation: the group fails all the same") {
  auto body = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail(100ms, "child"));
    const std::string name = co_await stubborn("body", 1);
    log(name);
  };
  const std::string failure = co_await failure_of(task_group(body));
  log(failure);
}

SCENARIO("task_group: tasks may start tasks, also while the group waits") {
  co_await task_group([&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(hydra(group, 0));
    co_return;
  });
}

SCENARIO("task_group: no task once it shuts down") {
  auto body = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail(100ms, "child"));
    const auto ended = co_await coil::as_result(sleep(1h));
    try {
      group.create_task(steps("never", 1));
    } catch (const std::logic_error&) {
      log(std::current_exception());
    }
    ended.value();
  };
  const std::string failure = co_await failure_of(task_group(body));
  log(failure);
}

SCENARIO("task_group: inside a timeout: TimeoutError, not a group") {
  auto body = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(park("child"));
    co_return;
  };
  const std::string failure = co_await failure_of(coil::timeout(100ms, task_group(body)));
  log(failure);
}

SCENARIO("task_group: a timeout inside a task is a failure like any other") {
  auto body = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(coil::timeout(100ms, sleep(1h)));
    group.create_task(park("sibling"));
    co_return;
  };
  const std::string failure = co_await failure_of(task_group(body));
  log(failure);
}

SCENARIO("task_group: a task that was cancelled before its first step") {
  coil::Task<void> task;
  co_await task_group([&](TaskGroup& group) -> coil::Coro<void> {
    task = group.create_task(steps("never", 1));
    task.cancel();
    co_return;
  });
  log(task.cancelled());
}

SCENARIO("task_group: fails before the other tasks have started") {
  auto at_once = []() -> coil::Coro<void> {
    throw Failure("at once");
    co_return;
  };
  auto body = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(at_once());
    group.create_task(steps("other", 2));
    co_await sleep(0s);
    log("body");
    co_await sleep(0s);
    log("body again");
  };
  const std::string failure = co_await failure_of(task_group(body));
  log(failure);
}

SCENARIO("task_group: two failures in one turn") {
  auto body = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail(100ms, "first"));
    group.create_task(fail(100ms, "second"));
    group.create_task(park("third"));
    co_return;
  };
  const std::string failure = co_await failure_of(task_group(body));
  log(failure);
}

SCENARIO("task_group: a task fails, then the body in its cleanup") {
  auto body = [](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail(100ms, "child"));
    co_await fail_in_cleanup("body", 100ms);
  };
  const std::string failure = co_await failure_of(task_group(body));
  log(failure);
  log(coil::current_task().cancelling());
}

SCENARIO("task_group: the body fails, then a task in its cleanup") {
  auto body = [](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail_in_cleanup("child", 100ms));
    co_await fail(100ms, "body");
  };
  const std::string failure = co_await failure_of(task_group(body));
  log(failure);
}
