// Eager tasks: their first step runs inside create_task. As asyncio's eager_task_factory (CPython 3.12), but asked for
// with each call.
#include <coil/create_task.hpp>

#include <coil/context_var.hpp>
#include <coil/shield.hpp>
#include <coil/wait.hpp>

#include "../support/loop_test.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil_test::elapsed;
using coil_test::value_after;

namespace {

constexpr coil::TaskOptions eager{.eager = true};

coil::Coro<int> at_once(int value) { co_return value; }

coil::Coro<int> fail_at_once(std::string what) {
  throw std::runtime_error(what);
  co_return 0;
}

bool is_in_all_tasks(const coil::TaskRef& task) {
  const auto tasks = coil::all_tasks();
  return std::count(tasks.begin(), tasks.end(), task) == 1;
}

}  // namespace

LOOP_TEST("create_task: eager runs the first step at the call, up to its first suspension") {
  std::string log;
  auto work = [&]() -> coil::Coro<int> {
    log += "started;";
    co_await coil::sleep(1s);
    log += "finished;";
    co_return 2;
  };
  auto task = coil::create_task(work(), {.eager = true});
  CHECK(log == "started;");
  CHECK(!task.done());
  const int value = co_await task;
  CHECK(value == 2);
  CHECK(log == "started;finished;");
}

LOOP_TEST("create_task: eager, a task that never suspends is done on return") {
  auto good = coil::create_task([]() -> coil::Coro<int> { co_return 5; }(), {.eager = true});
  auto bad = coil::create_task(
      []() -> coil::Coro<int> {
        throw std::runtime_error("x");
        co_return 5;
      }(),
      {.eager = true});
  CHECK(good.done());
  CHECK(good.result() == 5);
  CHECK(bad.done());
  CHECK(coil_test::text_of(bad.exception()) == "x");
  CHECK(!good.cancel());
  co_await coil::yield();
}

LOOP_TEST("create_task: eager, current_task() is the new task inside and the old one after") {
  const coil::TaskRef outer = coil::current_task();
  coil::TaskRef inner = outer;
  auto look = [&]() -> coil::Coro<void> {
    inner = coil::current_task();
    co_await coil::yield();
    CHECK(coil::current_task() == inner);
  };
  auto task = coil::create_task(look(), {.eager = true});
  CHECK(inner == coil::TaskRef(task));
  CHECK(coil::current_task() == outer);
  co_await task;
}

LOOP_TEST("create_task: eager ones can be nested") {
  std::string log;
  auto inner = [&]() -> coil::Coro<void> {
    log += "inner;";
    co_await coil::yield();
    log += "inner end;";
  };
  auto outer = [&]() -> coil::Coro<void> {
    log += "outer;";
    auto task = coil::create_task(inner(), {.eager = true});
    log += "outer goes on;";
    co_await task;
  };
  co_await coil::create_task(outer(), {.eager = true});
  CHECK(log == "outer;inner;outer goes on;inner end;");
}

LOOP_TEST("create_task: eager, awaiting one that is done already does not yield") {
  coil_test::TurnCounter turns;
  co_await coil::yield();
  const int before = turns.count();
  auto task = coil::create_task(at_once(5), eager);
  const int value = co_await task;
  CHECK(value == 5);
  CHECK(turns.count() == before);
}

LOOP_TEST("create_task: eager, an exception of the first step is stored, not thrown, and reported if nobody takes it") {
  coil::Task<int> task;
  CHECK_NOTHROW(task = coil::create_task(fail_at_once("x"), eager));
  CHECK(task.done());
  CHECK_AWAIT_FAILS_WITH(task, "x");
  CHECK(reports.size() == 0);
  coil::create_task(fail_at_once("unheard"), eager);
  CHECK(reports.take().error == "unheard");
}

LOOP_TEST("create_task: eager, one that throws CancelledError at once is cancelled") {
  auto work = []() -> coil::Coro<void> {
    throw coil::CancelledError("at once");
    co_return;
  };
  auto task = coil::create_task(work(), eager);
  CHECK(task.cancelled());
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
}

LOOP_TEST("create_task: eager, cancel() of one that is done does nothing") {
  auto task = coil::create_task(at_once(5), eager);
  CHECK(!task.cancel());
  CHECK(task.cancelling() == 0);
  const int value = co_await task;
  CHECK(value == 5);
}

LOOP_TEST("create_task: eager, cancel() after the first step is thrown at its await") {
  std::string log;
  auto task = coil::create_task(coil_test::park(log, "task"), eager);
  CHECK(task.cancel("enough"));
  CHECK(task.cancelling() == 1);
  CHECK(log == "");
  std::string message;
  try {
    co_await task;
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(message == "enough");
  CHECK(log == "task cancelled;");
}

LOOP_TEST("create_task: eager, one that cancels itself in its first step gets it at its first await") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    coil::current_task().cancel();
    log += "goes on;";
    co_await coil_test::park(log, "task");
  };
  auto task = coil::create_task(work(), eager);
  CHECK(log == "goes on;");
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "goes on;task cancelled;");
  CHECK(elapsed() == 0s);
}

LOOP_TEST("create_task: eager, one that cancels its maker in its first step is no special case") {
  auto work = [](coil::TaskRef maker) -> coil::Coro<void> {
    maker.cancel("from the child");
    co_await coil::sleep(1s);
  };
  std::string log;
  coil::Task<void> child;
  auto make = [&]() -> coil::Coro<void> {
    child = coil::create_task(work(coil::current_task()), eager);
    log += "made;";
    co_await coil::sleep(1h);
  };
  auto maker = coil::create_task(make());
  CHECK_AWAIT_THROWS(maker, coil::CancelledError);
  CHECK(log == "made;");
  co_await child;
}

LOOP_TEST("create_task: eager, current_task() is right at every depth, before and after") {
  std::vector<coil::TaskRef> inside(4);
  std::vector<coil::TaskRef> after(4);
  auto work = [&](auto self, std::size_t depth) -> coil::Coro<void> {
    inside[depth] = coil::current_task();
    if (depth + 1 < inside.size()) {
      auto child = coil::create_task(self(self, depth + 1), eager);
      CHECK(coil::TaskRef(child) == inside[depth + 1]);
    }
    after[depth] = coil::current_task();
    co_await coil::yield();
    CHECK(coil::current_task() == inside[depth]);
  };
  const coil::TaskRef outer = coil::current_task();
  auto task = coil::create_task(work(work, 0), eager);
  CHECK(coil::current_task() == outer);
  CHECK(inside == after);
  for (std::size_t i = 0; i < inside.size(); ++i) CHECK(std::count(inside.begin(), inside.end(), inside[i]) == 1);
  co_await coil::sleep(1s);
}

LOOP_TEST("create_task: eager, is among all_tasks() while it runs and while it waits, and not once it is done") {
  bool inside = false;
  auto work = [&](bool waits) -> coil::Coro<void> {
    inside = is_in_all_tasks(coil::current_task());
    if (waits) co_await coil::sleep(1s);
  };
  auto done = coil::create_task(work(false), eager);
  CHECK(inside);
  CHECK(!is_in_all_tasks(done));
  auto waiting = coil::create_task(work(true), eager);
  CHECK(is_in_all_tasks(waiting));
  CHECK(coil::get_running_loop().metrics().tasks == 2);
  co_await waiting;
  CHECK(!is_in_all_tasks(waiting));
}

LOOP_TEST("create_task: eager, from a callback, where there is no task before and after") {
  bool checked = false;
  coil::Task<int> task;
  coil::get_running_loop().call_soon([&] {
    auto look = [&]() -> coil::Coro<int> {
      const coil::TaskRef inside = coil::current_task();
      co_await coil::yield();
      CHECK(coil::current_task() == inside);
      co_return 3;
    };
    task = coil::create_task(look, eager);
    CHECK_THROWS_AS(coil::current_task(), std::logic_error);
    checked = true;
  });
  co_await coil::yield();
  CHECK(checked);
  const int value = co_await task;
  CHECK(value == 3);
}

LOOP_TEST("create_task: eager, the first step runs in the task's context, and the maker's is back afterwards") {
  coil::ContextVar<int> where("where", 0);
  coil::Context context = coil::copy_context();
  context.run([&] { where.set(1); });
  auto work = [&]() -> coil::Coro<void> {
    CHECK(where.get() == 1);
    auto inherits = [&]() -> coil::Coro<void> {
      CHECK(where.get() == 1);
      where.set(2);
      co_return;
    };
    co_await coil::create_task(inherits(), eager);
    CHECK(where.get() == 1);
    co_await coil::yield();
    CHECK(where.get() == 1);
  };
  CHECK(where.get() == 0);
  auto task = coil::create_task(work(), {.context = &context, .eager = true});
  CHECK(where.get() == 0);
  co_await task;
  CHECK(where.get() == 0);
}

LOOP_TEST("create_task: eager, has its name in its first step") {
  std::string name;
  auto work = [&]() -> coil::Coro<void> {
    name = coil::current_task().name();
    co_return;
  };
  co_await coil::create_task(work(), {.name = "early", .eager = true});
  CHECK(name == "early");
}

LOOP_TEST("create_task: eager, in the form with a callable and arguments, which are kept") {
  auto add = [](std::string a, std::string b) -> coil::Coro<std::string> {
    co_await coil::yield();
    co_return a + b;
  };
  auto task = coil::create_task(eager, add, std::string(100, 'a'), std::string(100, 'b'));
  const std::string text = co_await task;
  CHECK(text.size() == 200);
}

LOOP_TEST("create_task: eager, done callbacks of one that is done come on a later turn") {
  auto task = coil::create_task(at_once(5), eager);
  int got = 0;
  task.add_done_callback([&](coil::Task<int> done) { got = done.result(); });
  CHECK(got == 0);
  co_await coil::yield();
  CHECK(got == 5);
}

LOOP_TEST("create_task: eager, thousands of awaits in the first step go on where they are, and the maker after them") {
  auto count = [&](int times) -> coil::Coro<int> {
    int sum = 0;
    for (int i = 0; i < times; ++i) sum += co_await at_once(1);
    co_return sum;
  };
  auto work = [&]() -> coil::Coro<int> {
    auto inner = coil::create_task(count(1000), eager);
    CHECK(inner.done());
    const int mine = co_await count(1000);
    co_return mine + inner.result();
  };
  auto task = coil::create_task(work(), eager);
  CHECK(task.done());
  CHECK(task.result() == 2000);
  const int mine = co_await count(1000);
  CHECK(mine == 1000);
}

LOOP_TEST("create_task: eager ones are taken by gather, wait, shield and wait_for, done or not") {
  const std::vector<coil::Task<int>> tasks{coil::create_task(at_once(1), eager),
                                           coil::create_task(value_after(1s, 2), eager)};
  const auto first = co_await coil::wait(tasks, {.return_when = coil::ReturnWhen::first_completed});
  CHECK(first.done == std::vector<coil::Task<int>>{tasks[0]});
  const int shielded = co_await coil::shield(tasks[0]);
  const int timed = co_await coil::wait_for(tasks[0], 0s);
  const auto values = co_await coil::gather(tasks);
  CHECK(shielded + timed == 2);
  CHECK(values == std::vector<int>{1, 2});
  CHECK(elapsed() == 1s);
}

LOOP_TEST("create_task: eager in a task group, done at once or later, is waited for") {
  std::string log;
  auto work = [&](char name, bool waits) -> coil::Coro<void> {
    log += name;
    if (waits) co_await coil::sleep(1s);
    log += name;
  };
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(work('a', false), eager);
    group.create_task(work('b', true), eager);
    log += ';';
    co_return;
  };
  co_await coil::task_group(body);
  CHECK(log == "aab;b");
}

LOOP_TEST("create_task: eager in a task group, a failure of the first step cancels the body at its next await") {
  std::string log;
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail_at_once("x"), eager);
    log += "goes on;";
    co_await coil_test::park(log, "body");
  };
  std::string failure;
  try {
    co_await coil::task_group(body);
  } catch (const coil::ExceptionGroup& group) {
    failure = coil_test::text_of(group.exceptions()[0]);
  }
  CHECK(failure == "x");
  CHECK(log == "goes on;body cancelled;");
  CHECK(coil::current_task().cancelling() == 0);
}

LOOP_TEST("create_task: eager in a task group, ends the group also if it is the only one and done at once") {
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<int> {
    auto task = group.create_task(at_once(4), eager);
    co_return task.result();
  };
  const int value = co_await coil::task_group(body);
  CHECK(value == 4);
}

LOOP_TEST("create_task: eager ones nested a thousand deep") {
  auto work = [](auto self, int depth) -> coil::Coro<int> {
    if (depth == 0) co_return 0;
    auto child = coil::create_task(self(self, depth - 1), eager);
    const int below = co_await child;
    co_return below + 1;
  };
  auto task = coil::create_task(work(work, 1000), eager);
  CHECK(task.done());
  const int depth = co_await task;
  CHECK(depth == 1000);
}

LOOP_TEST("create_task: eager, order: the first step before everything that is queued, the rest after it") {
  std::string log;
  auto& loop = coil::get_running_loop();
  auto work = [&]() -> coil::Coro<void> {
    log += "first;";
    co_await coil::yield();
    log += "second;";
  };
  loop.call_soon([&] { log += "queued before;"; });
  auto task = coil::create_task(work(), eager);
  loop.call_soon([&] { log += "queued after;"; });
  co_await task;
  CHECK(log == "first;queued before;second;queued after;");
}
