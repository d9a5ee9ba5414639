#include <coil/loop.hpp>

#include "../support/loop_test.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

using namespace std::chrono_literals;

LOOP_TEST("timers: fire in the order of their deadlines, each at its time") {
  auto& loop = coil::get_running_loop();
  std::string log;
  const auto note = [&](char name) { log += name + std::to_string(coil_test::elapsed() / 1s) + " "; };
  loop.call_later(3s, [&] { note('c'); });
  loop.call_later(1s, [&] { note('a'); });
  loop.call_later(2s, [&] { note('b'); });
  co_await coil::sleep(4s);
  CHECK(log == "a1 b2 c3 ");
}

LOOP_TEST("timers: with the same deadline fire in the order in which they were scheduled") {
  auto& loop = coil::get_running_loop();
  std::string log;
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    loop.call_at(coil::time_point{} + 1s, [&log, i] { log += std::to_string(i) + " "; });
    expected += std::to_string(i) + " ";
  }
  co_await coil::sleep(1s);
  co_await coil::yield();
  CHECK(log == expected);
}

LOOP_TEST("timers: call_at takes a deadline of the loop's own clock") {
  auto& loop = coil::get_running_loop();
  co_await coil::sleep(5s);
  std::chrono::nanoseconds fired{};
  loop.call_at(loop.time() + 2s, [&] { fired = coil_test::elapsed(); });
  co_await coil::sleep(10s);
  CHECK(fired == 7s);
}

LOOP_TEST("timers: a deadline in the past, no delay and a negative delay fire in the next turns, not at once") {
  auto& loop = coil::get_running_loop();
  co_await coil::sleep(5s);
  std::string log;
  loop.call_at(coil::time_point{} + 1s, [&] { log += "past;"; });
  loop.call_later(0s, [&] { log += "zero;"; });
  loop.call_later(-3s, [&] { log += "negative;"; });
  CHECK(log == "");
  co_await coil::sleep(1ns);
  CHECK(log.find("past;") != std::string::npos);
  CHECK(log.find("zero;") != std::string::npos);
  CHECK(log.find("negative;") != std::string::npos);
}

LOOP_TEST("timers: a huge delay is waited for, without overflow, and can be cancelled") {
  auto& loop = coil::get_running_loop();
  co_await coil::sleep(1s);
  bool fired = false;
  auto longest = loop.call_later(std::chrono::nanoseconds::max(), [&] { fired = true; });
  auto hours = loop.call_later(std::chrono::hours::max(), [&] { fired = true; });
  auto point = loop.call_at(coil::time_point::max(), [&] { fired = true; });
  auto least = loop.call_later(std::chrono::hours::min(), [&] {});
  co_await coil::sleep(coil_test::ages);
  CHECK(!fired);
  longest.cancel();
  hours.cancel();
  point.cancel();
  CHECK(loop.metrics().timers == 0);
}

LOOP_TEST("timers: when() is the deadline") {
  auto& loop = coil::get_running_loop();
  co_await coil::sleep(1s);
  auto later = loop.call_later(2s, [] {});
  auto at = loop.call_at(coil::time_point{} + 10s, [] {});
  CHECK(later.when() == coil::time_point{} + 3s);
  CHECK(at.when() == coil::time_point{} + 10s);
  later.cancel();
  at.cancel();
}

LOOP_TEST("timers: a cancelled one never fires, and cancelling again or after it fired does nothing") {
  auto& loop = coil::get_running_loop();
  int fired = 0;
  auto cancelled = loop.call_later(1s, [&] { ++fired; });
  auto kept = loop.call_later(1s, [&] { ++fired; });
  cancelled.cancel();
  cancelled.cancel();
  co_await coil::sleep(2s);
  CHECK(fired == 1);
  kept.cancel();
  cancelled.cancel();
  co_await coil::sleep(1s);
  CHECK(fired == 1);
}

LOOP_TEST("timers: one that is due can still be cancelled by another that is due at the same time") {
  auto& loop = coil::get_running_loop();
  bool fired = false;
  coil::TimerHandle second;
  loop.call_later(1s, [&] { second.cancel(); });
  second = loop.call_later(1s, [&] { fired = true; });
  co_await coil::sleep(2s);
  CHECK(!fired);
}

LOOP_TEST("timers: the callback runs though nobody keeps the handle") {
  bool fired = false;
  {
    auto handle = coil::get_running_loop().call_later(1s, [&] { fired = true; });
  }
  co_await coil::sleep(2s);
  CHECK(fired);
}

LOOP_TEST("timers: a handle of a timer that fired does not touch a later timer") {
  auto& loop = coil::get_running_loop();
  auto old = loop.call_later(1s, [] {});
  co_await coil::sleep(2s);
  int fired = 0;
  std::vector<coil::TimerHandle> later;
  for (int i = 0; i < 10; ++i) later.push_back(loop.call_later(1s, [&] { ++fired; }));
  old.cancel();
  co_await coil::sleep(2s);
  CHECK(fired == 10);
}

LOOP_TEST("timers: a callback may cancel its own timer and schedule others") {
  auto& loop = coil::get_running_loop();
  std::string log;
  coil::TimerHandle self;
  self = loop.call_later(1s, [&] {
    self.cancel();
    log += "a";
    loop.call_later(1s, [&] { log += "b"; });
  });
  co_await coil::sleep(3s);
  CHECK(log == "ab");
}

LOOP_TEST("timers: one million are pending, cancelled in any order, and gone") {
  auto& loop = coil::get_running_loop();
  constexpr std::size_t count = coil_test::sanitized ? 100'000 : 1'000'000;
  std::vector<coil::TimerHandle> handles;
  handles.reserve(count);
  std::size_t fired = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto delay = std::chrono::milliseconds(1 + (i * 7919) % 1'000'003);
    handles.push_back(loop.call_later(delay, [&fired] { ++fired; }));
  }
  CHECK(loop.metrics().timers == count);
  for (std::size_t i = 0; i < count; ++i) handles[(i * 611'953) % count].cancel();
  CHECK(loop.metrics().timers == 0);
  co_await coil::sleep(24h);
  CHECK(fired == 0);
}

LOOP_TEST("timers: one hundred thousand fire, each in order of its deadline") {
  auto& loop = coil::get_running_loop();
  constexpr std::size_t count = 100'000;
  std::size_t fired = 0;
  bool in_order = true;
  std::chrono::milliseconds last{0};
  for (std::size_t i = 0; i < count; ++i) {
    const auto delay = std::chrono::milliseconds(1 + (i * 7919) % 1'000'003);
    loop.call_later(delay, [&, delay] {
      ++fired;
      in_order = in_order && delay > last;
      last = delay;
    });
  }
  co_await coil::sleep(24h);
  CHECK(fired == count);
  CHECK(in_order);
}

LOOP_TEST(
    "timers: any mixture of deadlines and cancellations fires exactly those that are left, each at its time, in "
    "order") {
  auto& loop = coil::get_running_loop();
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto start = coil_test::elapsed();
    std::vector<coil::TimerHandle> handles;
    std::vector<std::chrono::nanoseconds> deadlines;
    std::vector<bool> cancelled;
    std::vector<std::size_t> fired;
    bool on_time = true;
    const auto add = [&] {
      // From nanoseconds to days; half of them on a coarse grid, so that many are equal.
      const auto magnitude = random() % 48;
      auto delay = static_cast<std::int64_t>(random() % (std::uint64_t{1} << magnitude));
      if (random() % 2 == 0) delay = delay / 1'000'000 * 1'000'000;
      const std::size_t index = deadlines.size();
      deadlines.push_back(coil_test::elapsed() + std::chrono::nanoseconds(delay));
      cancelled.push_back(false);
      handles.push_back(loop.call_later(std::chrono::nanoseconds(delay), [&, index] {
        fired.push_back(index);
        on_time = on_time && coil_test::elapsed() == deadlines[index];
      }));
    };
    const auto cancel_one = [&] {
      const std::size_t index = random() % handles.size();
      if (std::find(fired.begin(), fired.end(), index) == fired.end()) cancelled[index] = true;
      handles[index].cancel();
    };
    for (int round = 0; round < 50; ++round) {
      for (int i = 0; i < 20; ++i) add();
      for (int i = 0; i < 5; ++i) cancel_one();
      co_await coil::sleep(std::chrono::nanoseconds(random() % (std::uint64_t{1} << (random() % 44))));
    }
    co_await coil::sleep(std::chrono::hours(24 * 30));
    std::vector<std::size_t> expected;
    for (std::size_t i = 0; i < deadlines.size(); ++i)
      if (!cancelled[i]) expected.push_back(i);
    std::stable_sort(expected.begin(), expected.end(),
                     [&](std::size_t a, std::size_t b) { return deadlines[a] < deadlines[b]; });
    CHECK(fired == expected);
    CHECK(on_time);
    CHECK(loop.metrics().timers == 0);
    CHECK(coil_test::elapsed() > start);
  }
}

LOOP_TEST("timers: one hundred thousand sleeping tasks are cancelled and gone") {
  constexpr std::size_t count = coil_test::sanitized ? 10'000 : 100'000;
  const auto frames = coil::detail::live_frames();
  std::vector<coil::Task<int>> tasks;
  for (std::size_t i = 0; i < count; ++i) tasks.push_back(coil::create_task(coil_test::value_after(1h, 0)));
  co_await coil::sleep(1s);
  CHECK(coil::get_running_loop().metrics().timers == count);
  for (auto& task : tasks) task.cancel();
  co_await coil::sleep(1s);
  std::size_t cancelled = 0;
  for (auto& task : tasks) cancelled += task.cancelled() ? 1U : 0U;
  CHECK(cancelled == count);
  CHECK(coil::get_running_loop().metrics().timers == 0);
  CHECK(coil::detail::live_frames() == frames);
}

LOOP_TEST("sleep_until: the earliest time there is, is past") {
  co_await coil::sleep_until(coil::time_point::min());
  bool called = false;
  coil::get_running_loop().call_at(coil::time_point::min(), [&] { called = true; });
  co_await coil::yield();
  co_await coil::yield();
  CHECK(called);
}

TEST_CASE("sleep_until: the earliest time there is, is past for the real clock too") {
  auto main = []() -> coil::Coro<void> { co_await coil::sleep_until(coil::time_point::min()); };
  coil::run(main);
}

// A turn that has something ready looks at a clock that may be some milliseconds behind.
TEST_CASE("timers: of the real clock fire, not too early, while a task keeps the loop busy") {
  auto main = []() -> coil::Coro<void> {
    coil::Loop& loop = coil::get_running_loop();
    bool last = false;
    std::string log;
    const coil::time_point start = loop.time();
    loop.call_later(30ms, [&] { last = true; });
    loop.call_later(1h, [&] { log += "late "; });
    loop.call_later(1ms, [&] { log += loop.time() < start + 1ms ? "early " : "fired "; });
    while (!last) co_await coil::yield();
    CHECK(loop.time() >= start + 30ms);
    CHECK(log == "fired ");
  };
  coil::run(main);
}
