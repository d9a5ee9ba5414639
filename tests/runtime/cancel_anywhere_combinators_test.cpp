// Programs that wait, shield, race and start eagerly, cancelled at every one of their steps.
#include <coil/race.hpp>
#include <coil/scope.hpp>
#include <coil/shield.hpp>
#include <coil/task.hpp>
#include <coil/wait.hpp>

#include "../support/cancel_everywhere.hpp"

#include <memory>
#include <vector>

using namespace std::chrono_literals;
using coil::ReturnWhen;
using coil_test::Balance;
using coil_test::cancel_everywhere;
using coil_test::expect_failure;
using coil_test::fail;
using coil_test::Scope;
using coil_test::work;

namespace {

coil::Coro<void> waits(Balance& balance) {
  Scope scope(balance);
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    std::vector<coil::Task<int>> tasks;
    for (const auto time : {1ms, 4ms, 2ms}) tasks.push_back(group.create_task(work(balance, time, 1)));
    tasks.push_back(tasks[0]);
    co_await coil::wait(tasks, {.return_when = ReturnWhen::first_completed});
    co_await coil::wait(tasks, {.timeout = 1ms});
    const auto none = co_await coil::wait(tasks, {.timeout = 0ms, .return_when = ReturnWhen::first_exception});
    const auto rest = co_await coil::wait(none.pending);
    CHECK(rest.pending.empty());
  };
  co_await coil::task_group(body);
}

// A task that is shielded, with a cleanup that ends it, itself behind a shield.
coil::Coro<void> shields(Balance& balance) {
  Scope scope(balance);
  auto inner = coil::create_task(work(balance, 4ms, 1), {.eager = true});
  auto end_it = [&]() -> coil::Coro<void> {
    inner.cancel();
    static_cast<void>(co_await coil::as_result(inner));
  };
  auto body = [&]() -> coil::Coro<void> {
    auto impatient = [&]() -> coil::Coro<void> { co_await coil::wait_for(coil::shield(inner), 2ms); };
    try {
      co_await impatient();
    } catch (const coil::TimeoutError&) {
    }
    co_await coil::gather(coil::shield(inner), work(balance, 1ms, 2));
  };
  auto cleanup = [&]() -> coil::Coro<void> {
    auto ending = coil::create_task(end_it());
    static_cast<void>(co_await coil::as_result(coil::shield(ending)));
    while (!ending.done()) static_cast<void>(co_await coil::as_result(coil::yield()));
  };
  co_await coil::try_finally(body, cleanup);
}

coil::Coro<void> races(Balance& balance) {
  Scope scope(balance);
  auto careful = [&]() -> coil::Coro<void> {
    ++balance.cleanups_due;
    auto cleanup = [&]() -> coil::Coro<void> {
      ++balance.cleanups_done;
      co_await coil::sleep(1ms);
    };
    co_await coil::try_finally(work(balance, 4ms, 1), cleanup);
  };
  const auto first = co_await coil::race(work(balance, 2ms, 1), careful(), work(balance, 3ms, 3));
  CHECK(first.index() == 0);
  auto failing = [&]() -> coil::Coro<void> { co_await coil::race(work(balance, 5ms, 1), fail(balance, 1ms)); };
  co_await expect_failure(failing());
  std::vector<coil::Coro<int>> all;
  for (const auto time : {3ms, 1ms, 2ms}) all.push_back(work(balance, time, 1));
  const auto last = co_await coil::race(std::move(all));
  CHECK(last.index() == 1);
}

coil::Coro<void> races_in_races(Balance& balance) {
  Scope scope(balance);
  auto group = [&](coil::TaskGroup& tasks) -> coil::Coro<void> {
    tasks.create_task(work(balance, 2ms, 1), {.eager = true});
    auto other = tasks.create_task(work(balance, 5ms, 1));
    co_await coil::race(other, coil::race(work(balance, 3ms, 1), work(balance, 4ms, 1)));
  };
  auto timed = [&]() -> coil::Coro<void> {
    co_await coil::wait_for(coil::race(work(balance, 8ms, 1), coil::gather(work(balance, 1ms, 1), coil::sleep(6ms))),
                            4ms);
  };
  co_await coil::gather(coil::task_group(group), expect_failure(timed()), coil::race(coil::sleep(2ms), coil::yield()));
}

// The value of a future is never lost: it is in the race's result, or stays with the future.
coil::Coro<void> race_for_a_value(Balance& balance) {
  Scope scope(balance);
  auto future = coil::get_running_loop().create_future<std::unique_ptr<int>>();
  auto timer = coil::get_running_loop().call_later(2ms, [future] { future.set_result(std::make_unique<int>(1)); });
  bool received = false;
  auto receive = [&]() -> coil::Coro<std::unique_ptr<int>> {
    auto value = co_await coil::shield(future);
    co_return value;
  };
  auto body = [&]() -> coil::Coro<void> {
    auto result = co_await coil::race(receive(), coil::sleep(4ms), work(balance, 2ms, 1));
    received = result.has<0>();
    if (received) CHECK(*result.get<0>() == 1);
  };
  auto cancel_timer = [&]() -> coil::Coro<void> {
    timer.cancel();
    if (future.done() && !received) CHECK(future.result() != nullptr);
    co_return;
  };
  co_await coil::try_finally(body, cancel_timer);
}

}  // namespace

TEST_CASE("cancel anywhere: waits of all kinds end and leave nothing") { cancel_everywhere(waits); }

TEST_CASE("cancel anywhere: a shielded task and its shielded cleanup end and leave nothing") {
  cancel_everywhere(shields);
}

TEST_CASE("cancel anywhere: races end, run every cleanup once, and leave nothing") { cancel_everywhere(races); }

TEST_CASE("cancel anywhere: races in races, groups and timeouts end and leave nothing") {
  cancel_everywhere(races_in_races);
}

TEST_CASE("cancel anywhere: a race for a value that cannot be copied loses none") {
  cancel_everywhere(race_for_a_value);
}
