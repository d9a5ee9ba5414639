// The C++ half of context.py.
#include "scenarios.hpp"

using namespace conformance;

namespace {

const coil::ContextVar<std::string> name("name", "nobody");

coil::Coro<void> look(std::string who) {
  log(who, "sees", name.get());
  co_return;
}

coil::Coro<void> set_and_look(std::string who) {
  log(who, "sees", name.get());
  name.set(who);
  co_await sleep(0s);
  log(who, "sees", name.get());
}

}  // namespace

SCENARIO("context: a task has a copy of what was set when it was made") {
  name.set("maker");
  auto task = create_task(set_and_look("task"));
  name.set("later");
  co_await task;
  log(name.get());
}

SCENARIO("context: a coroutine that is awaited shares it") {
  co_await set_and_look("callee");
  log(name.get());
}

SCENARIO("context: each child of a gather has a copy") {
  name.set("maker");
  co_await coil::gather(set_and_look("a"), set_and_look("b"));
  log(name.get());
}

SCENARIO("context: tasks of tasks") {
  auto child = []() -> coil::Coro<void> {
    co_await set_and_look("child");
    co_await create_task(set_and_look("grandchild"));
    co_await look("child");
  };
  co_await create_task(child());
  log(name.get());
}

SCENARIO("context: callbacks have a copy of what was set when they were queued") {
  auto& loop = coil::get_running_loop();
  const auto callback = [](std::string who) {
    return [who] {
      log(who, "sees", name.get());
      name.set(who);
    };
  };
  name.set("one");
  loop.call_soon(callback("a"));
  name.set("two");
  loop.call_soon(callback("b"));
  loop.call_later(100ms, callback("c"));
  name.set("three");
  co_await sleep(200ms);
  log(name.get());
}

SCENARIO("context: done callbacks have that of their adding") {
  auto future = coil::get_running_loop().create_future<void>();
  name.set("added");
  future.add_done_callback([] { log("callback sees", name.get()); });
  name.set("set");
  future.set_result();
  co_await sleep(0s);
  log(name.get());
}

SCENARIO("context: a generator shares that of who asks for the next value") {
  auto values = []() -> coil::AsyncGenerator<int> {
    for (int i = 0; i < 3; ++i) {
      log("generator sees", name.get());
      name.set("generator " + std::to_string(i));
      co_yield i;
    }
  };
  auto generator = values();
  while (const int* i = co_await generator.next()) {
    log(name.get());
    name.set("loop " + std::to_string(*i));
  }
}

SCENARIO("context: bodies of timeout and group share it, children do not") {
  auto set_timeout = []() -> coil::Coro<void> {
    name.set("timeout");
    co_return;
  };
  co_await coil::timeout(1s, set_timeout);
  log(name.get());
  auto body = [](coil::TaskGroup& group) -> coil::Coro<void> {
    name.set("group");
    group.create_task(set_and_look("child"));
    co_return;
  };
  co_await coil::task_group(body);
  log(name.get());
}

SCENARIO("context: reset, and what is wrong with a token") {
  const coil::ContextVar<std::string> other("other", "");
  auto token = name.set("one");
  auto second = name.set("two");
  using Var = coil::ContextVar<std::string>;
  auto reset = [](const Var* var, const Var::Token* which) -> coil::Coro<void> {
    var->reset(*which);
    co_return;
  };
  const std::string elsewhere = co_await failure_of(create_task(reset(&name, &token)));
  log(elsewhere);
  const std::string another = co_await failure_of(reset(&other, &token));
  log(another);
  name.reset(second);
  log(name.get());
  const std::string twice = co_await failure_of(reset(&name, &second));
  log(twice);
  name.reset(token);
  log(name.get());
}

SCENARIO("context: run in a copy, and in it again") {
  name.set("outside");
  auto context = coil::copy_context();
  const auto change = [] {
    log("sees", name.get());
    name.set("inside");
  };
  context.run(change);
  log(name.get());
  context.run(change);
  auto again = [&]() -> coil::Coro<void> {
    context.run([&] { context.run(change); });
    co_return;
  };
  const std::string failure = co_await failure_of(again());
  log(failure);
}

SCENARIO("context: what was set before a failure stays set") {
  auto failing = []() -> coil::Coro<void> {
    name.set("set");
    throw Failure("broken");
    co_return;
  };
  const std::string failure = co_await failure_of(create_task(failing()));
  log(failure);
  log(name.get());
  try {
    co_await failing();
  } catch (const Failure&) {
    log(name.get());
  }
}

SCENARIO("context: two tasks that are given the same one") {
  auto context = coil::copy_context();
  auto a = create_task(set_and_look("a"), {.context = &context});
  co_await a;
  auto b = create_task(set_and_look("b"), {.context = &context});
  co_await b;
  log(context.run([] { return name.get(); }));
}
