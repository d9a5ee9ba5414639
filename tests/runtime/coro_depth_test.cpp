// The stack of the machine stays shallow however long and deep the awaits are, with every compiler at every level.
#include <coil/coro.hpp>

#include "../support/loop_test.hpp"

#include <vector>

using namespace std::chrono_literals;

namespace {

// The sanitizers' own bookkeeping would take minutes for the full counts.
constexpr int awaits = coil_test::sanitized ? 1'000'000 : 10'000'000;
constexpr int depth = coil_test::sanitized ? 100'000 : 1'000'000;
constexpr int depth_of_unwinding = coil_test::sanitized ? 10'000 : 100'000;

coil::Coro<int> ready(int value) { co_return value; }

coil::Coro<int> descend(int levels) {
  if (levels == 0) co_return 0;
  const int below = co_await descend(levels - 1);
  co_return below + 1;
}

coil::Coro<int> descend_and_sleep(int levels) {
  if (levels == 0) co_await coil::sleep(1s);
  if (levels == 0) co_return 0;
  const int below = co_await descend_and_sleep(levels - 1);
  co_return below + 1;
}

coil::Coro<int> descend_and_fail(int levels) {
  if (levels == 0) throw std::runtime_error("at the bottom");
  const int below = co_await descend_and_fail(levels - 1);
  co_return below + 1;
}

}  // namespace

LOOP_TEST("coro: ten million awaits of a child that is ready do not grow the stack") {
  long long sum = 0;
  for (int i = 0; i < awaits; ++i) sum += co_await ready(1);
  CHECK(sum == awaits);
}

LOOP_TEST("coro: a recursion one million deep returns") {
  const int reached = co_await descend(depth);
  CHECK(reached == depth);
}

LOOP_TEST("coro: a recursion one million deep that suspends at the bottom returns") {
  const int reached = co_await descend_and_sleep(depth);
  CHECK(reached == depth);
  CHECK(coil_test::elapsed() == 1s);
}

LOOP_TEST("coro: an exception passes through a recursion one hundred thousand deep") {
  CHECK_AWAIT_FAILS_WITH(descend_and_fail(depth_of_unwinding), "at the bottom");
}

LOOP_TEST("coro: a cancellation passes through a recursion one hundred thousand deep") {
  auto task = coil::create_task(descend_and_sleep(depth_of_unwinding));
  co_await coil::sleep(1ms);
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(coil_test::elapsed() == 1ms);
}

LOOP_TEST("coro: a million awaits of a task that is done do not grow the stack") {
  auto task = coil::create_task(ready(1));
  co_await task;
  long long sum = 0;
  for (int i = 0; i < 1'000'000; ++i) sum += co_await task;
  CHECK(sum == 1'000'000);
}

LOOP_TEST("coro: a chain of tasks ten thousand long, each awaiting the next, ends") {
  std::vector<coil::Task<int>> chain;
  auto await_previous = [&](std::size_t index) -> coil::Coro<int> {
    const int below = co_await chain[index - 1];
    co_return below + 1;
  };
  chain.push_back(coil::create_task(coil_test::value_after(1s, 0)));
  for (std::size_t i = 1; i < 10'000; ++i) chain.push_back(coil::create_task(await_previous(i)));
  const int last = co_await chain.back();
  CHECK(last == 9'999);
}

LOOP_TEST("coro: cancelling a chain of tasks two hundred thousand long, each awaiting the next, reaches the first") {
  std::vector<coil::Task<int>> chain;
  auto await_previous = [&](std::size_t index) -> coil::Coro<int> {
    const int below = co_await chain[index - 1];
    co_return below + 1;
  };
  chain.push_back(coil::create_task(coil_test::value_after(1h, 0)));
  for (std::size_t i = 1; i < 200'000; ++i) chain.push_back(coil::create_task(await_previous(i)));
  co_await coil::sleep(1s);
  chain.back().cancel();
  CHECK_AWAIT_THROWS(chain.back(), coil::CancelledError);
  CHECK(chain.front().cancelled());
}
