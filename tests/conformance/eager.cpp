// The C++ half of eager.py.
#include "scenarios.hpp"

using namespace conformance;

namespace {

constexpr coil::TaskOptions eager{.eager = true};

const coil::ContextVar<std::string> name("name", "nobody");

coil::Coro<int> at_once(int result) { co_return result; }

coil::Coro<void> fail_at_once(std::string text) {
  throw Failure(text);
  co_return;
}

}  // namespace

SCENARIO("eager: the first step runs at the call, the rest behind what is queued") {
  coil::get_running_loop().call_soon([] { log("queued"); });
  auto task = create_task(steps("task", 2), eager);
  log("created", task.done());
  co_await task;
}

SCENARIO("eager: one that does not wait is done at the call, and awaiting it lets nobody else run") {
  auto other = create_task(steps("other", 0));
  auto task = create_task(at_once(7), eager);
  task.add_done_callback([](coil::Task<int> t) { log("callback", t.result()); });
  const bool asked = task.cancel();
  const int got = co_await task;
  log(task.done(), asked, got, task.cancelled());
  co_await other;
  co_await sleep(0s);
}

SCENARIO("eager: a failure of the first step is kept in the task") {
  auto task = create_task(fail_at_once("x"), eager);
  log("created", task.done());
  const std::string failure = co_await failure_of(task);
  log(failure);
  auto cancelled = []() -> coil::Coro<void> {
    throw coil::CancelledError("own");
    co_return;
  };
  task = create_task(cancelled, eager);
  log(task.cancelled());
  const std::string own = co_await failure_of(task);
  log(own);
}

SCENARIO("eager: a failure that nobody takes goes to the handler") {
  create_task(fail_at_once("unheard"), eager);
  log("created");
  co_return;
}

SCENARIO("eager: cancelled after the first step, and by itself in the first step") {
  auto task = create_task(park("task"), eager);
  const bool asked = task.cancel("why");
  log(asked, task.cancelling());
  const std::string of_parked = co_await failure_of(task);
  log(of_parked);
  auto cancels_itself = []() -> coil::Coro<void> {
    coil::current_task().cancel("self");
    log("goes on");
    co_await park("itself");
  };
  task = create_task(cancels_itself, eager);
  log(task.done(), task.cancelling());
  const std::string of_itself = co_await failure_of(task);
  log(of_itself);
  auto ends = []() -> coil::Coro<void> {
    coil::current_task().cancel("self");
    co_return;
  };
  task = create_task(ends, eager);
  log(task.done());
  const bool cancelled = task.cancelled();
  const std::string of_ended = co_await failure_of(task);
  log(cancelled, of_ended);
}

SCENARIO("eager: which task is the current one, and which are all") {
  auto future = coil::get_running_loop().create_future<void>();
  const auto tell = [](const char* who) { log(who, coil::current_task().name(), coil::all_tasks().size()); };
  auto inner = [&]() -> coil::Coro<void> {
    tell("inner");
    co_await future;
    tell("inner");
  };
  auto outer = [&]() -> coil::Coro<coil::Task<void>> {
    tell("outer");
    auto task = create_task(inner, {.name = "inner", .eager = true});
    tell("outer");
    co_return task;
  };
  coil::current_task().set_name("main");
  auto task = create_task(outer, {.name = "outer", .eager = true});
  log(coil::current_task().name(), coil::all_tasks().size());
  future.set_result();
  auto started = co_await task;
  co_await started;
  log(coil::current_task().name(), coil::all_tasks().size());
}

SCENARIO("eager: the first step sets what its maker waits for") {
  auto future = coil::get_running_loop().create_future<int>();
  auto sets = [&]() -> coil::Coro<void> {
    future.set_result(7);
    co_return;
  };
  auto task = create_task(sets, eager);
  const int got = co_await future;
  log(task.done(), got);
}

SCENARIO("eager: the context is a copy from the first step on") {
  auto body = []() -> coil::Coro<void> {
    log("first step sees", name.get());
    name.set("task");
    co_await sleep(0s);
    log("second step sees", name.get());
  };
  name.set("maker");
  auto task = create_task(body, eager);
  log("maker sees", name.get());
  name.set("later");
  co_await task;
  log("maker sees", name.get());
}

SCENARIO("eager: in a task group, done at once, later, and failed at once") {
  coil::Task<int> first;
  coil::Task<int> second;
  auto good = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    first = group.create_task(at_once(1), eager);
    second = group.create_task(value(100ms, 2), eager);
    log(first.done(), second.done());
    co_return;
  };
  auto bad = [](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(park("sibling"), eager);
    group.create_task(fail_at_once("x"), eager);
    log("body goes on");
    co_await park("body");
  };
  co_await coil::task_group(good);
  log(first.result(), second.result());
  const std::string failure = co_await failure_of(coil::task_group(bad));
  log(failure);
  log(coil::current_task().cancelling());
}

SCENARIO("eager: in gather, wait and wait_for, done or not") {
  const auto [one, two] = co_await coil::gather(create_task(at_once(1), eager), create_task(value(100ms, 2), eager));
  log(std::vector<int>{one, two});
  const std::vector tasks{create_task(at_once(1), eager), create_task(value(100ms, 2), eager)};
  const auto result = co_await coil::wait(tasks, {.return_when = coil::ReturnWhen::first_completed});
  log(result.done.size(), result.pending.size());
  const int got = co_await coil::wait_for(create_task(at_once(1), eager), 0s);
  log(got);
  const std::string failure = co_await failure_of(coil::wait_for(create_task(park("parked"), eager), 200ms));
  log(failure);
}
