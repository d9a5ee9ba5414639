// The C++ half of wait.py.
#include "scenarios.hpp"

#include <algorithm>

using namespace conformance;
using coil::ReturnWhen;

namespace {

template <class Handle>
std::vector<int> numbers_of(const std::vector<Handle>& found, const std::vector<Handle>& all) {
  std::vector<int> numbers;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (std::find(found.begin(), found.end(), all[i]) != found.end()) numbers.push_back(static_cast<int>(i));
  return numbers;
}

/// Waits, and logs which of the tasks are done, by their numbers.
template <class Handle>
coil::Coro<void> waited(std::vector<Handle> tasks, coil::WaitOptions options = {}) {
  const auto result = co_await coil::wait(tasks, options);
  log("done", numbers_of(result.done, tasks));
  log("pending", numbers_of(result.pending, tasks));
}

using Tasks = std::vector<coil::Task<int>>;

template <class... Delay>
Tasks values(Delay... delays) {
  Tasks tasks;
  (tasks.push_back(create_task(value(delays, static_cast<int>(tasks.size())))), ...);
  return tasks;
}

coil::Coro<int> failing(std::chrono::milliseconds delay, std::string text) {
  co_await fail(delay, text);
  co_return 0;
}

template <class Handle>
coil::Coro<void> end(std::vector<Handle> tasks) {
  for (const Handle& task : tasks) task.cancel();
  co_await coil::gather(coil::return_exceptions, tasks);
}

}  // namespace

SCENARIO("wait: for all") { co_await waited(values(300ms, 100ms, 200ms)); }

SCENARIO("wait: for the first") {
  const Tasks tasks = values(300ms, 100ms, 200ms);
  co_await waited(tasks, {.return_when = ReturnWhen::first_completed});
  co_await end(tasks);
}

SCENARIO("wait: for the first exception") {
  Tasks tasks = values(100ms, 400ms);
  tasks.push_back(create_task(failing(200ms, "broken")));
  tasks.push_back(create_task(failing(300ms, "late")));
  co_await waited(tasks, {.return_when = ReturnWhen::first_exception});
  const std::string failure = co_await failure_of(tasks[2]);
  log(failure);
  co_await end(tasks);
}

SCENARIO("wait: for the first exception, of which there is none; one is cancelled") {
  const Tasks tasks = values(100ms, 300ms, 200ms);
  tasks[2].cancel();
  co_await waited(tasks, {.return_when = ReturnWhen::first_exception});
}

SCENARIO("wait: a failure is a completion") {
  Tasks tasks = values(300ms);
  tasks.push_back(create_task(failing(200ms, "broken")));
  co_await waited(tasks, {.return_when = ReturnWhen::first_completed});
  const std::string failure = co_await failure_of(tasks[1]);
  log(failure);
  co_await end(tasks);
}

SCENARIO("wait: a timeout cancels nothing") {
  const Tasks tasks = values(100ms, 300ms);
  co_await waited(tasks, {.timeout = 200ms});
  log(tasks[1].cancelling());
  co_await waited(tasks);
}

SCENARIO("wait: no time at all") {
  const Tasks tasks = values(100ms);
  create_task(steps("other", 4));
  co_await waited(tasks, {.timeout = 0s});
  co_await sleep(200ms);
  create_task(steps("other", 4));
  co_await waited(tasks, {.timeout = 0s});
  co_await sleep(200ms);
}

SCENARIO("wait: for what is done takes two turns") {
  const Tasks tasks = values(0ms, 0ms);
  co_await sleep(100ms);
  for (const auto when : {ReturnWhen::first_completed, ReturnWhen::first_exception, ReturnWhen::all_completed}) {
    auto other = create_task(steps("other", 4));
    co_await waited(tasks, {.return_when = when});
    co_await other;
  }
}

SCENARIO("wait: goes on two turns after the last has ended") {
  auto quick = []() -> coil::Coro<void> {
    log("quick ends");
    co_return;
  };
  create_task(steps("other", 5));
  const std::vector<coil::Task<void>> tasks(1, create_task(quick));
  co_await waited(tasks);
  co_await sleep(100ms);
}

SCENARIO("wait: counts what ends while its wake-up is under way") {
  coil::Loop& loop = coil::get_running_loop();
  std::vector<coil::Future<int>> futures;
  for (int i = 0; i < 4; ++i) futures.push_back(loop.create_future<int>());
  struct Chain {
    void operator()() const {
      log("set", index);
      futures[index].set_result(static_cast<int>(index));
      if (index + 1 < futures.size()) coil::get_running_loop().call_soon(Chain{futures, index + 1});
    }
    std::vector<coil::Future<int>> futures;
    std::size_t index;
  };
  loop.call_later(100ms, Chain{futures, 0});
  co_await waited(futures, {.return_when = ReturnWhen::first_completed});
  co_await sleep(100ms);
}

SCENARIO("wait: of nothing is an error") {
  const Tasks none;
  const std::string failure = co_await failure_of(coil::wait(none));
  log(failure);
}

SCENARIO("wait: the same task twice") {
  auto task = create_task(value(100ms, 1));
  const Tasks twice(2, task);
  const auto result = co_await coil::wait(twice);
  log(result.done.size(), result.pending.size());
}

SCENARIO("wait: several wait for the same tasks, and go on in the order in which they came") {
  const Tasks tasks = values(100ms, 200ms);
  auto waiter = [&](const char* name, ReturnWhen when) -> coil::Coro<void> {
    const auto result = co_await coil::wait(tasks, {.return_when = when});
    log(name, result.done.size(), result.pending.size());
  };
  auto awaiter = [](const char* name, coil::Task<int> task) -> coil::Coro<void> {
    const int got = co_await task;
    log(name, got);
  };
  std::vector<coil::Task<void>> waiters;
  waiters.push_back(create_task(waiter("all", ReturnWhen::all_completed)));
  waiters.push_back(create_task(awaiter("direct", tasks[1])));
  waiters.push_back(create_task(waiter("first", ReturnWhen::first_completed)));
  waiters.push_back(create_task(waiter("all again", ReturnWhen::all_completed)));
  for (auto& each : waiters) co_await each;
}

SCENARIO("wait: cancelled, it leaves the tasks alone") {
  const Tasks tasks = values(300ms);
  auto waiter = [&]() -> coil::Coro<void> { co_await coil::wait(tasks, {.timeout = 1s}); };
  auto task = create_task(waiter);
  co_await sleep(100ms);
  task.cancel("enough");
  const std::string failure = co_await failure_of(task);
  log(failure);
  log(tasks[0].cancelling());
  const int got = co_await tasks[0];
  log(got);
}

SCENARIO("wait: cancelled on the turn of the end, or one later") {
  for (int turns = 0; turns <= 1; ++turns) {
    auto future = coil::get_running_loop().create_future<int>();
    auto waiter = [&]() -> coil::Coro<void> {
      const std::vector<coil::Future<int>> futures(1, future);
      const auto outcome = co_await coil::as_result(coil::wait(futures));
      log("waiter ends");
      static_cast<void>(outcome.value());
    };
    auto task = create_task(waiter);
    co_await sleep(100ms);
    future.set_result(1);
    for (int i = 0; i < turns; ++i) co_await sleep(0s);
    log("asked", task.cancel());
    for (int i = 0; i < 3; ++i) {
      co_await sleep(0s);
      log("turn", i, task.done());
    }
    const std::string failure = co_await failure_of(task);
    log(failure);
  }
}

SCENARIO("wait: cancelled before it begins") {
  const Tasks tasks = values(0ms);
  co_await sleep(100ms);
  auto waiter = [&]() -> coil::Coro<void> {
    coil::current_task().cancel();
    const auto outcome = co_await coil::as_result(coil::wait(tasks));
    log("waiter ends");
    static_cast<void>(outcome.value());
  };
  auto task = create_task(waiter);
  for (int i = 0; i < 4; ++i) {
    co_await sleep(0s);
    log("turn", i, task.done());
  }
  const std::string failure = co_await failure_of(task);
  log(failure);
}

SCENARIO("wait: in a timeout") {
  const std::vector<coil::Task<void>> tasks(1, create_task(park("parked")));
  const std::string failure = co_await failure_of(coil::wait_for(coil::wait(tasks), 100ms));
  log(failure);
  log(tasks[0].done());
  co_await end(tasks);
}

SCENARIO("wait: a race by hand: wait for the first, cancel the others, wait for them") {
  const std::vector<coil::TaskRef> tasks{create_task(stubborn("slow", 1)), create_task(value(100ms, 1)),
                                         create_task(park("parked"))};
  const auto first = co_await coil::wait(tasks, {.return_when = ReturnWhen::first_completed});
  log(first.done.size(), first.pending.size());
  for (const auto& task : tasks) task.cancel();
  co_await waited(tasks);
  log("[" + text_of(tasks[0].cancelled()) + ", " + text_of(tasks[1].cancelled()) + ", " +
      text_of(tasks[2].cancelled()) + "]");
}

SCENARIO("wait: a task that ends in the turn of the timeout, after it or before it") {
  for (int turns = 0; turns <= 1; ++turns) {
    const Tasks tasks = values(100ms);
    for (int i = 0; i < turns; ++i) co_await sleep(0s);
    co_await waited(tasks, {.timeout = 100ms});
    const int got = co_await tasks[0];
    log(got);
  }
}
