#include <coil/clock.hpp>

#include "../support/loop_test.hpp"

#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {
using Wall = std::chrono::steady_clock;
}

LOOP_TEST("clock: virtual time starts at 0") {
  CHECK(coil::get_running_loop().time() == coil::time_point{});
  co_await coil::yield();
}

TEST_CASE("clock: virtual time starts at 0 in each run") {
  for (int round = 0; round < 2; ++round) {
    std::chrono::nanoseconds start{-1};
    auto main = [&]() -> coil::Coro<void> {
      start = coil_test::elapsed();
      co_await coil::sleep(1h);
    };
    coil::run(main, coil_test::virtual_time);
    CHECK(start == 0s);
  }
}

LOOP_TEST("clock: virtual time jumps exactly to the next timer") {
  co_await coil::sleep(1500ms);
  CHECK(coil_test::elapsed() == 1500ms);
  co_await coil::sleep(1ns);
  CHECK(coil_test::elapsed() == 1500ms + 1ns);
}

LOOP_TEST("clock: an hour of sleeps takes no real time") {
  const auto begin = Wall::now();
  for (int minute = 0; minute < 60; ++minute) co_await coil::sleep(1min);
  CHECK(coil_test::elapsed() == 1h);
  CHECK(Wall::now() - begin < 10min);
}

LOOP_TEST("clock: virtual time stands still while something can run") {
  auto sleeper = coil::create_task(coil_test::value_after(1ns, 0));
  for (int turn = 0; turn < 1000; ++turn) co_await coil::yield();
  CHECK(coil_test::elapsed() == 0s);
  CHECK(!sleeper.done());
  co_await sleeper;
  CHECK(coil_test::elapsed() == 1ns);
}

LOOP_TEST("clock: virtual time passes timers in the order of their deadlines, each at its own time") {
  std::vector<std::chrono::nanoseconds> seen;
  auto sleep_for = [&](std::chrono::nanoseconds delay) -> coil::Coro<void> {
    co_await coil::sleep(delay);
    seen.push_back(coil_test::elapsed());
  };
  co_await coil::gather(sleep_for(3s), sleep_for(1s), sleep_for(2s));
  const std::vector<std::chrono::nanoseconds> expected{1s, 2s, 3s};
  CHECK(seen == expected);
}

LOOP_TEST("clock: with no timer left the virtual clock waits for other threads as usual") {
  auto& loop = coil::get_running_loop();
  auto answer = loop.create_future<int>();
  std::thread other([&] { loop.call_soon_threadsafe([&] { answer.set_result(7); }); });
  const int value = co_await answer;
  other.join();
  CHECK(value == 7);
  CHECK(coil_test::elapsed() == 0s);
}

TEST_CASE("clock: the real clock moves by itself and sleeps at least as long as asked") {
  coil_test::LeakCheck leaks;
  std::chrono::nanoseconds slept{};
  const auto begin = Wall::now();
  auto main = [&]() -> coil::Coro<void> {
    const auto start = coil::get_running_loop().time();
    co_await coil::sleep(2ms);
    slept = coil::get_running_loop().time() - start;
  };
  coil::run(main);
  CHECK(slept >= 2ms);
  CHECK(Wall::now() - begin >= 2ms);
}

TEST_CASE("clock: the real clock never runs backwards") {
  bool monotonic = true;
  auto main = [&]() -> coil::Coro<void> {
    auto last = coil::get_running_loop().time();
    for (int turn = 0; turn < 1000; ++turn) {
      co_await coil::yield();
      const auto now = coil::get_running_loop().time();
      monotonic = monotonic && now >= last;
      last = now;
    }
  };
  coil::run(main);
  CHECK(monotonic);
}

LOOP_TEST("clock: a deadline is a time_point, what time() returns") {
  static_assert(std::is_same_v<decltype(coil::get_running_loop().time()), coil::time_point>);
  co_await coil::sleep_until(coil::get_running_loop().time() + 90s);
  CHECK(coil_test::elapsed() == 90s);
}
