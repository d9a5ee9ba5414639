// The C++ half of task_group_cancel.py.
#include "scenarios.hpp"

using namespace conformance;
using coil::task_group;
using coil::TaskGroup;

SCENARIO("task_group: a cancel from outside reaches all once") {
  auto body = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(clean_slowly("a", 200ms));
    group.create_task(clean_slowly("b", 100ms));
    co_await park("body");
  };
  auto task = create_task(task_group(body));
  co_await sleep(100ms);
  task.cancel("outside");
  const std::string failure = co_await failure_of(task);
  log(failure);
  log(task.cancelled());
}

SCENARIO("task_group: a cancel from outside while it waits for its tasks") {
  auto body = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(park("a"));
    group.create_task(clean_slowly("b", 200ms));
    co_return;
  };
  auto task = create_task(task_group(body));
  co_await sleep(100ms);
  task.cancel();
  const std::string failure = co_await failure_of(task);
  log(failure);
}

SCENARIO("task_group: failures during a cancel from outside win") {
  auto body = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail_in_cleanup("a", 200ms));
    group.create_task(fail_in_cleanup("b", 100ms));
    co_return;
  };
  auto task = create_task(task_group(body));
  co_await sleep(100ms);
  task.cancel();
  const std::string failure = co_await failure_of(task);
  log(failure);
}

SCENARIO("task_group: a failure and a cancel from outside: the cancel comes again at the next wait") {
  auto group_body = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail_in_cleanup("a", 200ms));
    co_await sleep(1h);
  };
  auto body = [&]() -> coil::Coro<void> {
    try {
      co_await task_group(group_body);
    } catch (const coil::ExceptionGroup&) {
      log("group failed", coil::current_task().cancelling());
    }
    co_await park("after");
  };
  auto task = create_task(body);
  co_await sleep(100ms);
  task.cancel();
  const std::string failure = co_await failure_of(task);
  log(failure);
}

SCENARIO("task_group: nested: an inner failure is one failure of the outer") {
  auto inner = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail(100ms, "inner"));
    group.create_task(park("inner sibling"));
    co_return;
  };
  auto outer = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(task_group(inner));
    group.create_task(park("outer sibling"));
    co_return;
  };
  const std::string failure = co_await failure_of(task_group(outer));
  log(failure);
}

SCENARIO("task_group: nested in the body: an inner failure that is caught does not cancel the outer") {
  coil::Task<int> task;
  auto inner = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail(100ms, "inner"));
    co_return;
  };
  co_await task_group([&](TaskGroup& outer) -> coil::Coro<void> {
    task = outer.create_task(value(300ms, 7));
    const std::string failure = co_await failure_of(task_group(inner));
    log("caught", failure);
    log(coil::current_task().cancelling());
  });
  log(task.result());
}

SCENARIO("task_group: nested: an outer failure cancels the inner group") {
  auto inner = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(park("inner child"));
    co_return;
  };
  auto outer = [&](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(task_group(inner));
    group.create_task(fail(100ms, "outer"));
    co_return;
  };
  const std::string failure = co_await failure_of(task_group(outer));
  log(failure);
}

SCENARIO("task_group: nested in the body: an outer failure cancels the inner group") {
  auto inner_body = [](TaskGroup& inner) -> coil::Coro<void> {
    inner.create_task(park("inner child"));
    co_return;
  };
  auto body = [&](TaskGroup& outer) -> coil::Coro<void> {
    outer.create_task(fail(100ms, "outer"));
    co_await task_group(inner_body);
  };
  const std::string failure = co_await failure_of(task_group(body));
  log(failure);
}

SCENARIO("task_group: nested in the body: an inner failure that nobody catches is one of the outer") {
  auto inner_body = [](TaskGroup& inner) -> coil::Coro<void> {
    inner.create_task(fail(100ms, "inner"));
    co_return;
  };
  auto body = [&](TaskGroup& outer) -> coil::Coro<void> {
    outer.create_task(park("outer child"));
    co_await task_group(inner_body);
  };
  const std::string failure = co_await failure_of(task_group(body));
  log(failure);
}

SCENARIO("task_group: nested in the body: cancelled from outside, with failures in the cleanup") {
  auto inner_body = [](TaskGroup& inner) -> coil::Coro<void> {
    inner.create_task(fail_in_cleanup("a", 200ms));
    inner.create_task(fail_in_cleanup("b", 100ms));
    co_await sleep(1h);
  };
  auto body = [&](TaskGroup& outer) -> coil::Coro<void> {
    outer.create_task(clean_slowly("outer child", 300ms));
    co_await task_group(inner_body);
  };
  auto task = create_task(task_group(body));
  co_await sleep(100ms);
  task.cancel();
  const std::string failure = co_await failure_of(task);
  log(failure);
}

SCENARIO("task_group: nested in the body: both fail in one turn") {
  auto body = [&](TaskGroup& outer) -> coil::Coro<void> {
    auto inner_body = [&](TaskGroup& inner) -> coil::Coro<void> {
      inner.create_task(fail(0ms, "inner"));
      outer.create_task(fail(0ms, "outer"));
      co_return;
    };
    const std::string failure = co_await failure_of(task_group(inner_body));
    log("caught", failure);
    log(coil::current_task().cancelling());
  };
  const std::string failure = co_await failure_of(task_group(body));
  log(failure);
  log(coil::current_task().cancelling());
}

SCENARIO("task_group: a failure after a cancel from outside interrupts the cleanup of the body") {
  auto body = [](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail(300ms, "child"));
    co_await clean_slowly("body", 500ms);
  };
  auto awaits = [](coil::Task<void> task) -> coil::Coro<void> { co_await task; };
  for (const bool nested : {false, true}) {
    auto task = create_task(task_group(body));
    auto outer = nested ? create_task(awaits(task)) : task;
    co_await sleep(100ms);
    outer.cancel();
    const std::string failure = co_await failure_of(outer);
    log(failure);
  }
}

SCENARIO("task_group: a failure in the turn of a cancel from outside") {
  auto group_body = [](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail(100ms, "child"));
    co_await park("body");
  };
  auto body = [&]() -> coil::Coro<void> {
    try {
      co_await task_group(group_body);
    } catch (const coil::ExceptionGroup&) {
      log("caught", std::current_exception(), coil::current_task().cancelling());
    }
    co_await park("after");
  };
  auto task = create_task(body);
  co_await sleep(100ms);
  const bool asked = task.cancel("outside");
  log(asked, task.cancelling());
  const std::string failure = co_await failure_of(task);
  log(failure);
  log(task.cancelled());
}

SCENARIO("task_group: a body that answers a cancel from outside with a failure") {
  auto body = [](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(park("child"));
    co_await fail_in_cleanup("body", 100ms);
  };
  auto task = create_task(task_group(body));
  co_await sleep(100ms);
  task.cancel();
  const std::string failure = co_await failure_of(task);
  log(failure);
  log(task.cancelled());
}

SCENARIO("task_group: a failure inside the cleanup of a cancelled task") {
  auto cleanup = [](TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail(100ms, "child"));
    co_return;
  };
  auto body = [&]() -> coil::Coro<void> {
    const auto ended = co_await coil::as_result(sleep(1h));
    const std::string of_cleanup = co_await failure_of(task_group(cleanup));
    log(of_cleanup);
    const std::string of_sleep = co_await failure_of(sleep(100ms));
    log(of_sleep);
    ended.value();
  };
  auto task = create_task(body);
  co_await sleep(100ms);
  task.cancel();
  const std::string failure = co_await failure_of(task);
  log(failure);
}
