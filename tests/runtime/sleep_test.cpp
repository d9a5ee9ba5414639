#include <coil/sleep.hpp>

#include "../support/loop_test.hpp"

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil_test::elapsed;

LOOP_TEST("sleep: lasts as long as it was asked to") {
  co_await coil::sleep(1500ms);
  CHECK(elapsed() == 1500ms);
}

LOOP_TEST("sleep: of zero yields exactly once") {
  coil_test::TurnCounter turns;
  co_await coil::yield();
  for (int i = 0; i < 3; ++i) {
    const int before = turns.count();
    co_await coil::sleep(0s);
    CHECK(turns.count() == before + 1);
  }
}

LOOP_TEST("sleep: of a negative duration yields exactly once") {
  coil_test::TurnCounter turns;
  co_await coil::yield();
  const int before = turns.count();
  co_await coil::sleep(-1h);
  CHECK(turns.count() == before + 1);
  const int then = turns.count();
  co_await coil::sleep(std::chrono::hours::min());
  CHECK(turns.count() == then + 1);
}

LOOP_TEST("sleep: yield() yields exactly once") {
  coil_test::TurnCounter turns;
  co_await coil::yield();
  const int before = turns.count();
  co_await coil::yield();
  CHECK(turns.count() == before + 1);
  CHECK(elapsed() == 0s);
}

LOOP_TEST("sleep: yield() lets every task that is ready take a step, in turn") {
  std::string log;
  auto step = [&](char name) -> coil::Coro<void> {
    for (int i = 0; i < 3; ++i) {
      log += name;
      co_await coil::yield();
    }
  };
  co_await coil::gather(step('a'), step('b'), step('c'));
  CHECK(log == "abcabcabc");
}

LOOP_TEST("sleep: gives the result that it was handed") {
  const int number = co_await coil::sleep(1s, 5);
  const std::string text = co_await coil::sleep(0s, std::string("text"));
  CHECK(number == 5);
  CHECK(text == "text");
  auto owned = co_await coil::sleep(0s, std::make_unique<int>(7));
  CHECK(*owned == 7);
  CHECK(elapsed() == 1s);
}

LOOP_TEST("sleep: sleep_until sleeps to a point in time") {
  co_await coil::sleep(1s);
  co_await coil::sleep_until(coil::time_point{} + 5s);
  CHECK(elapsed() == 5s);
}

LOOP_TEST("sleep: sleep_until a time that has passed yields exactly once") {
  co_await coil::sleep(10s);
  coil_test::TurnCounter turns;
  co_await coil::yield();
  const int before = turns.count();
  co_await coil::sleep_until(coil::time_point{} + 5s);
  CHECK(turns.count() == before + 1);
  CHECK(elapsed() == 10s);
}

LOOP_TEST("sleep: those with the same deadline end in the order in which they began") {
  std::string log;
  auto work = [&](int number) -> coil::Coro<void> {
    co_await coil::sleep(1s);
    log += std::to_string(number) + " ";
  };
  std::string expected;
  std::vector<coil::Coro<void>> all;
  for (int i = 0; i < 50; ++i) {
    all.push_back(work(i));
    expected += std::to_string(i) + " ";
  }
  co_await coil::gather(std::move(all));
  CHECK(log == expected);
}

LOOP_TEST("sleep: of different lengths end in the order of their deadlines") {
  std::string log;
  auto work = [&](char name, std::chrono::milliseconds delay) -> coil::Coro<void> {
    co_await coil::sleep(delay);
    log += name;
  };
  co_await coil::gather(work('d', 4ms), work('b', 2ms), work('a', 1ms), work('c', 3ms));
  CHECK(log == "abcd");
  CHECK(elapsed() == 4ms);
}

LOOP_TEST("sleep: takes any duration, also in fractions") {
  co_await coil::sleep(std::chrono::duration<double>(0.25));
  CHECK(elapsed() == 250ms);
  co_await coil::sleep(std::chrono::duration<float, std::milli>(0.5F));
  CHECK(elapsed() == 250ms + 500us);
  co_await coil::sleep(std::chrono::days(1));
  CHECK(elapsed() == 24h + 250ms + 500us);
}

LOOP_TEST("sleep: of a duration that is not a number is an invalid_argument") {
  const std::chrono::duration<double> nonsense(std::numeric_limits<double>::quiet_NaN());
  bool refused = false;
  try {
    co_await coil::sleep(nonsense);
  } catch (const std::invalid_argument&) {
    refused = true;
  }
  CHECK(refused);
}

LOOP_TEST("sleep: of a huge duration goes on for ever, without overflow, and can be cancelled") {
  co_await coil::sleep(1s);
  std::vector<coil::Task<void>> sleepers;
  sleepers.push_back(coil::create_task(coil::sleep(std::chrono::nanoseconds::max())));
  sleepers.push_back(coil::create_task(coil::sleep(std::chrono::hours::max())));
  sleepers.push_back(coil::create_task(coil::sleep(std::chrono::duration<double>(1e300))));
  sleepers.push_back(
      coil::create_task(coil::sleep(std::chrono::duration<double>(std::numeric_limits<double>::infinity()))));
  sleepers.push_back(coil::create_task(coil::sleep_until(coil::time_point::max())));
  co_await coil::sleep(coil_test::ages);
  for (auto& sleeper : sleepers) {
    CHECK(!sleeper.done());
    sleeper.cancel();
  }
  co_await coil::sleep(1s);
  for (auto& sleeper : sleepers) CHECK(sleeper.cancelled());
}

LOOP_TEST("sleep: cancelled it ends at once and leaves no timer") {
  auto task = coil::create_task(coil::sleep(1h));
  co_await coil::sleep(1s);
  CHECK(coil::get_running_loop().metrics().timers == 1);
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(elapsed() == 1s);
  CHECK(coil::get_running_loop().metrics().timers == 0);
}

LOOP_TEST("sleep: made and not awaited does nothing, its time starts at the co_await") {
  auto nap = coil::sleep(5s);
  CHECK(coil::get_running_loop().metrics().timers == 0);
  co_await coil::sleep(1min);
  co_await std::move(nap);
  CHECK(elapsed() == 1min + 5s);
}

LOOP_TEST("sleep: one hundred thousand at once take the time of the longest") {
  std::vector<coil::Coro<int>> all;
  for (int i = 0; i < 100'000; ++i) all.push_back(coil_test::value_after(std::chrono::milliseconds(i % 100), i));
  const auto values = co_await coil::gather(std::move(all));
  CHECK(values.size() == 100'000);
  CHECK(values.back() == 99'999);
  CHECK(elapsed() == 99ms);
}

LOOP_TEST("sleep: awaited a second time sleeps anew, from that await on") {
  co_await coil::sleep(100s);
  auto nap = coil::sleep(2s);
  co_await nap;
  CHECK(elapsed() == 102s);
  co_await coil::sleep(5s);
  co_await nap;
  CHECK(elapsed() == 109s);
  auto none = coil::sleep(-1s);
  coil_test::TurnCounter turns;
  co_await coil::yield();
  for (int i = 0; i < 2; ++i) {
    const int before = turns.count();
    co_await none;
    CHECK(turns.count() == before + 1);
  }
}

LOOP_TEST("sleep: awaited again after it was cancelled sleeps its whole time") {
  co_await coil::sleep(100s);
  auto nap = coil::sleep(10s);
  auto doze = [&]() -> coil::Coro<void> { co_await nap; };
  CHECK_AWAIT_THROWS(coil::wait_for(doze(), 3s), coil::TimeoutError);
  CHECK(elapsed() == 103s);
  co_await nap;
  CHECK(elapsed() == 113s);
}

LOOP_TEST("sleep: a result that can be copied is given by each await, one that cannot by the first") {
  auto text = coil::sleep(1s, std::string("a text that is longer than what fits into a string itself"));
  const std::string first = co_await text;
  const std::string second = co_await text;
  CHECK(first == second);
  auto owned = coil::sleep(1s, std::make_unique<int>(7));
  const auto number = co_await owned;
  CHECK(*number == 7);
  CHECK(elapsed() == 3s);
}

LOOP_TEST("sleep: sleep_until awaited a second time finds its time past") {
  auto until = coil::sleep_until(coil::time_point{} + 4s);
  co_await until;
  CHECK(elapsed() == 4s);
  co_await until;
  CHECK(elapsed() == 4s);
}
