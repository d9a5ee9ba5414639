// What a cancellation of a wait does: it ends the wait and nothing else.
#include <coil/wait.hpp>

#include "../support/loop_test.hpp"

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil::ReturnWhen;
using coil_test::elapsed;
using coil_test::value_after;

namespace {

using Tasks = std::vector<coil::Task<int>>;

}  // namespace

LOOP_TEST("wait: cancelled, it throws CancelledError with the message on the next turn, and the tasks go on") {
  const Tasks tasks{coil::create_task(value_after(5s, 1))};
  std::string message;
  auto wait = [&]() -> coil::Coro<void> {
    try {
      co_await coil::wait(tasks, {.timeout = 1h});
    } catch (const coil::CancelledError& error) {
      message = error.message();
      throw;
    }
  };
  auto task = coil::create_task(wait());
  co_await coil::sleep(1s);
  task.cancel("enough");
  co_await coil::yield();
  CHECK(task.cancelled());
  CHECK(message == "enough");
  CHECK(tasks[0].cancelling() == 0);
  CHECK(coil::get_running_loop().metrics().timers == 1);  // the task's
  const int value = co_await tasks[0];
  CHECK(value == 1);
}

LOOP_TEST("wait: cancelled in the turn in which a task ends, before or after, it throws on the next turn") {
  for (const bool before : {false, true}) {
    CAPTURE(before);
    auto future = coil::get_running_loop().create_future<int>();
    const std::vector<coil::Future<int>> futures{future};
    auto wait = [&]() -> coil::Coro<void> { co_await coil::wait(futures); };
    auto task = coil::create_task(wait());
    co_await coil::sleep(1s);
    if (before) task.cancel();
    future.set_result(1);
    if (!before) task.cancel();
    co_await coil::yield();
    CHECK(task.cancelled());
    co_await coil::yield();
    co_await coil::yield();
    CHECK(future.result() == 1);
  }
}

LOOP_TEST("wait: cancelled when its wake-up is queued, it throws") {
  auto future = coil::get_running_loop().create_future<int>();
  const std::vector<coil::Future<int>> futures{future};
  auto wait = [&]() -> coil::Coro<void> { co_await coil::wait(futures); };
  auto task = coil::create_task(wait());
  co_await coil::sleep(1s);
  future.set_result(1);
  co_await coil::yield();  // the callback has run
  CHECK(!task.done());
  CHECK(task.cancel());
  co_await coil::yield();
  CHECK(task.cancelled());
}

LOOP_TEST("wait: cancelled in the turn of its timeout, before it goes on, it throws CancelledError") {
  for (const bool by_task : {false, true}) {
    CAPTURE(by_task);
    const Tasks tasks{coil::create_task(value_after(1h, 1))};
    coil::Task<void> task;
    auto wait = [&]() -> coil::Coro<void> { co_await coil::wait(tasks, {.timeout = 1s}); };
    auto cancel_it = [&]() -> coil::Coro<void> {
      if (!by_task) co_return;
      co_await coil::sleep(1s);
      CHECK(task.cancel());  // its wake-up is queued behind this step
    };
    auto canceller = coil::create_task(cancel_it());
    if (!by_task) coil::get_running_loop().call_later(1s, [&] { task.cancel(); });
    task = coil::create_task(wait());
    CHECK_AWAIT_THROWS(task, coil::CancelledError);
    CHECK(!tasks[0].done());
    tasks[0].cancel();
    co_await canceller;
  }
}

LOOP_TEST("wait: cancelled before it begins, it throws and leaves the tasks alone, also those that are done") {
  const Tasks tasks{coil::create_task(value_after(0s, 1)), coil::create_task(value_after(1s, 2))};
  co_await coil::yield();
  co_await coil::yield();
  for (const auto when : {ReturnWhen::first_completed, ReturnWhen::all_completed}) {
    auto wait = [&]() -> coil::Coro<void> {
      coil::current_task().cancel();
      co_await coil::wait(tasks, {.timeout = 0s, .return_when = when});
    };
    auto task = coil::create_task(wait());
    co_await coil::yield();
    co_await coil::yield();
    CHECK(task.cancelled());
  }
  CHECK(coil::get_running_loop().metrics().timers == 1);
  co_await tasks[1];
}

LOOP_TEST("wait: cancelled twice before delivery is one delivery and a count of two") {
  const Tasks tasks{coil::create_task(value_after(1s, 1))};
  int deliveries = 0;
  auto wait = [&]() -> coil::Coro<void> {
    for (int i = 0; i < 2; ++i) {
      const auto outcome = co_await coil::as_result(coil::wait(tasks));
      deliveries += outcome.cancelled();
    }
    CHECK(coil::current_task().cancelling() == 2);
  };
  auto task = coil::create_task(wait());
  co_await coil::yield();
  task.cancel();
  task.cancel();
  co_await task;
  CHECK(deliveries == 1);
  CHECK(elapsed() == 1s);
}

LOOP_TEST("wait: a wait_for around it leaves the tasks alone") {
  const Tasks tasks{coil::create_task(value_after(5s, 1))};
  CHECK_AWAIT_THROWS(coil::wait_for(coil::wait(tasks), 1s), coil::TimeoutError);
  CHECK(elapsed() == 1s);
  const int value = co_await tasks[0];
  CHECK(value == 1);
}

LOOP_TEST("wait: a task that waits for one that awaits it is taken out of the ring when it is cancelled") {
  coil::Task<void> waiting;
  auto await_it = [&]() -> coil::Coro<void> { co_await waiting; };
  auto wait = [&]() -> coil::Coro<void> {
    const std::vector<coil::Task<void>> others{coil::create_task(await_it())};
    co_await coil::wait(others);
  };
  waiting = coil::create_task(wait());
  co_await coil::yield();
  co_await coil::yield();
  waiting.cancel();
  CHECK_AWAIT_THROWS(waiting, coil::CancelledError);
}
