// Everything that waits in tasks, combinators and meetings, cancelled at each suspension, once and twice: no task, timer
// or memory is left, and what was held is free.
#include <coil/cancel_everywhere.hpp>

#include <coil/as_completed.hpp>
#include <coil/async_generator.hpp>
#include <coil/barrier.hpp>
#include <coil/coil.hpp>
#include <coil/condition.hpp>
#include <coil/event.hpp>
#include <coil/lock.hpp>
#include <coil/queue.hpp>
#include <coil/race.hpp>
#include <coil/scope.hpp>
#include <coil/semaphore.hpp>
#include <coil/shield.hpp>
#include <coil/to_thread.hpp>

#include "../support/everywhere.hpp"

#include <stdexcept>
#include <stop_token>
#include <vector>

using namespace std::chrono_literals;
using coil::Coro;
using coil_test::Everywhere;
using coil_test::Scenario;

namespace {

Coro<int> work(std::chrono::milliseconds time, int value = 0) {
  co_await coil::yield();
  co_await coil::sleep(time);
  co_return value;
}

Coro<int> fail(std::chrono::milliseconds time) {
  co_await coil::sleep(time);
  throw std::runtime_error("planned");
}

// ---- Awaitables and combinators --------------------------------------------------------------------------

Coro<void> sleeps() {
  co_await coil::sleep(1ms);
  co_await coil::sleep(0ms);
  co_await coil::yield();
  co_await coil::sleep_until(coil::get_running_loop().time() + 1ms);
  const int value = co_await coil::sleep(1ms, 1);
  static_cast<void>(value);
}

Coro<void> futures_and_tasks() {
  auto future = coil::get_running_loop().create_future<int>();
  auto handle = coil::get_running_loop().call_later(2ms, [future]() mutable {
    if (!future.done()) future.set_result(1);
  });
  auto outcome = co_await coil::as_result(future);
  handle.cancel();
  outcome.value();
  auto task = coil::create_task(work(1ms));
  co_await task;
}

Coro<void> gathers() {
  co_await coil::gather(work(1ms), work(3ms), work(2ms));
  std::vector<Coro<int>> many;
  for (int i = 0; i < 4; ++i) many.push_back(work(std::chrono::milliseconds(i)));
  co_await coil::gather(std::move(many));
  co_await coil::gather(coil::return_exceptions, fail(1ms), work(2ms), fail(3ms));
  auto failing = coil::as_result(coil::gather(work(5ms), fail(1ms), work(1ms)));
  [[maybe_unused]] const auto failed = co_await std::move(failing);
}

Coro<void> waits() {
  std::vector<coil::Task<int>> tasks;
  for (int i = 1; i <= 3; ++i) tasks.push_back(coil::create_task(work(std::chrono::milliseconds(i))));
  const auto cleanup = [&]() -> Coro<void> {
    for (const auto& task : tasks) task.cancel();
    co_await coil::wait(tasks);
  };
  const auto body = [&]() -> Coro<void> {
    const coil::WaitOptions first{.return_when = coil::ReturnWhen::first_completed};
    co_await coil::wait(tasks, first);
    co_await coil::wait(tasks);
    auto finished = coil::as_completed(tasks);
    while (auto* task = co_await finished.next()) co_await *task;
  };
  co_await coil::try_finally(body, cleanup);
}

Coro<void> timeouts() {
  co_await coil::wait_for(work(1ms), 5ms);
  [[maybe_unused]] const auto late = co_await coil::as_result(coil::wait_for(work(9ms), 2ms));
  const auto inner = [](coil::Timeout& limit) -> Coro<void> {
    co_await coil::sleep(1ms);
    limit.reschedule(coil::get_running_loop().time() + 1ms);
    co_await coil::sleep(5ms);
  };
  const auto outer = [&]() -> Coro<void> {
    [[maybe_unused]] const auto outcome = co_await coil::as_result(coil::timeout(3ms, inner));
  };
  co_await coil::timeout(20ms, outer);
}

Coro<void> groups() {
  const auto inner = [](coil::TaskGroup& group) -> Coro<void> {
    group.create_task(work(1ms));
    group.create_task(fail(2ms));
    co_await coil::sleep(3ms);
  };
  const auto outer = [&](coil::TaskGroup& group) -> Coro<void> {
    group.create_task(work(2ms));
    [[maybe_unused]] const auto inner_outcome = co_await coil::as_result(coil::task_group(inner));
    group.create_task(work(2ms));
    co_await coil::sleep(1ms);
    group.cancel();
    co_await coil::sleep(9ms);
  };
  co_await coil::task_group(outer);
}

Coro<void> races() {
  co_await coil::race(work(3ms), work(1ms), work(2ms));
  [[maybe_unused]] const auto lost = co_await coil::as_result(coil::race(work(3ms), fail(1ms)));
  co_await coil::race(coil::sleep(1ms), coil::yield());
}

Coro<void> shields() {
  auto task = coil::create_task(work(2ms));
  [[maybe_unused]] const auto shielded = co_await coil::as_result(coil::shield(task));
  [[maybe_unused]] const auto ended = co_await coil::as_result(task);
}

Coro<void> cleanups() {
  const auto body = []() -> Coro<void> { co_await work(1ms); };
  const auto cleanup = []() -> Coro<void> {
    co_await coil::yield();
    co_await work(1ms);
  };
  co_await coil::try_finally(body, cleanup);
  struct Resource {
    Coro<void> aclose() {
      co_await work(1ms);
      co_await coil::yield();
    }
  };
  const auto use = [](Resource&) -> Coro<void> { co_await work(1ms); };
  co_await coil::with(Resource(), use);
}

coil::AsyncGenerator<int> count(int up_to) {
  for (int i = 0; i < up_to; ++i) {
    co_await coil::sleep(1ms);
    co_yield i;
  }
}

Coro<void> generators() {
  auto numbers = count(3);
  while (const int* number = co_await numbers.next()) co_await coil::sleep(std::chrono::milliseconds(*number));
  auto left_early = count(9);
  co_await left_early.next();
  co_await left_early.aclose();
}

// ---- Meetings --------------------------------------------------------------------------------------------

// Not in a gather: where one of them is cancelled, the others go on, and must find what it would have had.
template <class... Bodies>
Coro<void> together(Bodies&... bodies) {
  const auto start = [&](coil::TaskGroup& group) -> Coro<void> {
    (group.create_task(bodies), ...);
    co_await coil::yield();
  };
  co_await coil::task_group(start);
}

Coro<void> locks() {
  coil::Lock lock;
  coil::Semaphore semaphore(2);
  const auto hold = [&]() -> Coro<void> {
    const auto permit = co_await semaphore.scoped();
    const auto guard = co_await lock.scoped();
    co_await coil::sleep(1ms);
  };
  co_await together(hold, hold, hold, hold);
  CHECK(!lock.locked());
  CHECK((semaphore.try_acquire() && semaphore.try_acquire()));
}

Coro<void> lines() {
  coil::Lock lock;
  coil::Queue<int> queue(1);
  const auto hold = [&]() -> Coro<void> {
    const auto guard = co_await lock.scoped();
    co_await coil::sleep(1ms);
  };
  const auto put = [&]() -> Coro<void> { co_await queue.put(1); };
  const auto get = [&]() -> Coro<void> {
    for (int i = 0; i < 3; ++i) {
      [[maybe_unused]] const auto item = co_await coil::as_result(coil::wait_for(queue.get(), 9ms));
    }
  };
  co_await together(hold, hold, hold, hold, put, put, put, get);
  CHECK(!lock.locked());
}

Coro<void> events_and_conditions() {
  coil::Event event;
  coil::Condition condition;
  int stock = 0;
  const auto take = [&]() -> Coro<void> {
    co_await event.wait();
    const auto guard = co_await condition.scoped();
    co_await condition.wait_for([&] { return stock > 0; });
    --stock;
  };
  const auto make = [&]() -> Coro<void> {
    co_await coil::sleep(1ms);
    event.set();
    for (int i = 0; i < 2; ++i) {
      const auto guard = co_await condition.scoped();
      ++stock;
      condition.notify();
    }
  };
  co_await coil::gather(take(), take(), make());
  CHECK(!condition.locked());
}

Coro<void> barriers() {
  coil::Barrier barrier(3);
  const auto meet = [&](std::chrono::milliseconds time) -> Coro<void> {
    co_await coil::sleep(time);
    co_await barrier.wait();
    co_await barrier.wait();
  };
  co_await coil::gather(meet(1ms), meet(2ms), meet(3ms));
  CHECK(barrier.n_waiting() == 0);
}

Coro<void> queues() {
  coil::Queue<int> queue(1);
  coil::PriorityQueue<int> sorted;
  const auto produce = [&]() -> Coro<void> {
    for (int i = 0; i < 3; ++i) co_await queue.put(i);
    co_await queue.join();
    queue.shutdown();
  };
  const auto consume = [&]() -> Coro<void> {
    for (int i = 0; i < 3; ++i) {
      const int item = co_await queue.get();
      co_await sorted.put(-item);
      co_await coil::sleep(1ms);
      queue.task_done();
    }
  };
  co_await coil::gather(produce(), consume());
  while (!sorted.empty()) co_await sorted.get();
}

Coro<void> threads() {
  const int value = co_await coil::to_thread([] { return 1; });
  const auto stoppable = [](std::stop_token) {};
  co_await coil::to_thread(stoppable);
  co_await coil::to_thread([](int x) { return x; }, value);
}

}  // namespace

TEST_CASE("whatever awaits tasks and meets, nothing is left wherever it is cancelled") {
  Everywhere everywhere;
  everywhere.cancel({
      {"sleeps", sleeps},
      {"futures_and_tasks", futures_and_tasks},
      {"gathers", gathers},
      {"waits", waits},
      {"timeouts", timeouts},
      {"groups", groups},
      {"races", races},
      {"shields", shields, {.settling = 10ms}},
      {"cleanups", cleanups},
      {"generators", generators, {.settling = 1ms}},
      {"locks", locks},
      {"lines", lines},
      {"events_and_conditions", events_and_conditions},
      {"barriers", barriers, {.errors = true}},
      {"queues", queues},
      {"threads", threads, {.settling = 10ms}},
  });
  CHECK(everywhere.points() >= 550);
  CHECK(everywhere.pairs() >= 1'200);
}
