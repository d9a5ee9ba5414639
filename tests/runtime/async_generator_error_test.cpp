// Failures and cancellation of what an async generator runs.
#include <coil/async_generator.hpp>

#include "../support/loop_test.hpp"

#include <string>
#include <vector>

using namespace std::chrono_literals;
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

// ---- Failures --------------------------------------------------------------------------------------------

LOOP_TEST("async generator: an exception of the body comes out of next(), and null ever after") {
  auto body = []() -> coil::AsyncGenerator<int> {
    co_yield 1;
    co_await coil::sleep(1s);
    throw std::runtime_error("on purpose");
  };
  auto generator = body();
  co_await generator.next();
  CHECK_AWAIT_FAILS_WITH(generator.next(), "on purpose");
  for (int i = 0; i < 2; ++i) {
    const int* end = co_await generator.next();
    CHECK(end == nullptr);
  }
  co_await generator.aclose();
}

LOOP_TEST("async generator: an exception before the first value comes out of the first next()") {
  auto body = []() -> coil::AsyncGenerator<int> {
    throw std::runtime_error("at once");
    co_yield 1;
  };
  auto generator = body();
  CHECK_AWAIT_FAILS_WITH(generator.next(), "at once");
  const int* end = co_await generator.next();
  CHECK(end == nullptr);
}

LOOP_TEST("async generator: an exception passes through generators in generators; the body may catch it and go on") {
  auto failing = []() -> coil::AsyncGenerator<int> {
    co_yield 1;
    throw std::runtime_error("on purpose");
  };
  auto careful = [&]() -> coil::AsyncGenerator<int> {
    auto inner = failing();
    bool failed = false;
    while (!failed) {
      const int* value = nullptr;
      try {
        value = co_await inner.next();
      } catch (const std::runtime_error&) {
        failed = true;
      }
      if (value != nullptr) co_yield *value;
    }
    co_yield -1;
  };
  const Ints values = co_await all_of(careful());
  CHECK(values == Ints{1, -1});
}

LOOP_TEST("async generator: next() while another task awaits next() is a logic_error, and does no harm") {
  auto ticks = tick(2);
  auto first = coil::create_task(ticks.next());
  co_await coil::yield();
  CHECK_AWAIT_FAILS_WITH(ticks.next(), "coil: AsyncGenerator::next(): the asynchronous generator is already running");
  CHECK_AWAIT_FAILS_WITH(ticks.aclose(),
                         "coil: AsyncGenerator::aclose(): the asynchronous generator is already running");
  const int* value = co_await first;
  CHECK(*value == 0);
  value = co_await ticks.next();
  CHECK(*value == 1);
}

LOOP_TEST("async generator: a body that asks itself for the next value gets a logic_error") {
  coil::AsyncGenerator<int>* self = nullptr;
  auto body = [&]() -> coil::AsyncGenerator<int> {
    CHECK_AWAIT_THROWS(self->next(), std::logic_error);
    co_yield 1;
  };
  auto generator = body();
  self = &generator;
  const int* value = co_await generator.next();
  CHECK(*value == 1);
}

TEST_CASE("async generator: next() in another loop than the one in which it began is a logic_error") {
  coil_test::LeakCheck leaks;
  coil::Runner first(coil_test::virtual_time);
  auto numbers = count_to(3);
  auto next = [&]() -> coil::Coro<int> {
    const int* value = co_await numbers.next();
    co_return value == nullptr ? -1 : *value;
  };
  CHECK(first.run(next) == 0);
  CHECK_THROWS_AS(coil::run(next, coil_test::virtual_time), std::logic_error);
  CHECK(first.run(next) == 1);
  first.close();
  CHECK(coil::run(next, coil_test::virtual_time) == -1);  // closed with its loop
}

// ---- Cancellation ----------------------------------------------------------------------------------------

LOOP_TEST("async generator: a cancellation while next() waits goes through the body, and ends it") {
  std::string log;
  auto body = [&]() -> coil::AsyncGenerator<int> {
    co_yield 1;
    co_await coil_test::park(log, "body");
    co_yield 2;
  };
  auto generator = body();
  auto work = [&]() -> coil::Coro<void> {
    co_await generator.next();
    co_await generator.next();
  };
  auto task = coil::create_task(work());
  co_await coil::sleep(1s);
  task.cancel("stop");
  std::string message;
  try {
    co_await task;
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(message == "stop");
  CHECK(log == "body cancelled;");
  const int* end = co_await generator.next();
  CHECK(end == nullptr);
}

LOOP_TEST("async generator: a body may catch the cancellation and go on") {
  auto body = []() -> coil::AsyncGenerator<int> {
    const int value = co_await coil_test::return_when_cancelled(1);
    co_yield value;
    co_yield 2;
  };
  auto generator = body();
  auto task = coil::create_task(generator.next());
  co_await coil::sleep(1s);
  task.cancel();
  const int* value = co_await task;
  CHECK(*value == 1);
  value = co_await generator.next();
  CHECK(*value == 2);
}

LOOP_TEST("async generator: a cancellation that comes with the value is delivered at the next wait of either") {
  for (const bool before : {true, false}) {
    auto future = coil::get_running_loop().create_future<int>();
    auto body = [&]() -> coil::AsyncGenerator<int> { co_yield co_await future; };
    auto generator = body();
    auto task = coil::create_task(generator.next());
    co_await coil::yield();
    if (before) task.cancel();
    if (!future.done()) future.set_result(1);
    if (!before) task.cancel();
    CHECK_AWAIT_THROWS(task, coil::CancelledError);
    const int* end = co_await generator.next();
    CHECK(end == nullptr);
  }
}

LOOP_TEST("async generator: next() of ready values never sees a cancellation, the next wait does") {
  auto numbers = count_to(2);
  int seen = 0;
  auto work = [&]() -> coil::Coro<void> {
    coil::current_task().cancel();
    while (co_await numbers.next() != nullptr) ++seen;
    co_await coil::sleep(1s);
    seen = -1;
  };
  auto task = coil::create_task(work());
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(seen == 2);
}

LOOP_TEST("async generator: a timeout around next() ends the body, one inside it does not") {
  auto slow = tick(3);
  CHECK_AWAIT_THROWS(coil::wait_for(slow.next(), 10ms), coil::TimeoutError);
  const int* value = co_await slow.next();
  CHECK(value == nullptr);
  auto patient = []() -> coil::AsyncGenerator<int> {
    for (int i = 0; i < 2; ++i) {
      bool late = false;
      try {
        co_await coil::wait_for(coil::sleep(1h), 1s);
      } catch (const coil::TimeoutError&) {
        late = true;
      }
      if (late) co_yield i;
    }
  };
  const Ints values = co_await all_of(patient());
  CHECK(values == Ints{0, 1});
}
