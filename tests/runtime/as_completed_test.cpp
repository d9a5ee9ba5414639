#include <coil/as_completed.hpp>

#include <coil/context_var.hpp>

#include "../support/loop_test.hpp"

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using coil_test::elapsed;
using coil_test::fail_after;
using coil_test::value_after;
using Ints = std::vector<int>;
using Tasks = std::vector<coil::Task<int>>;

namespace {

template <class Range>
Tasks tasks_ending_after(const Range& seconds) {
  Tasks tasks;
  for (const int each : seconds) tasks.push_back(coil::create_task(value_after(std::chrono::seconds(each), each)));
  return tasks;
}

coil::Coro<Ints> results_of(coil::AsyncGenerator<coil::Task<int>> ended) {
  Ints results;
  while (const auto* task = co_await ended.next()) results.push_back(co_await *task);
  co_return results;
}

std::size_t timers() { return coil::get_running_loop().metrics().timers; }

}  // namespace

// ---- What it gives ---------------------------------------------------------------------------------------

LOOP_TEST("as_completed: gives the tasks themselves, in the order in which they end") {
  const Tasks tasks = tasks_ending_after(Ints{3, 1, 2});
  coil::AsyncGenerator<coil::Task<int>> ended = coil::as_completed(tasks);
  for (const std::size_t index : {1U, 2U, 0U}) {
    coil::Task<int>* task = co_await ended.next();
    REQUIRE(task != nullptr);
    CHECK(*task == tasks[index]);
    CHECK(task->done());
    CHECK(elapsed() == std::chrono::seconds(task->result()));
  }
  for (int i = 0; i < 2; ++i) {
    const auto* end = co_await ended.next();
    CHECK(end == nullptr);
  }
}

LOOP_TEST("as_completed: tasks that end together come in the order of their ends") {
  Tasks tasks;
  for (int i = 0; i < 4; ++i) tasks.push_back(coil::create_task(value_after(1s, i)));
  const Ints order = co_await results_of(coil::as_completed(tasks));
  CHECK(order == Ints{0, 1, 2, 3});
}

LOOP_TEST("as_completed: tasks that are done already come in the order of the range") {
  Tasks tasks;
  for (int i = 0; i < 4; ++i) tasks.push_back(coil::create_task(value_after((4 - i) * 1s, i)));
  co_await coil::gather(tasks);
  const Ints order = co_await results_of(coil::as_completed(tasks));
  CHECK(order == Ints{0, 1, 2, 3});
}

LOOP_TEST("as_completed: coroutines become tasks at the call, in their order, and start on the next turn") {
  std::string log;
  auto child = [&](std::string name) -> coil::Coro<int> {
    log += name;
    co_return 0;
  };
  std::vector<coil::Coro<int>> children;
  for (const char* name : {"a", "b", "c"}) children.push_back(child(name));
  auto ended = coil::as_completed(std::move(children));
  CHECK(log == "");
  CHECK(coil::get_running_loop().metrics().tasks == 4);
  co_await coil::yield();
  CHECK(log == "abc");
  const Ints results = co_await results_of(std::move(ended));
  CHECK(results.size() == 3);
}

LOOP_TEST("as_completed: takes callables, operations, void tasks, and any range") {
  std::list<std::function<coil::Coro<int>()>> callables;
  for (int i = 0; i < 2; ++i) callables.emplace_back([i] { return value_after((2 - i) * 1s, i); });
  const Ints results = co_await results_of(coil::as_completed(callables));
  CHECK(results == Ints{1, 0});
  const coil::time_point start = coil::get_running_loop().time();
  const std::vector operations{coil::sleep_until(start + 2s), coil::sleep_until(start + 1s)};
  coil::AsyncGenerator<coil::Task<void>> sleeps = coil::as_completed(operations);
  int count = 0;
  while (auto* task = co_await sleeps.next()) {
    co_await *task;
    ++count;
  }
  CHECK(count == 2);
  CHECK(elapsed() == 4s);
}

LOOP_TEST("as_completed: of futures gives futures") {
  std::vector<coil::Future<int>> futures;
  for (int i = 0; i < 3; ++i) futures.push_back(coil::get_running_loop().create_future<int>());
  coil::AsyncGenerator<coil::Future<int>> ended = coil::as_completed(futures);
  futures[1].set_result(1);
  futures[2].cancel();
  auto* first = co_await ended.next();
  CHECK(*first == futures[1]);
  auto* second = co_await ended.next();
  CHECK(second->cancelled());
}

LOOP_TEST("as_completed: results may be move-only") {
  std::vector<coil::Coro<std::unique_ptr<int>>> children;
  auto child = [](int value) -> coil::Coro<std::unique_ptr<int>> { co_return std::make_unique<int>(value); };
  for (int i = 0; i < 2; ++i) children.push_back(child(i));
  auto ended = coil::as_completed(std::move(children));
  int sum = 0;
  while (auto* task = co_await ended.next()) {
    auto result = co_await *task;
    sum += *result;
  }
  CHECK(sum == 1);
}

LOOP_TEST("as_completed: what is in the range twice is given once") {
  Tasks tasks = tasks_ending_after(Ints{2, 1});
  tasks.push_back(tasks[0]);
  tasks.push_back(tasks[1]);
  const Ints results = co_await results_of(coil::as_completed(tasks));
  CHECK(results == Ints{1, 2});
}

LOOP_TEST("as_completed: of nothing is at its end at once") {
  auto ended = coil::as_completed(Tasks(), {.timeout = 1s});
  const auto* end = co_await ended.next();
  CHECK(end == nullptr);
  CHECK(timers() == 0);
}

LOOP_TEST("as_completed: a task that failed or was cancelled is given as any other") {
  Tasks tasks{coil::create_task(fail_after(1s, "on purpose")), coil::create_task(value_after(1h, 1)),
              coil::create_task(value_after(3s, 3))};
  tasks[1].cancel();
  auto ended = coil::as_completed(tasks);
  auto* task = co_await ended.next();
  CHECK(task->cancelled());
  task = co_await ended.next();
  CHECK_AWAIT_FAILS_WITH(*task, "on purpose");
  task = co_await ended.next();
  CHECK(task->result() == 3);
}

LOOP_TEST("as_completed: a failed task that is given out and not looked at is reported") {
  {
    auto ended = coil::as_completed(Tasks{coil::create_task(fail_after(1s, "unheard"))});
    co_await ended.next();
    CHECK(reports.size() == 0);
    const auto* end = co_await ended.next();
    CHECK(end == nullptr);
  }
  CHECK(reports.take().error == "unheard");
}

LOOP_TEST("as_completed: its task is told of an end two turns later, as in asyncio") {
  auto future = coil::get_running_loop().create_future<int>();
  auto ended = coil::as_completed(std::vector<coil::Future<int>>{future});
  auto next = coil::create_task(ended.next());
  co_await coil::yield();
  coil_test::TurnCounter turns;
  future.set_result(1);
  co_await next;
  CHECK(turns.count() == 3);  // the callback, the step of `next`, that of this task
  auto again = coil::as_completed(std::vector<coil::Future<int>>{future});
  const int before = turns.count();
  co_await again.next();
  CHECK(turns.count() - before == 2);
}

LOOP_TEST("as_completed: coroutines run in copies of the caller's context") {
  const coil::ContextVar<int> number("number", 0);
  auto child = [&]() -> coil::Coro<int> {
    const int seen = number.get();
    number.set(7);
    co_return seen;
  };
  number.set(5);
  std::vector<coil::Coro<int>> children;
  children.push_back(child());
  children.push_back(child());
  auto ended = coil::as_completed(std::move(children));
  number.set(6);
  const Ints results = co_await results_of(std::move(ended));
  CHECK(results == Ints{5, 5});
  CHECK(number.get() == 6);
}

// ---- Timeouts --------------------------------------------------------------------------------------------

LOOP_TEST("as_completed: after the timeout next() throws TimeoutError, then gives null; the tasks run on") {
  const Tasks tasks = tasks_ending_after(Ints{1, 5, 6});
  auto ended = coil::as_completed(tasks, {.timeout = 3s});
  auto* task = co_await ended.next();
  CHECK(task->result() == 1);
  CHECK_AWAIT_THROWS(ended.next(), coil::TimeoutError);
  CHECK(elapsed() == 3s);
  const auto* end = co_await ended.next();
  CHECK(end == nullptr);
  CHECK(!tasks[1].done());
  const int five = co_await tasks[1];
  const int six = co_await tasks[2];
  CHECK(five + six == 11);
}

LOOP_TEST("as_completed: the time runs from the call") {
  auto ended = coil::as_completed(tasks_ending_after(Ints{5}), {.timeout = 3s});
  co_await coil::sleep(2s);
  CHECK_AWAIT_THROWS(ended.next(), coil::TimeoutError);
  CHECK(elapsed() == 3s);
  co_await coil::sleep(5s);
}

LOOP_TEST("as_completed: the timeout is any duration") {
  const Tasks tasks = tasks_ending_after(Ints{2});
  auto soon = coil::as_completed(tasks, {.timeout = 0.5s});
  auto error = co_await coil::as_result(soon.next());
  CHECK_THROWS_AS(error.value(), coil::TimeoutError);
  CHECK(elapsed() == 500ms);
  auto never = coil::as_completed(tasks, {.timeout = std::chrono::hours::max()});
  const auto* ended = co_await never.next();
  CHECK(ended != nullptr);
}

LOOP_TEST("as_completed: what ended before the timeout is still given, then comes the TimeoutError") {
  auto ended = coil::as_completed(tasks_ending_after(Ints{1, 2, 9}), {.timeout = 3s});
  co_await coil::sleep(5s);
  for (const int result : {1, 2}) {
    const auto* task = co_await ended.next();
    CHECK(task->result() == result);
  }
  CHECK_AWAIT_THROWS(ended.next(), coil::TimeoutError);
  co_await coil::sleep(5s);
}

LOOP_TEST("as_completed: with a timeout of zero or less only what is done already is given") {
  for (const auto timeout : {0s, -1s}) {
    Tasks tasks = tasks_ending_after(Ints{1, 2});
    co_await tasks[0];
    auto ended = coil::as_completed(tasks, {.timeout = timeout});
    const auto* task = co_await ended.next();
    CHECK(*task == tasks[0]);
    CHECK_AWAIT_THROWS(ended.next(), coil::TimeoutError);
    co_await tasks[1];
  }
}

LOOP_TEST("as_completed: when all have ended there is no timeout any more, nor a timer") {
  auto ended = coil::as_completed(tasks_ending_after(Ints{1, 2}), {.timeout = 3s});
  co_await coil::sleep(2500ms);
  CHECK(timers() == 0);
  co_await coil::sleep(5s);
  const Ints results = co_await results_of(std::move(ended));
  CHECK(results == Ints{1, 2});
}

// ---- Dropped and cancelled -------------------------------------------------------------------------------

LOOP_TEST("as_completed: dropped before, between or after its values: the tasks run on, and nothing is left") {
  for (int given = 0; given <= 3; ++given) {
    const Tasks tasks = tasks_ending_after(Ints{1, 2, 3});
    co_await coil::yield();
    const auto frames = coil::detail::live_frames();
    {
      auto ended = coil::as_completed(tasks, {.timeout = 10s});
      for (int i = 0; i < given; ++i) co_await ended.next();
      CHECK(timers() == static_cast<std::size_t>(given == 3 ? 0 : 4 - given));
    }
    CHECK(timers() == static_cast<std::size_t>(3 - given));
    CHECK(coil::detail::live_frames() == frames - given);
    co_await coil::gather(tasks);
  }
}

LOOP_TEST("as_completed: coroutines run also if the generator is dropped at once") {
  std::string log;
  auto child = [&](std::string name) -> coil::Coro<int> {
    co_await coil::sleep(1s);
    log += name;
    co_return 0;
  };
  {
    std::vector<coil::Coro<int>> children;
    children.push_back(child("a"));
    children.push_back(child("b"));
    static_cast<void>(coil::as_completed(std::move(children)));
  }
  co_await coil::sleep(2s);
  CHECK(log == "ab");
}

LOOP_TEST("as_completed: dropped in the turn in which a task ends") {
  auto future = coil::get_running_loop().create_future<int>();
  std::optional ended(coil::as_completed(std::vector<coil::Future<int>>{future}));
  future.set_result(1);
  ended.reset();
  co_await coil::yield();
  co_await coil::yield();
  CHECK(future.done());
}

LOOP_TEST("as_completed: a next() that is cancelled ends the generator; the tasks run on") {
  const Tasks tasks = tasks_ending_after(Ints{1, 2});
  auto ended = coil::as_completed(tasks, {.timeout = 10s});
  auto next = coil::create_task(ended.next());
  co_await coil::yield();
  next.cancel();
  CHECK_AWAIT_THROWS(next, coil::CancelledError);
  const auto* end = co_await ended.next();
  CHECK(end == nullptr);
  CHECK(timers() == 2);
  const Ints results = co_await coil::gather(tasks);
  CHECK(results == Ints{1, 2});
}

LOOP_TEST("as_completed: a next() that is cancelled in the turn of its wake-up throws, before it and after") {
  for (const bool before : {true, false}) {
    auto future = coil::get_running_loop().create_future<int>();
    auto ended = coil::as_completed(std::vector<coil::Future<int>>{future});
    auto next = coil::create_task(ended.next());
    co_await coil::yield();
    future.set_result(1);
    if (before) next.cancel();
    co_await coil::yield();  // its task is ready now
    if (!before) next.cancel();
    CHECK_AWAIT_THROWS(next, coil::CancelledError);
  }
}

// ---- Misuse ----------------------------------------------------------------------------------------------

TEST_CASE("as_completed: outside a loop is a logic_error") {
  CHECK_THROWS_AS(static_cast<void>(coil::as_completed(Tasks())), std::logic_error);
}

LOOP_TEST("as_completed: of an empty handle or of the task itself is a logic_error that says so") {
  std::string said;
  try {
    static_cast<void>(coil::as_completed(Tasks{coil::Task<int>()}));
  } catch (const std::logic_error& error) {
    said = error.what();
  }
  CHECK(said.find("as_completed()") != std::string::npos);
  coil::Task<void> self;
  auto body = [&]() -> coil::Coro<void> {
    CHECK_THROWS_AS(static_cast<void>(coil::as_completed(std::vector{self})), std::logic_error);
    co_return;
  };
  self = coil::create_task(body());
  co_await self;
}
