// Between two runs of a Runner its loop stands still, but its tasks may be cancelled and its futures set.
#include <coil/run.hpp>

#include <coil/race.hpp>
#include <coil/shield.hpp>
#include <coil/wait.hpp>

#include "../support/loop_test.hpp"

#include <vector>

using namespace std::chrono_literals;
using coil_test::virtual_time;

namespace {

using Start = coil::Coro<int> (*)(coil::Future<int>);

coil::Coro<int> await_it(coil::Future<int> future) {
  const int value = co_await future;
  co_return value;
}

coil::Coro<int> gather_it(coil::Future<int> future) {
  const auto values = co_await coil::gather(future, await_it(future));
  co_return std::get<1>(values);
}

coil::Coro<int> wait_for_it(coil::Future<int> future) {
  const std::vector<coil::Future<int>> futures(1, future);
  const auto result = co_await coil::wait(futures, {.timeout = 1h});
  co_return result.done.at(0).result();
}

coil::Coro<int> shield_it(coil::Future<int> future) {
  const int value = co_await coil::shield(future);
  co_return value;
}

coil::Coro<int> race_it(coil::Future<int> future) {
  const auto result = co_await coil::race(coil::sleep(1h), future, await_it(future));
  co_return result.get<1>();
}

coil::Coro<int> group_it(coil::Future<int> future) {
  int value = 0;
  const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task([&]() -> coil::Coro<void> { value = co_await future; });
    co_return;
  };
  co_await coil::task_group(body);
  co_return value;
}

coil::Coro<int> limit_it(coil::Future<int> future) {
  const int value = co_await coil::wait_for(await_it(future), 1h);
  co_return value;
}

constexpr Start all[] = {await_it, gather_it, wait_for_it, shield_it, race_it, group_it, limit_it};

/// A Runner between two runs, with a task that waits for a future.
struct Between {
  explicit Between(Start start) {
    runner.run([&]() -> coil::Coro<void> {
      future = coil::get_running_loop().create_future<int>();
      task = coil::create_task(start(future));
      for (int i = 0; i < 4; ++i) co_await coil::yield();
    });
  }
  /// Runs until the task is done.
  void finish() {
    runner.run([&]() -> coil::Coro<void> {
      const std::vector<coil::Task<int>> tasks(1, task);
      co_await coil::wait(tasks);
    });
  }

  coil::Runner runner{virtual_time};
  coil::Future<int> future;
  coil::Task<int> task;
};

}  // namespace

TEST_CASE("runner: a future that is set between two runs wakes whoever waits for it, however") {
  for (const Start start : all) {
    coil_test::LeakCheck leaks;
    Between between(start);
    between.future.set_result(5);
    between.finish();
    CHECK(between.task.result() == 5);
    between.runner.close();
    between.task = {};
    between.future = {};
  }
}

TEST_CASE("runner: a task that is cancelled between two runs ends in the next one, whatever it waits for") {
  for (const Start start : all) {
    coil_test::LeakCheck leaks;
    Between between(start);
    CHECK(between.task.cancel());
    between.finish();
    CHECK(between.task.cancelled());
    between.runner.close();
    between.task = {};
    between.future = {};
  }
}

TEST_CASE("runner: a sleep that is cancelled between two runs ends in the next one, and leaves no timer") {
  coil::Runner runner(virtual_time);
  coil::Task<void> task;
  runner.run([&]() -> coil::Coro<void> {
    task = coil::create_task(coil::sleep(1h));
    co_await coil::yield();
  });
  task.cancel();
  runner.run([&]() -> coil::Coro<void> {
    co_await coil::yield();
    CHECK(task.cancelled());
    CHECK(coil::get_running_loop().metrics().timers == 0);
  });
}
