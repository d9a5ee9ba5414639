// Whole programs, cancelled at every one of their steps, once and twice: whatever is cut off where, everything that
// began is ended, cleaned up once, and nothing is left behind.
#include <coil/task.hpp>

#include <coil/as_completed.hpp>
#include <coil/async_generator.hpp>
#include <coil/scope.hpp>

#include "../support/cancel_everywhere.hpp"

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil_test::Balance;
using coil_test::cancel_everywhere;
using coil_test::expect_failure;
using coil_test::fail;
using coil_test::Scope;
using coil_test::work;

namespace {

coil::Coro<void> gather_of_timeouts(Balance& balance) {
  Scope scope(balance);
  auto body = [&]() -> coil::Coro<void> {
    co_await coil::gather(coil::wait_for(work(balance, 1ms, 1), 5ms), coil::wait_for(work(balance, 5ms, 2), 2ms),
                          work(balance, 3ms, 3));
  };
  co_await expect_failure(body());
  co_await coil::gather(coil::return_exceptions, fail(balance, 1ms), work(balance, 2ms, 1));
}

coil::Coro<void> groups_in_groups(Balance& balance) {
  Scope scope(balance);
  auto inner = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(work(balance, 1ms, 1));
    group.create_task(fail(balance, 2ms));
    co_await coil::sleep(3ms);
  };
  auto outer = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(work(balance, 2ms, 1));
    auto careful = [&]() -> coil::Coro<void> { co_await coil::task_group(inner); };
    co_await expect_failure(careful());
    group.create_task(work(balance, 2ms, 1));
  };
  co_await coil::task_group(outer);
}

coil::Coro<void> group_ended_early(Balance& balance) {
  Scope scope(balance);
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(work(balance, 9ms, 1));
    group.create_task(work(balance, 1ms, 1));
    co_await coil::sleep(2ms);
    group.cancel();
    co_await coil::sleep(2ms);
  };
  co_await coil::task_group(body);
}

coil::Coro<void> cleanups(Balance& balance) {
  Scope scope(balance);
  auto innermost = [&]() -> coil::Coro<int> {
    ++balance.cleanups_due;
    const int value = co_await work(balance, 2ms, 4);
    co_return value;
  };
  auto inner_cleanup = [&]() -> coil::Coro<void> {
    ++balance.cleanups_done;
    co_await coil::sleep(1ms);
  };
  auto body = [&]() -> coil::Coro<void> {
    ++balance.cleanups_due;
    co_await coil::try_finally(innermost, inner_cleanup);
    co_await coil::sleep(1ms);
  };
  auto outer_cleanup = [&]() -> coil::Coro<void> {
    ++balance.cleanups_done;
    co_await coil::yield();
    co_await coil::sleep(1ms);
  };
  auto limited = [&]() -> coil::Coro<void> { co_await coil::wait_for(coil::try_finally(body, outer_cleanup), 3ms); };
  co_await expect_failure(limited());
}

coil::Coro<void> tasks_and_futures(Balance& balance) {
  Scope scope(balance);
  auto future = coil::get_running_loop().create_future<int>();
  auto timer = coil::get_running_loop().call_later(2ms, [&future] {
    if (!future.done()) future.set_result(1);
  });
  auto wait = [&]() -> coil::Coro<int> {
    Scope inside(balance);
    const int value = co_await future;
    co_return value;
  };
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    auto first = group.create_task(wait());
    auto second = group.create_task(wait());
    auto outcome = co_await coil::as_result(first);
    auto other = co_await coil::as_result(coil::gather(second, work(balance, 1ms, 2)));
    outcome.value();
    other.value();
  };
  auto cancel_timer = [&]() -> coil::Coro<void> {
    timer.cancel();
    co_return;
  };
  auto grouped = [&]() -> coil::Coro<void> { co_await coil::task_group(body); };
  co_await coil::try_finally(grouped, cancel_timer);
}

coil::AsyncGenerator<int> make_values(Balance& balance) {
  Scope scope(balance);
  for (int i = 0; i < 3; ++i) {
    co_await coil::sleep(1ms);
    co_yield i;
  }
}

// Its cleanup waits.
coil::AsyncGenerator<int> pass_values(Balance& balance, coil::AsyncGenerator<int> values) {
  Scope scope(balance);
  ++balance.cleanups_due;
  std::exception_ptr error;
  try {
    while (const int* value = co_await values.next()) co_yield *value;
  } catch (...) {
    error = std::current_exception();
  }
  ++balance.cleanups_done;
  const auto clean = []() -> coil::Coro<void> { co_await coil::sleep(1ms); };
  const auto close = [&]() -> coil::Coro<void> { co_await values.aclose(); };
  co_await coil::try_finally(clean, close);  // closed also if the cleanup is cancelled
  if (error) std::rethrow_exception(error);
}

coil::Coro<void> generators_in_generators(Balance& balance) {
  Scope scope(balance);
  auto read = [&](coil::AsyncGenerator<int>& values) -> coil::Coro<void> {
    while (const int* value = co_await values.next()) co_await work(balance, 1ms, *value);
  };
  co_await coil::with(pass_values(balance, pass_values(balance, make_values(balance))), read);
  auto read_one = [&](coil::AsyncGenerator<int>& values) -> coil::Coro<void> { co_await values.next(); };
  co_await coil::with(pass_values(balance, make_values(balance)), read_one);
}

coil::Coro<void> completed_in_a_group(Balance& balance) {
  Scope scope(balance);
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    std::vector<coil::Task<int>> tasks;
    for (int i = 3; i > 0; --i) tasks.push_back(group.create_task(work(balance, i * 2ms, i)));
    auto ended = coil::as_completed(tasks, {.timeout = 5ms});
    while (auto* task = co_await ended.next()) {
      const int value = co_await *task;
      co_await work(balance, 1ms, value);
    }
  };
  auto grouped = [&]() -> coil::Coro<void> { co_await coil::task_group(body); };
  co_await expect_failure(grouped());
}

}  // namespace

TEST_CASE("cancel anywhere: a gather of timeouts ends and leaves nothing") { cancel_everywhere(gather_of_timeouts); }

TEST_CASE("cancel anywhere: groups in groups, one of which fails, end and leave nothing") {
  cancel_everywhere(groups_in_groups);
}

TEST_CASE("cancel anywhere: a group that ends itself ends and leaves nothing") { cancel_everywhere(group_ended_early); }

TEST_CASE("cancel anywhere: nested cleanups under a timeout each run once") { cancel_everywhere(cleanups); }

TEST_CASE("cancel anywhere: tasks that share a future end and leave nothing") { cancel_everywhere(tasks_and_futures); }

TEST_CASE("cancel anywhere: generators in generators, whose cleanup waits, end and leave nothing") {
  cancel_everywhere(generators_in_generators);
}

TEST_CASE("cancel anywhere: as_completed with a timeout over the tasks of a group ends and leaves nothing") {
  cancel_everywhere(completed_in_a_group);
}
