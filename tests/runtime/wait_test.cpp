#include <coil/wait.hpp>

#include "../support/loop_test.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <list>
#include <string>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using coil::ReturnWhen;
using coil_test::elapsed;
using coil_test::fail_after;
using coil_test::park;
using coil_test::value_after;

namespace {

using Tasks = std::vector<coil::Task<int>>;

Tasks tasks_after(std::initializer_list<std::chrono::seconds> delays) {
  Tasks tasks;
  for (const auto delay : delays)
    tasks.push_back(coil::create_task(value_after(delay, static_cast<int>(tasks.size()))));
  return tasks;
}

coil::Coro<void> end_all(const Tasks& tasks) {
  for (const auto& task : tasks) task.cancel();
  co_await coil::gather(coil::return_exceptions, tasks);
}

}  // namespace

LOOP_TEST("wait: by default returns when all are done, and gives them in the order in which they were passed") {
  const Tasks tasks = tasks_after({3s, 1s, 2s});
  const auto result = co_await coil::wait(tasks);
  static_assert(std::is_same_v<decltype(result), const coil::WaitResult<coil::Task<int>>>);
  CHECK(elapsed() == 3s);
  CHECK(result.done == tasks);
  CHECK(result.pending.empty());
}

LOOP_TEST("wait: first_completed returns at the first that is done") {
  const Tasks tasks = tasks_after({3s, 1s, 2s});
  const auto result = co_await coil::wait(tasks, {.return_when = ReturnWhen::first_completed});
  CHECK(elapsed() == 1s);
  CHECK(result.done == Tasks{tasks[1]});
  CHECK(result.pending == Tasks{tasks[0], tasks[2]});
  co_await end_all(tasks);
}

LOOP_TEST("wait: first_completed counts a failure and a cancellation as well") {
  for (const bool cancel : {false, true}) {
    Tasks tasks = tasks_after({3s, 2s});
    tasks.push_back(coil::create_task(fail_after(1s, "x")));
    if (cancel) tasks[0].cancel();
    const auto result = co_await coil::wait(tasks, {.return_when = ReturnWhen::first_completed});
    CHECK(result.done == Tasks{tasks[cancel ? 0 : 2]});
    co_await end_all(tasks);
  }
}

LOOP_TEST("wait: first_exception returns at the first failure") {
  Tasks tasks = tasks_after({1s, 3s});
  tasks.push_back(coil::create_task(fail_after(2s, "x")));
  const auto result = co_await coil::wait(tasks, {.return_when = ReturnWhen::first_exception});
  CHECK(elapsed() == 2s);
  CHECK(result.done == Tasks{tasks[0], tasks[2]});
  CHECK(result.pending == Tasks{tasks[1]});
  CHECK(coil_test::text_of(result.done[1].exception()) == "x");
  co_await end_all(tasks);
}

LOOP_TEST("wait: first_exception returns when all are done if none fails; a cancelled one is no failure") {
  const Tasks tasks = tasks_after({1s, 3s, 2s});
  tasks[2].cancel();
  const auto result = co_await coil::wait(tasks, {.return_when = ReturnWhen::first_exception});
  CHECK(elapsed() == 3s);
  CHECK(result.done == tasks);
}

LOOP_TEST("wait: first_exception returns at once if one had failed before") {
  Tasks tasks = tasks_after({3s});
  tasks.push_back(coil::create_task(fail_after(0s, "x")));
  co_await coil::sleep(1s);
  const auto result = co_await coil::wait(tasks, {.return_when = ReturnWhen::first_exception});
  CHECK(elapsed() == 1s);
  CHECK(result.done == Tasks{tasks[1]});
  co_await end_all(tasks);
}

LOOP_TEST("wait: neither throws what the tasks throw nor takes it: what nobody looks at is reported") {
  Tasks tasks;
  tasks.push_back(coil::create_task(fail_after(1s, "x")));
  auto result = co_await coil::wait(tasks);
  CHECK(result.done.size() == 1);
  CHECK(reports.size() == 0);
  tasks.clear();
  result.done.clear();
  CHECK(reports.take().error == "x");
}

LOOP_TEST("wait: first_exception has looked at the exception: it is not reported any more") {
  Tasks tasks;
  tasks.push_back(coil::create_task(fail_after(1s, "x")));
  co_await coil::wait(std::move(tasks), {.return_when = ReturnWhen::first_exception});
}

LOOP_TEST("wait: a timeout throws nothing and cancels nothing") {
  const Tasks tasks = tasks_after({1s, 3s, 5s});
  const auto result = co_await coil::wait(tasks, {.timeout = 2s});
  CHECK(elapsed() == 2s);
  CHECK(result.done == Tasks{tasks[0]});
  CHECK(result.pending == Tasks{tasks[1], tasks[2]});
  CHECK(tasks[1].cancelling() == 0);
  const auto rest = co_await coil::wait(result.pending);
  CHECK(elapsed() == 5s);
  CHECK(rest.done.size() == 2);
  CHECK(rest.done[1].result() == 2);
}

LOOP_TEST("wait: a timeout that is not reached leaves no timer") {
  const Tasks tasks = tasks_after({1s, 2s});
  co_await coil::wait(tasks, {.timeout = 1h, .return_when = ReturnWhen::first_completed});
  CHECK(coil::get_running_loop().metrics().timers == 1);  // the second task's
  co_await coil::wait(tasks, {.timeout = 1h});
  CHECK(coil::get_running_loop().metrics().timers == 0);
  CHECK(elapsed() == 2s);
}

LOOP_TEST("wait: a timeout of zero or less gives what is done, two turns later as in asyncio") {
  coil_test::TurnCounter turns;
  for (const auto timeout : {0s, -5s}) {
    const Tasks tasks = tasks_after({0s, 1h});
    co_await coil::yield();
    const int before = turns.count();
    const auto result = co_await coil::wait(tasks, {.timeout = timeout});
    CHECK(turns.count() - before == 2);
    CHECK(result.done == Tasks{tasks[0]});
    CHECK(result.pending == Tasks{tasks[1]});
    co_await end_all(tasks);
  }
}

LOOP_TEST("wait: a task that ends in the turn of the timeout, before the waiting one goes on, is done") {
  const Tasks tasks = tasks_after({1s});
  co_await coil::yield();  // its timer is made first
  const auto result = co_await coil::wait(tasks, {.timeout = 1s});
  CHECK(result.done == tasks);
}

LOOP_TEST("wait: takes any duration for a timeout") {
  const Tasks tasks = tasks_after({2s});
  co_await coil::wait(tasks, {.timeout = std::chrono::duration<double>(0.5)});
  CHECK(elapsed() == 500ms);
  co_await coil::wait(tasks, {.timeout = std::chrono::hours::max()});
  CHECK(elapsed() == 2s);
  co_await coil::wait(tasks, {.timeout = std::nullopt});
  using Seconds = std::chrono::duration<double>;
  const Seconds no_number(std::numeric_limits<double>::quiet_NaN());
  CHECK_THROWS_AS(static_cast<void>(coil::WaitOptions{.timeout = no_number}), std::invalid_argument);
}

LOOP_TEST("wait: for nothing is std::invalid_argument") {
  const Tasks none;
  CHECK_AWAIT_THROWS(coil::wait(none), std::invalid_argument);
  CHECK_AWAIT_THROWS(coil::wait(std::vector<coil::TaskRef>(), {.timeout = 1s}), std::invalid_argument);
}

LOOP_TEST("wait: for an empty handle is a logic_error that names it") {
  const Tasks tasks(1);
  CHECK_AWAIT_FAILS_WITH(coil::wait(tasks),
                         "coil: wait() of an empty Task or Future; make one with create_task() or create_future()");
}

LOOP_TEST("wait: tasks that are done already take two turns, as in asyncio") {
  const Tasks tasks = tasks_after({0s, 0s});
  co_await coil::sleep(1s);
  coil_test::TurnCounter turns;
  co_await coil::yield();
  for (const auto when : {ReturnWhen::first_completed, ReturnWhen::first_exception, ReturnWhen::all_completed}) {
    const int before = turns.count();
    const auto result = co_await coil::wait(tasks, {.return_when = when});
    CHECK(turns.count() - before == 2);
    CHECK(result.done == tasks);
  }
}

LOOP_TEST("wait: goes on two turns after the last one has ended, and has what ended meanwhile") {
  auto& loop = coil::get_running_loop();
  auto a = loop.create_future<void>();
  auto b = loop.create_future<void>();
  auto c = loop.create_future<void>();
  loop.call_later(1s, [&] {
    a.set_result();
    loop.call_soon([&] {
      b.set_result();                           // in the turn of the callback that ends the wait
      loop.call_soon([&] { c.set_result(); });  // behind the waiting task
    });
  });
  const std::vector<coil::Future<void>> futures{a, b, c};
  const auto result = co_await coil::wait(futures, {.return_when = ReturnWhen::first_completed});
  CHECK(result.done == std::vector<coil::Future<void>>{a, b});
  CHECK(result.pending == std::vector<coil::Future<void>>{c});
  co_await c;
}

LOOP_TEST("wait: a task that comes several times is given once") {
  Tasks tasks = tasks_after({1s, 2s, 3s});
  const Tasks passed{tasks[2], tasks[0], tasks[2], tasks[1], tasks[0], tasks[0]};
  const auto first = co_await coil::wait(passed, {.return_when = ReturnWhen::first_completed});
  CHECK(first.done == Tasks{tasks[0]});
  CHECK(first.pending == Tasks{tasks[2], tasks[1]});
  const auto all = co_await coil::wait(passed);
  CHECK(all.done == Tasks{tasks[2], tasks[0], tasks[1]});
  CHECK(elapsed() == 3s);
}

LOOP_TEST("wait: takes TaskRefs to tasks of any type") {
  std::string log;
  const auto a = coil::create_task(value_after(1s, 1));
  const auto b = coil::create_task(coil::sleep(2s));
  const std::vector<coil::TaskRef> tasks{a, b};
  const auto result = co_await coil::wait(tasks, {.return_when = ReturnWhen::first_completed});
  static_assert(std::is_same_v<decltype(result), const coil::WaitResult<coil::TaskRef>>);
  CHECK(result.done == std::vector<coil::TaskRef>{a});
  CHECK(result.pending == std::vector<coil::TaskRef>{b});
  co_await b;
}

LOOP_TEST("wait: takes any range, by value and by reference, and Futures") {
  const Tasks tasks = tasks_after({1s, 2s});
  const std::array<coil::Task<int>, 2> array{tasks[0], tasks[1]};
  const std::list<coil::Task<int>> list(tasks.begin(), tasks.end());
  const auto of_array = co_await coil::wait(array, {.return_when = ReturnWhen::first_completed});
  const auto of_list = co_await coil::wait(list);
  const auto of_temporary = co_await coil::wait(Tasks(tasks));
  CHECK(of_array.done.size() == 1);
  CHECK(of_list.done == tasks);
  CHECK(of_temporary.done == tasks);
  std::vector<coil::Future<int>> futures{coil::get_running_loop().create_future<int>()};
  futures[0].set_result(4);
  const auto of_futures = co_await coil::wait(futures);
  CHECK(of_futures.done[0].result() == 4);
}

LOOP_TEST("wait: the tasks live on while only the wait knows them") {
  auto waiting = coil::wait(tasks_after({1s, 2s}));
  co_await coil::sleep(5s);
  const auto result = co_await std::move(waiting);
  CHECK(result.done[1].result() == 1);
}

LOOP_TEST("wait: may be done by several tasks for the same tasks at a time") {
  const Tasks tasks = tasks_after({1s, 2s});
  std::string log;
  auto wait = [&](const char* name, ReturnWhen when) -> coil::Coro<void> {
    co_await coil::wait(tasks, {.return_when = when});
    log += name;
  };
  co_await coil::gather(wait("all1;", ReturnWhen::all_completed), wait("first1;", ReturnWhen::first_completed),
                        wait("all2;", ReturnWhen::all_completed), wait("first2;", ReturnWhen::first_completed));
  CHECK(log == "first1;first2;all1;all2;");
}

LOOP_TEST("wait: for all of them, the waiting task itself among them, is a logic_error and no deadlock") {
  CHECK_AWAIT_THROWS(coil::wait(coil::all_tasks()), std::logic_error);
  const auto result = co_await coil::wait(coil::all_tasks(), {.timeout = 1s});
  CHECK(result.done.empty());
  CHECK(result.pending == std::vector<coil::TaskRef>{coil::current_task()});
}

LOOP_TEST("wait: can be awaited through gather, wait_for and as_result") {
  const Tasks tasks = tasks_after({1s, 2s});
  auto [first, all] = co_await coil::gather(coil::wait(tasks, {.return_when = ReturnWhen::first_completed}),
                                            coil::wait_for(coil::wait(tasks), 5s));
  CHECK(first.done.size() == 1);
  CHECK(all.done.size() == 2);
  const Tasks none;
  const auto outcome = co_await coil::as_result(coil::wait(none));
  CHECK(outcome.exception() != nullptr);
}

LOOP_TEST("wait: of ten thousand tasks ends with the last one") {
  Tasks tasks;
  for (int i = 0; i < 10'000; ++i) tasks.push_back(coil::create_task(value_after(std::chrono::milliseconds(i), i)));
  tasks.insert(tasks.end(), tasks.begin(), tasks.begin() + 5000);
  const auto result = co_await coil::wait(tasks);
  CHECK(result.done.size() == 10'000);
  CHECK(elapsed() == 9999ms);
}

TEST_CASE("wait: a missing loop is reported when it is awaited, not at the call") {
  coil_test::LeakCheck leaks;
  CHECK_NOTHROW(static_cast<void>(coil::wait(std::vector<coil::TaskRef>())));
}
