// What metrics() says, in each state of the loop.
#include <coil/loop.hpp>

#include "../support/io_test.hpp"

#include <chrono>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

void spin(std::chrono::nanoseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

std::chrono::nanoseconds longest() { return coil::get_running_loop().metrics().longest_callback; }

}  // namespace

LOOP_TEST("metrics: count the tasks alive, the ready callbacks and the timers") {
  auto& loop = coil::get_running_loop();
  const auto before = loop.metrics();
  CHECK(before.tasks == 1);
  CHECK(before.timers == 0);
  CHECK(before.operations_in_flight == 0);
  auto a = coil::create_task(coil_test::value_after(1s, 0));
  auto b = coil::create_task(coil_test::value_after(2s, 0));
  auto timer = loop.call_later(3s, [] {});
  loop.call_soon([] {});
  CHECK(loop.metrics().tasks == 3);
  CHECK(loop.metrics().ready == before.ready + 3);
  CHECK(loop.metrics().timers == 1);
  co_await coil::yield();
  CHECK(loop.metrics().ready == before.ready);
  CHECK(loop.metrics().timers == 3);
  co_await coil::gather(a, b);
  timer.cancel();
  CHECK(loop.metrics().tasks == 1);
  CHECK(loop.metrics().timers == 0);
}

LOOP_TEST("metrics: what is ready in this turn and has not run yet is ready, what was cancelled is not") {
  auto& loop = coil::get_running_loop();
  std::vector<std::size_t> seen;
  const auto look = [&] { seen.push_back(loop.metrics().ready); };
  for (int i = 0; i < 3; ++i) loop.call_soon(look);
  auto cancelled = loop.call_soon(look);
  auto task = coil::create_task(coil_test::value_after(1s, 0));
  CHECK(loop.metrics().ready == 5);
  cancelled.cancel();
  CHECK(loop.metrics().ready == 4);
  co_await coil::yield();  // the fifth
  CHECK(seen == std::vector<std::size_t>{4, 3, 2});
  CHECK(loop.metrics().ready == 0);
  loop.call_soon([&] { loop.call_soon([] {}); });
  co_await coil::yield();
  CHECK(loop.metrics().ready == 1);  // for the next turn
}

TEST_CASE("metrics: in debug mode what is ready counts the same") {
  std::vector<std::size_t> seen;
  auto main = [&]() -> coil::Coro<void> {
    auto& loop = coil::get_running_loop();
    for (int i = 0; i < 3; ++i) loop.call_soon([&] { seen.push_back(loop.metrics().ready); });
    co_await coil::yield();
  };
  coil::run(main, {.debug = true, .clock = coil::Clock::virtual_});
  CHECK(seen == std::vector<std::size_t>{3, 2, 1});
}

LOOP_TEST("metrics: a task counts from create_task until it is done, cancelled before its start or not") {
  auto& loop = coil::get_running_loop();
  CHECK(loop.metrics().tasks == 1);
  auto task = coil::create_task(coil_test::value_after(1s, 0));
  auto cancelled = coil::create_task(coil_test::value_after(1s, 0));
  CHECK(loop.metrics().tasks == 3);
  cancelled.cancel();
  CHECK(loop.metrics().tasks == 3);
  co_await coil::sleep(500ms);
  CHECK(loop.metrics().tasks == 2);
  co_await task;
  CHECK(loop.metrics().tasks == 1);
}

LOOP_TEST("metrics: count the operations in the kernel, what was submitted and what completed") {
  auto& loop = coil::get_running_loop();
  const coil_test::Ends pipe = coil_test::make_pipe();
  const auto before = loop.metrics();
  auto reading = coil::create_task(coil_test::read_text(pipe.out));
  co_await coil_test::settle();
  auto now = loop.metrics();
  CHECK(now.operations_in_flight == 1);
  CHECK(now.submissions == before.submissions + 1);
  CHECK(now.completions == before.completions);
  co_await coil_test::write_text(pipe.in, "text");
  co_await reading;
  now = loop.metrics();
  CHECK(now.operations_in_flight == 0);
  CHECK(now.submissions == before.submissions + 2);
  CHECK(now.completions == before.completions + 2);
  auto cancelled = coil::create_task(coil_test::read_text(pipe.out));
  co_await coil_test::settle();
  cancelled.cancel();
  CHECK_AWAIT_THROWS(cancelled, coil::CancelledError);
  CHECK(loop.metrics().operations_in_flight == 0);
}

TEST_CASE("metrics: wake-ups are the times that the loop slept in the kernel") {
  auto main = []() -> coil::Coro<void> {
    auto& loop = coil::get_running_loop();
    const auto before = loop.metrics().wakeups;
    for (int i = 0; i < 10; ++i) co_await coil::yield();
    CHECK(loop.metrics().wakeups == before);
    for (int i = 0; i < 1'000 && loop.metrics().wakeups == before; ++i) co_await coil::sleep(5ms);
    CHECK(loop.metrics().wakeups > before);
  };
  coil::run(main);
}

TEST_CASE("metrics: before, between and after the runs of a Runner") {
  coil::Runner runner(coil_test::virtual_time);
  auto metrics = runner.loop().metrics();
  CHECK(metrics.tasks == 0);
  CHECK(metrics.ready == 0);
  CHECK(metrics.longest_callback == 0ns);
  runner.run([]() -> coil::Coro<void> {
    coil::create_task(coil_test::value_after(1h, 0));
    spin(2ms);
    co_await coil::yield();
  });
  metrics = runner.loop().metrics();
  CHECK(metrics.tasks == 1);
  CHECK(metrics.timers == 1);
  CHECK(metrics.longest_callback >= 2ms);
  spin(20ms);  // not the loop's
  CHECK(runner.loop().metrics().longest_callback == metrics.longest_callback);
}

TEST_CASE("metrics: the longest callback is known to the loop that still runs it") {
  auto main = []() -> coil::Coro<void> {
    spin(3ms);
    CHECK(longest() >= 3ms);
    co_await coil::sleep(1ms);
  };
  coil::run(main);
}

TEST_CASE("metrics: the longest callback, at once in debug mode, else when the clock was looked at") {
  std::chrono::nanoseconds after_yield{};
  std::chrono::nanoseconds after_sleep{};
  auto watch = [&]() -> coil::Coro<void> {
    coil::get_running_loop().call_soon([] { spin(3ms); });
    co_await coil::yield();
    after_yield = longest();
    co_await coil::sleep(1ms);
    after_sleep = longest();
  };
  for (const bool debug : {false, true}) {
    CAPTURE(debug);
    coil::run(watch, {.debug = debug});
    CHECK(after_yield >= 3ms);
    CHECK(after_sleep >= 3ms);
  }
}

TEST_CASE("metrics: many short callbacks are no long one, if there are timers") {
  auto main = []() -> coil::Coro<void> {
    const auto start = std::chrono::steady_clock::now();
    auto far = coil::get_running_loop().call_later(1h, [] {});
    while (std::chrono::steady_clock::now() - start < 50ms) co_await coil::yield();
    CHECK(longest() < std::chrono::steady_clock::now() - start);
    far.cancel();
  };
  coil::run(main);
}

TEST_CASE("metrics: in debug mode, also when it is turned on while the loop runs, the time of many is not added up") {
  auto main = []() -> coil::Coro<void> {
    coil::get_running_loop().set_debug(true);
    co_await coil::yield();
    const auto start = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - start < 50ms) co_await coil::yield();
    CHECK(longest() < std::chrono::steady_clock::now() - start);
    coil::get_running_loop().set_debug(false);
    CHECK(longest() < std::chrono::steady_clock::now() - start);
    co_await coil::yield();
  };
  coil::run(main);
}
