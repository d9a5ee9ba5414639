#include <coil/task.hpp>

#include "../support/loop_test.hpp"

#include <algorithm>
#include <string>

using namespace std::chrono_literals;
using coil_test::fail_after;
using coil_test::value_after;

LOOP_TEST("task: done callbacks run in order, queued when the task ends") {
  std::string log;
  auto work = [&]() -> coil::Coro<int> {
    co_await coil::sleep(1s);
    log += "end;";
    co_return 4;
  };
  auto task = coil::create_task(work());
  task.add_done_callback([&](coil::Task<int> done) { log += "first " + std::to_string(done.result()) + ";"; });
  task.add_done_callback([&] { log += "second;"; });
  co_await coil::sleep(2s);
  CHECK(log == "end;first 4;second;");
}

LOOP_TEST("task: a done callback is given the task itself") {
  auto task = coil::create_task(value_after(1s, 4));
  coil::Task<int> given;
  task.add_done_callback([&](coil::Task<int> done) { given = done; });
  co_await coil::sleep(2s);
  CHECK(given == task);
}

LOOP_TEST("task: a done callback added to a task that is done runs in a later turn, not at once") {
  auto task = coil::create_task(value_after(0s, 4));
  co_await task;
  bool called = false;
  task.add_done_callback([&] { called = true; });
  CHECK(!called);
  co_await coil::yield();
  CHECK(called);
}

LOOP_TEST("task: done callbacks run after a failure and after a cancellation") {
  auto failed = coil::create_task(fail_after(1s, "x"));
  auto cancelled = coil::create_task(value_after(1s, 0));
  std::string log;
  failed.add_done_callback([&](coil::Task<int> task) { log += coil_test::text_of(task.exception()) + ";"; });
  cancelled.add_done_callback([&](coil::Task<int> task) { log += task.cancelled() ? "cancelled;" : "?;"; });
  cancelled.cancel();
  co_await coil::sleep(2s);
  CHECK(log == "cancelled;x;");
}

LOOP_TEST("task: an exception in a done callback reaches the exception handler, the other callbacks run") {
  auto task = coil::create_task(value_after(1s, 4));
  bool second = false;
  task.add_done_callback([] { throw std::runtime_error("in the callback"); });
  task.add_done_callback([&] { second = true; });
  co_await coil::sleep(2s);
  CHECK(second);
  CHECK(reports.take().error == "in the callback");
}

LOOP_TEST("task: what a done callback holds is released after it ran") {
  auto shared = std::make_shared<int>(1);
  auto task = coil::create_task(value_after(1s, 4));
  task.add_done_callback([shared] { static_cast<void>(shared); });
  CHECK(shared.use_count() == 2);
  co_await coil::sleep(2s);
  CHECK(shared.use_count() == 1);
}

LOOP_TEST("task: current_task() is the task that runs, also inside the coroutines that it awaits") {
  auto who = [&]() -> coil::Coro<coil::TaskRef> {
    co_await coil::yield();
    co_return coil::current_task();
  };
  const coil::TaskRef outer = coil::current_task();
  coil::TaskRef before;
  coil::TaskRef inside;
  auto work = [&]() -> coil::Coro<void> {
    before = coil::current_task();
    inside = co_await who();
  };
  auto task = coil::create_task(work());
  co_await task;
  CHECK(before == coil::TaskRef(task));
  CHECK(inside == before);
  CHECK(inside != outer);
  CHECK(coil::current_task() == outer);
}

LOOP_TEST("task: all_tasks() are those that are not done, the running one among them") {
  auto pending = coil::create_task(value_after(1h, 0));
  auto done = coil::create_task(value_after(1s, 0));
  co_await coil::sleep(2s);
  const auto tasks = coil::all_tasks();
  const auto has = [&](const coil::TaskRef& wanted) { return std::count(tasks.begin(), tasks.end(), wanted) == 1; };
  CHECK(tasks.size() == 2);
  CHECK(has(pending));
  CHECK(has(coil::current_task()));
  CHECK(!has(done));
  pending.cancel();
  co_await coil::sleep(1s);
  CHECK(coil::all_tasks().size() == 1);
}

TEST_CASE("task: current_task() and all_tasks() outside a loop are a logic_error that says so") {
  CHECK_THROWS_AS(coil::current_task(), std::logic_error);
  CHECK_THROWS_AS(coil::all_tasks(), std::logic_error);
  std::string text;
  try {
    static_cast<void>(coil::current_task());
  } catch (const std::logic_error& error) {
    text = error.what();
  }
  CHECK(text.find("no running event loop") != std::string::npos);
}

LOOP_TEST("task: a TaskRef stands for a task of any result type and does all but give the result") {
  auto task = coil::create_task(value_after(1h, 0), {.name = "kept"});
  coil::TaskRef ref = task;
  coil::TaskRef copy = ref;
  CHECK(ref == copy);
  CHECK(ref.name() == "kept");
  ref.set_name("renamed");
  CHECK(task.name() == "renamed");
  CHECK(!ref.done());
  bool called = false;
  ref.add_done_callback([&] { called = true; });
  CHECK(ref.cancel("by reference"));
  CHECK(ref.cancelling() == 1);
  co_await coil::sleep(1s);
  CHECK(ref.done());
  CHECK(ref.cancelled());
  CHECK(called);
  CHECK(!ref.cancel());
}

LOOP_TEST("task: a TaskRef can take back a cancellation") {
  auto task = coil::create_task(value_after(1s, 5));
  coil::TaskRef ref = task;
  ref.cancel();
  CHECK(ref.uncancel() == 0);
  const int value = co_await task;
  CHECK(value == 5);
}

LOOP_TEST("task: a done callback through a TaskRef may take the TaskRef") {
  auto task = coil::create_task(value_after(1s, 5));
  coil::TaskRef ref = task;
  bool same = false;
  ref.add_done_callback([&](coil::TaskRef done) { same = done == ref; });
  co_await task;
  co_await coil::yield();
  CHECK(same);
}
