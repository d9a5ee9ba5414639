// Async generators as a part of tasks: in other generators and combinators, deep and long, and what shows where they
// stand.
#include <coil/async_generator.hpp>

#include <coil/call_graph.hpp>
#include <coil/context_var.hpp>
#include <coil/exception_group.hpp>

#include "../support/loop_test.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using coil_test::elapsed;
using Ints = std::vector<int>;

namespace {

coil::AsyncGenerator<int> count_to(int end) {
  for (int i = 0; i < end; ++i) co_yield i;
}

coil::AsyncGenerator<int> tick(int times) {
  for (int i = 0; i < times; ++i) {
    co_await coil::sleep(1s);
    co_yield i;
  }
}

coil::Coro<Ints> all_of(coil::AsyncGenerator<int> generator) {
  Ints values;
  while (const int* value = co_await generator.next()) values.push_back(*value);
  co_return values;
}

}  // namespace

// ---- Generators in generators, and in other things -------------------------------------------------------

namespace {

coil::AsyncGenerator<int> doubled(coil::AsyncGenerator<int> numbers) {
  while (const int* number = co_await numbers.next()) co_yield 2 * *number;
}

struct Tree {
  int value;
  std::vector<Tree> children;
};
coil::AsyncGenerator<int> walk(const Tree& tree) {
  co_yield tree.value;
  for (const Tree& child : tree.children) {
    auto below = walk(child);
    while (const int* value = co_await below.next()) co_yield *value;
  }
}

}  // namespace

LOOP_TEST("async generator: one may read another") {
  const Ints values = co_await all_of(doubled(doubled(tick(3))));
  CHECK(values == Ints{0, 4, 8});
  CHECK(elapsed() == 3s);
}

LOOP_TEST("async generator: may be recursive") {
  const Tree tree{1, {{2, {{3, {}}, {4, {}}}}, {5, {}}}};
  const Ints values = co_await all_of(walk(tree));
  CHECK(values == Ints{1, 2, 3, 4, 5});
}

LOOP_TEST("async generator: next() can be given to gather, wait_for, as_result and create_task") {
  auto a = tick(3);
  auto b = tick(3);
  const auto [first, second] = co_await coil::gather(a.next(), b.next());
  CHECK(*first == 0);
  CHECK(*second == 0);
  CHECK(elapsed() == 1s);
  const int* third = co_await coil::wait_for(a.next(), 2s);
  CHECK(*third == 1);
  auto outcome = co_await coil::as_result(a.next());
  CHECK(*outcome.value() == 2);
  auto task = coil::create_task(b.next());
  const int* fourth = co_await task;
  CHECK(*fourth == 1);
}

LOOP_TEST("async generator: values pass from task to task") {
  auto ticks = tick(10);
  Ints seen;
  auto take_one = [&]() -> coil::Coro<void> {
    const int* value = co_await ticks.next();
    seen.push_back(*value);
  };
  for (int i = 0; i < 10; ++i) co_await coil::create_task(take_one());
  CHECK(seen.size() == 10);
  CHECK(seen.back() == 9);
}

// ---- Depth -----------------------------------------------------------------------------------------------

LOOP_TEST("async generator: ten million values that are ready do not grow the stack") {
  const int count = coil_test::sanitized ? 1'000'000 : 10'000'000;
  auto numbers = count_to(count);
  long long sum = 0;
  while (const int* number = co_await numbers.next()) sum += *number;
  CHECK(sum == static_cast<long long>(count) * (count - 1) / 2);
}

LOOP_TEST("async generator: a chain of a thousand generators gives its values") {
  auto chain = count_to(3);
  auto pass_on = [](coil::AsyncGenerator<int> before) -> coil::AsyncGenerator<int> {
    while (int* number = co_await before.next()) co_yield *number;
  };
  for (int i = 0; i < 1000; ++i) chain = pass_on(std::move(chain));
  const Ints values = co_await all_of(std::move(chain));
  CHECK(values == Ints{0, 1, 2});
}

// ---- Where it stands, and what it sees -------------------------------------------------------------------

namespace {

constexpr unsigned sleeping_at = __LINE__ + 2;
coil::AsyncGenerator<int> sleeping() {
  co_await coil::sleep(1h);
  co_yield 1;
}
constexpr unsigned reading_at = __LINE__ + 3;
coil::Coro<void> read_sleeping() {
  auto generator = sleeping();
  co_await generator.next();
}

}  // namespace

LOOP_TEST("async generator: the call graph shows it between who awaits it and what it awaits") {
  auto task = coil::create_task(read_sleeping());
  co_await coil::yield();
  const auto frames = coil::capture_call_graph(task).frames;
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].function.find("sleeping") != std::string::npos);
  CHECK(frames[0].where.line() == sleeping_at);
  CHECK(frames[1].function.find("read_sleeping") != std::string::npos);
  CHECK(frames[1].where.line() == reading_at);
  task.cancel();
}

LOOP_TEST("async generator: the trace of an exception leads through it") {
  unsigned failing_at = 0;
  auto failing = [&]() -> coil::AsyncGenerator<int> {
    failing_at = __LINE__ + 1;
    co_await coil_test::fail_after(1s, "on purpose");
    co_yield 1;
  };
  unsigned outer_at = 0;
  auto outer = [&]() -> coil::AsyncGenerator<int> {
    auto inner = failing();
    outer_at = __LINE__ + 1;
    co_await inner.next();
    co_yield 1;
  };
  auto generator = outer();
  std::vector<unsigned> lines;
  try {
    co_await generator.next();
  } catch (const std::runtime_error&) {
    for (const auto& place : coil::exception_trace(std::current_exception())) lines.push_back(place.line());
  }
  const auto inner = std::find(lines.begin(), lines.end(), failing_at);
  REQUIRE(inner != lines.end());
  CHECK(std::find(inner, lines.end(), outer_at) != lines.end());
}

LOOP_TEST("async generator: shares the context of the task that awaits next()") {
  const coil::ContextVar<std::string> user("user", "nobody");
  std::vector<std::string> seen;
  auto body = [&]() -> coil::AsyncGenerator<int> {
    for (int i = 0; i < 2; ++i) {
      seen.push_back(user.get());
      user.set("generator " + std::to_string(i));
      co_yield i;
    }
  };
  auto generator = body();
  co_await generator.next();
  CHECK(user.get() == "generator 0");
  auto other = [&]() -> coil::Coro<void> {
    user.set("other task");
    co_await generator.next();
    CHECK(user.get() == "generator 1");
  };
  co_await coil::create_task(other());
  CHECK(user.get() == "generator 0");
  CHECK(seen == std::vector<std::string>{"nobody", "other task"});
}

LOOP_TEST("async generator: runs as the task that awaits it") {
  std::vector<coil::TaskRef> seen;
  auto body = [&]() -> coil::AsyncGenerator<int> {
    for (;;) {
      seen.push_back(coil::current_task());
      co_yield 1;
    }
  };
  auto generator = body();
  co_await generator.next();
  auto next = [&]() -> coil::Coro<void> { co_await generator.next(); };
  auto task = coil::create_task(next());
  co_await task;
  CHECK(seen == std::vector<coil::TaskRef>{coil::current_task(), task});
}
