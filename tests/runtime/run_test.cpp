#include <coil/run.hpp>

#include "../support/loop_test.hpp"

#include <memory>
#include <string>
#include <type_traits>

using namespace std::chrono_literals;
using coil_test::virtual_time;

namespace {

coil::Coro<int> five() {
  co_await coil::sleep(1s);
  co_return 5;
}

coil::Coro<void> nothing() { co_return; }

coil::Coro<void> broken() {
  co_await coil::sleep(1s);
  throw std::runtime_error("main failed");
}

coil::Coro<std::unique_ptr<int>> movable() { co_return std::make_unique<int>(8); }

}  // namespace

TEST_CASE("run: its options can be written in braces in any expression: they are trivially destructible") {
  static_assert(std::is_trivially_destructible_v<coil::RunOptions>);
  static_assert(std::is_aggregate_v<coil::RunOptions>);
  static_assert(std::is_trivially_destructible_v<coil::TaskOptions>);
  const coil::RunOptions options;
  CHECK(options.slow_callback_duration == 100ms);
  CHECK(options.clock == coil::Clock::real);
  CHECK(!options.shuffle_seed.has_value());
}

TEST_CASE("run: returns what the main coroutine returns") {
  coil_test::LeakCheck leaks;
  CHECK(coil::run(five(), virtual_time) == 5);
  CHECK(*coil::run(movable()) == 8);
  coil::run(nothing());
}

TEST_CASE("run: throws what the main coroutine throws") {
  coil_test::LeakCheck leaks;
  CHECK_THROWS_WITH(coil::run(broken(), virtual_time), "main failed");
}

TEST_CASE("run: takes a callable and keeps it alive until it ends") {
  coil_test::LeakCheck leaks;
  auto shared = std::make_shared<int>(7);
  std::weak_ptr<int> watched = shared;
  const int value = coil::run(
      [kept = std::move(shared)]() -> coil::Coro<int> {
        co_await coil::sleep(1s);
        co_return *kept;
      },
      virtual_time);
  CHECK(value == 7);
  CHECK(watched.expired());
}

TEST_CASE("run: a reference that main gives stays one") {
  int target = 1;
  CHECK(&coil::run([&]() -> coil::Coro<int&> { co_return target; }, virtual_time) == &target);
}

TEST_CASE("run: takes a plain function") { CHECK(coil::run(five, virtual_time) == 5); }

TEST_CASE("run: can be called again, each time with a new loop") {
  coil_test::LeakCheck leaks;
  std::string log;
  auto main = [&]() -> coil::Coro<void> {
    log += coil_test::elapsed() == 0s ? "0" : "?";
    co_await coil::sleep(1s);
  };
  for (int i = 0; i < 3; ++i) coil::run(main, virtual_time);
  CHECK(log == "000");
  CHECK_THROWS_AS(coil::get_running_loop(), std::logic_error);
}

TEST_CASE("run: can be called again after it failed") {
  CHECK_THROWS_WITH(coil::run(broken(), virtual_time), "main failed");
  CHECK(coil::run(five(), virtual_time) == 5);
}

LOOP_TEST("run: inside a running loop is a logic_error, and the running loop goes on") {
  bool ran = false;
  auto inner = [&]() -> coil::Coro<void> {
    ran = true;
    co_return;
  };
  auto* const loop = &coil::get_running_loop();
  CHECK_THROWS_AS(coil::run(inner), std::logic_error);
  CHECK_THROWS_AS(coil::run(nothing()), std::logic_error);
  CHECK(!ran);
  CHECK(&coil::get_running_loop() == loop);
  co_await coil::sleep(1s);
  CHECK(coil_test::elapsed() == 1s);
}

TEST_CASE("run: of a moved-from coroutine is a logic_error") {
  coil_test::LeakCheck leaks;
  auto first = five();
  auto second = std::move(first);
  CHECK_THROWS_AS(coil::run(std::move(first), virtual_time), std::logic_error);
  CHECK(coil::run(std::move(second), virtual_time) == 5);
}

TEST_CASE("run: main is a task like any other") {
  auto main = []() -> coil::Coro<std::size_t> {
    coil::current_task().set_name("main");
    co_await coil::yield();
    const auto tasks = coil::all_tasks();
    CHECK(tasks.size() == 1);
    CHECK(tasks.front() == coil::current_task());
    co_return tasks.size();
  };
  CHECK(coil::run(main) == 1);
}

TEST_CASE("run: a main that ends cancelled throws CancelledError") {
  coil_test::LeakCheck leaks;
  auto main = []() -> coil::Coro<void> {
    coil::current_task().cancel("given up");
    co_await coil::sleep(1s);
  };
  std::string message;
  try {
    coil::run(main, virtual_time);
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(message == "given up");
}

TEST_CASE("runner: several runs share one loop and its clock") {
  coil_test::LeakCheck leaks;
  {
    coil::Runner runner(virtual_time);
    CHECK(runner.run(five()) == 5);
    CHECK(runner.loop().time() == coil::time_point{} + 1s);
    CHECK(runner.run(five()) == 5);
    CHECK(runner.loop().time() == coil::time_point{} + 2s);
    runner.run(nothing());
  }
}

TEST_CASE("runner: a task left by one run goes on in the next, and close() cancels what is left") {
  coil_test::LeakCheck leaks;
  std::string log;
  auto tick = [&]() -> coil::Coro<void> {
    try {
      for (;;) {
        co_await coil::sleep(1s);
        log += "tick;";
      }
    } catch (const coil::CancelledError&) {
      log += "cancelled;";
      throw;
    }
  };
  auto start = [&]() -> coil::Coro<void> {
    coil::create_task(tick());
    co_return;
  };
  auto wait = [&]() -> coil::Coro<void> { co_await coil::sleep(2500ms); };
  coil::Runner runner(virtual_time);
  runner.run(start());
  CHECK(log == "");
  runner.run(wait());
  CHECK(log == "tick;tick;");
  runner.close();
  CHECK(log == "tick;tick;cancelled;");
}

TEST_CASE("runner: close() twice is fine, run() after it is a logic_error") {
  coil_test::LeakCheck leaks;
  coil::Runner runner(virtual_time);
  CHECK(runner.run(five()) == 5);
  runner.close();
  runner.close();
  CHECK_THROWS_AS(runner.run(five()), std::logic_error);
}

TEST_CASE("runner: an exception of one run does not keep the next from running") {
  coil::Runner runner(virtual_time);
  CHECK_THROWS_WITH(runner.run(broken()), "main failed");
  CHECK(runner.run(five()) == 5);
}

TEST_CASE("runner: one that never ran closes without a trace") {
  coil_test::LeakCheck leaks;
  coil::Runner runner;
}

LOOP_TEST("runner: run() inside a running loop is a logic_error") {
  coil::Runner runner;
  CHECK_THROWS_AS(runner.run(five()), std::logic_error);
  co_await coil::yield();
}

TEST_CASE("run: a ring of few entries is enough") {
  coil_test::LeakCheck leaks;
  CHECK(coil::run(five(), {.ring_entries = 4, .clock = coil::Clock::virtual_}) == 5);
}

namespace {

/// Not a coroutine: what it does before it returns one has to be done inside the loop.
coil::Coro<int> sum_of_two() {
  auto first = coil::create_task(five());
  auto sum = [](coil::Task<int> one) -> coil::Coro<int> {
    const int value = co_await one;
    co_return value + 2;
  };
  return sum(first);
}

}  // namespace

TEST_CASE("run: calls a callable inside the loop, be it a closure without captures, one with, or a function") {
  coil_test::LeakCheck leaks;
  CHECK(coil::run(sum_of_two, virtual_time) == 7);
  CHECK(coil::run([] { return sum_of_two(); }, virtual_time) == 7);
  const auto kept = std::make_shared<int>(1);
  CHECK(coil::run([kept] { return sum_of_two(); }, virtual_time) == 7);
  coil::Runner runner(virtual_time);
  CHECK(runner.run([] { return sum_of_two(); }) == 7);
  CHECK(runner.run([] { return coil::sleep(coil::get_running_loop().time().time_since_epoch(), 4); }) == 4);
}

TEST_CASE("run: what a callable throws instead of returning a coroutine is thrown by run") {
  coil_test::LeakCheck leaks;
  auto main = []() -> coil::Coro<void> { throw std::runtime_error("no coroutine"); };
  CHECK_THROWS_WITH(coil::run(main), "no coroutine");
}

TEST_CASE("run: takes anything that can be awaited") {
  coil_test::LeakCheck leaks;
  CHECK(coil::run(coil::sleep(1s, 3), virtual_time) == 3);
  coil::run(coil::yield());
}
