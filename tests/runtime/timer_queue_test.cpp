// The queue of timers against std::multimap: exact order of time, first in first out among equals.
#include <coil/detail/timer_queue.hpp>

#include "../support/loop_test.hpp"

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <random>
#include <vector>

using coil::time_point;
using coil::detail::TimerQueue;

namespace {

constexpr std::int64_t latest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t earliest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t tick = std::int64_t{1} << 20;  // about a millisecond, as long as the queue's own or longer

class TestTimer final : public coil::detail::TimedSuspension {
public:
  explicit TestTimer(int number = 0) : number_(number) {}
  int number() const { return number_; }
  void wake(coil::detail::FutureState*) noexcept override {}

private:
  coil::detail::Abort abort() noexcept override { return coil::detail::Abort::gone; }
  int number_;
};

time_point at(std::int64_t nanoseconds) { return time_point(std::chrono::nanoseconds(nanoseconds)); }

/// Takes out all that is due, in the order in which it comes.
std::vector<int> take_due(TimerQueue& queue, std::int64_t now) {
  std::vector<int> numbers;
  while (auto* timer = queue.pop_due(at(now))) numbers.push_back(static_cast<TestTimer*>(timer)->number());
  return numbers;
}

using Numbers = std::vector<int>;

}  // namespace

TEST_CASE("timers: come in order of time, whatever the order in which they were added") {
  TimerQueue queue(at(0));
  TestTimer timers[] = {TestTimer(0), TestTimer(1), TestTimer(2), TestTimer(3), TestTimer(4)};
  const std::int64_t times[] = {5 * tick, 3, 1000 * tick, 2, tick + 1};
  for (int i = 0; i < 5; ++i) queue.add(timers[i], at(times[i]));
  CHECK(queue.size() == 5);
  CHECK(take_due(queue, 1000 * tick) == Numbers{3, 1, 4, 0, 2});
  CHECK(queue.empty());
}

TEST_CASE("timers: are exact to the nanosecond") {
  TimerQueue queue(at(0));
  TestTimer timer;
  for (const std::int64_t when : {tick - 1, tick, tick + 1, 12345 * tick + 67890}) {
    queue.add(timer, at(when));
    CHECK(timer.when() == at(when));
    CHECK(queue.next() == at(when));
    CHECK(queue.pop_due(at(when - 1)) == nullptr);
    CHECK(queue.pop_due(at(when)) == &timer);
  }
}

TEST_CASE("timers: of equal time come in the order in which they were added, near and far") {
  for (const std::int64_t when : {std::int64_t{1}, tick, 300 * tick, 70'000 * tick + 5, tick << 30, latest}) {
    CAPTURE(when);
    TimerQueue queue(at(0));
    std::vector<TestTimer> timers;
    for (int i = 0; i < 100; ++i) timers.emplace_back(i);
    // Some are added while the queue is at other times: they start from different places in the wheel.
    for (std::size_t i = 0; i < timers.size(); ++i) {
      queue.add(timers[i], at(when));
      if (i % 10 == 9) CHECK(queue.pop_due(at(when / 100 * static_cast<std::int64_t>(i) - 1)) == nullptr);
    }
    Numbers expected;
    for (int i = 0; i < 100; ++i) expected.push_back(i);
    CHECK(take_due(queue, when) == expected);
  }
}

TEST_CASE("timers: looking for the next one does not change the order of those that come later") {
  TimerQueue queue(at(0));
  TestTimer timers[] = {TestTimer(0), TestTimer(1), TestTimer(2), TestTimer(3)};
  queue.add(timers[0], at(1000 * tick));
  CHECK(queue.next() == at(1000 * tick));
  queue.add(timers[1], at(1000 * tick));
  queue.add(timers[2], at(10 * tick));  // before what was looked at
  CHECK(queue.next() == at(10 * tick));
  queue.add(timers[3], at(10 * tick));
  CHECK(take_due(queue, 1000 * tick) == Numbers{2, 3, 0, 1});
}

TEST_CASE("timers: next_batch() is the last of those that follow the next one closely") {
  TimerQueue queue(at(0));
  std::vector<TestTimer> timers(6);
  const std::int64_t start = 1000 * tick;
  const std::int64_t offsets[] = {40, 0, 20, 60, 61, tick};
  for (std::size_t i = 0; i < timers.size(); ++i) queue.add(timers[i], at(start + offsets[i]));
  using std::chrono::nanoseconds;
  CHECK(queue.next_batch(nanoseconds(0), 10) == at(start));
  CHECK(queue.next_batch(nanoseconds(39), 10) == at(start + 20));
  CHECK(queue.next_batch(nanoseconds(60), 10) == at(start + 60));
  CHECK(queue.next_batch(nanoseconds(60), 3) == at(start + 40));
  CHECK(queue.next_batch(nanoseconds(100), 10) == at(start + 61));
  CHECK(queue.next() == at(start));
  for (const std::size_t i : {1U, 2U, 0U, 3U, 4U}) queue.remove(timers[i]);
  CHECK(queue.next_batch(nanoseconds(100), 10) == at(start + tick));
}

TEST_CASE("timers: next_batch() near the end of time") {
  TimerQueue queue(at(0));
  TestTimer last;
  queue.add(last, at(latest));
  CHECK(queue.next_batch(std::chrono::nanoseconds(100), 10) == at(latest));
}

TEST_CASE("timers: a slot with hundreds of them loses any of them and keeps the order of the others") {
  for (const std::int64_t when : {3 * tick, 300 * tick, 70'000 * tick}) {
    CAPTURE(when);
    TimerQueue queue(at(0));
    std::vector<TestTimer> timers;
    for (int i = 0; i < 300; ++i) timers.emplace_back(i);
    for (TestTimer& timer : timers) queue.add(timer, at(when));
    Numbers expected;
    for (std::size_t i = 0; i < timers.size(); ++i) {
      if (i % 3 == 1 || i > 270)
        queue.remove(timers[i]);
      else
        expected.push_back(static_cast<int>(i));
    }
    CHECK(take_due(queue, when) == expected);
  }
}

TEST_CASE("timers: a queue that ends with timers in it leaves no memory behind") {
  std::vector<TestTimer> timers(100);
  {
    TimerQueue queue(at(0));
    for (std::size_t i = 0; i < timers.size(); ++i)
      queue.add(timers[i], at(static_cast<std::int64_t>(i) / 30 * tick * 99));
  }
  CHECK(coil::detail::live_frames() == 0);
}

TEST_CASE("timers: in the past are due at once, in order of time") {
  TimerQueue queue(at(1000 * tick));
  TestTimer timers[] = {TestTimer(0), TestTimer(1), TestTimer(2), TestTimer(3), TestTimer(4)};
  queue.add(timers[0], at(999 * tick));
  queue.add(timers[1], at(0));
  queue.add(timers[2], at(-5));
  queue.add(timers[3], at(earliest));
  queue.add(timers[4], at(-5));
  CHECK(queue.next() == at(earliest));
  CHECK(take_due(queue, 1000 * tick) == Numbers{3, 2, 4, 1, 0});
}

TEST_CASE("timers: at the ends of time") {
  TimerQueue queue(at(0));
  TestTimer timers[] = {TestTimer(0), TestTimer(1), TestTimer(2), TestTimer(3)};
  queue.add(timers[0], at(latest));
  queue.add(timers[1], at(earliest));
  queue.add(timers[2], at(latest - 1));
  queue.add(timers[3], at(latest));
  CHECK(take_due(queue, earliest) == Numbers{1});
  CHECK(queue.next() == at(latest - 1));
  CHECK(take_due(queue, latest - 2).empty());
  CHECK(take_due(queue, latest) == Numbers{2, 0, 3});
  CHECK(queue.empty());
}

TEST_CASE("timers: a queue that starts at the ends of time works as well") {
  for (const std::int64_t start : {earliest, std::int64_t{-1}, latest}) {
    CAPTURE(start);
    TimerQueue queue(at(start));
    TestTimer early(0), late(1);
    queue.add(late, at(latest));
    queue.add(early, at(earliest));
    CHECK(take_due(queue, latest) == Numbers{0, 1});
  }
}

TEST_CASE("timers: one that is removed does not come, wherever it stood") {
  TimerQueue queue(at(0));
  std::vector<TestTimer> timers;
  for (int i = 0; i < 5; ++i) timers.emplace_back(i);
  for (const std::int64_t when : {std::int64_t{1}, 2 * tick, 300 * tick, 70'000 * tick, latest}) {
    for (std::size_t removed = 0; removed < timers.size(); ++removed) {
      for (TestTimer& timer : timers) queue.add(timer, at(when));
      queue.remove(timers[removed]);
      CHECK(!timers[removed].queued());
      CHECK(queue.size() == timers.size() - 1);
      for (std::size_t i = 0; i < timers.size(); ++i) {
        if (i == removed) continue;
        CHECK(timers[i].queued());
        queue.remove(timers[i]);
      }
      CHECK(queue.empty());
    }
  }
}

TEST_CASE("timers: one that was removed or has come may be added again") {
  TimerQueue queue(at(0));
  TestTimer timer(7);
  queue.add(timer, at(100 * tick));
  queue.remove(timer);
  queue.add(timer, at(5));
  CHECK(take_due(queue, 5) == Numbers{7});
  queue.add(timer, at(1000 * tick));
  CHECK(queue.next() == at(1000 * tick));
  CHECK(take_due(queue, 1000 * tick) == Numbers{7});
}

TEST_CASE("timers: a million that are pending are removed one by one") {
  TimerQueue queue(at(0));
  std::vector<TestTimer> timers;
  timers.reserve(1'000'000);
  std::minstd_rand random(1);
  for (int i = 0; i < 1'000'000; ++i) {
    timers.emplace_back(i);
    queue.add(timers.back(), at(static_cast<std::int64_t>(random()) * 1000));
  }
  CHECK(queue.size() == 1'000'000);
  queue.next();
  for (TestTimer& timer : timers) queue.remove(timer);
  CHECK(queue.empty());
  CHECK(queue.pop_due(at(latest)) == nullptr);
}

TEST_CASE("timers: a million come in order") {
  TimerQueue queue(at(0));
  std::vector<TestTimer> timers;
  timers.reserve(1'000'000);
  std::minstd_rand random(1);
  for (int i = 0; i < 1'000'000; ++i) {
    timers.emplace_back(i);
    queue.add(timers.back(), at(static_cast<std::int64_t>(random()) % 1'000'000'000));
  }
  std::size_t count = 0;
  std::int64_t before = earliest;
  bool in_order = true;
  for (std::int64_t now = 0; !queue.empty(); now += 1'000'000) {
    while (auto* timer = queue.pop_due(at(now))) {
      const std::int64_t when = timer->when().time_since_epoch().count();
      in_order = in_order && before <= when && when <= now;
      before = when;
      ++count;
    }
  }
  CHECK(in_order);
  CHECK(count == 1'000'000);
}

// ---- At random -------------------------------------------------------------------------------------------

namespace {

/// Does the same to a TimerQueue and to a std::multimap, which keeps equals in order of insertion, and compares.
class Model {
public:
  explicit Model(unsigned seed)
      : random_(seed), now_(pick_start()), queue_(at(now_)), timers_(200), positions_(timers_.size(), expected_.end()) {
    for (std::size_t i = 0; i < timers_.size(); ++i) timers_[i] = std::make_unique<TestTimer>(static_cast<int>(i));
  }

  void step() {
    const std::size_t chosen = below(timers_.size());
    switch (below(10)) {
      case 0:
      case 1:
        advance();
        break;
      case 2:
        if (!expected_.empty()) CHECK(queue_.soonest() <= at(expected_.begin()->first));
        if (!expected_.empty()) CHECK(queue_.next() == at(expected_.begin()->first));
        break;
      case 3:
        pop_one();
        break;
      default:
        if (positions_[chosen] == expected_.end())
          add(chosen);
        else
          remove(chosen);
    }
    REQUIRE(queue_.size() == expected_.size());
    REQUIRE(timers_[chosen]->queued() == (positions_[chosen] != expected_.end()));
  }

  void finish() {
    now_ = latest;
    while (!expected_.empty()) pop_one();
    CHECK(queue_.pop_due(at(latest)) == nullptr);
  }

private:
  std::size_t below(std::size_t end) { return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_); }
  std::int64_t between(std::int64_t first, std::int64_t last) {
    return std::uniform_int_distribution<std::int64_t>(first, last)(random_);
  }
  std::int64_t pick_start() {
    const std::int64_t starts[] = {
        0, 1, -1, earliest, between(0, latest / 2), between(earliest, latest), latest - tick};
    return starts[below(std::size(starts))];
  }
  /// Some distance of some size; a few of them again and again, so that there are equals.
  std::int64_t pick_time() {
    const int bits = static_cast<int>(below(63));
    std::int64_t distance = between(0, (std::int64_t{1} << bits) - 1 + (bits == 0));
    if (below(3) == 0) distance = distance >> 20 << 20;
    switch (below(12)) {
      case 0:
        return between(earliest, latest);
      case 1:
        return below(2) == 0 ? latest : earliest;
      case 2:
      case 3:
        return last_added_;
      case 4:
        return now_ < earliest + distance ? earliest : now_ - distance;
      default:
        return now_ > latest - distance ? latest : now_ + distance;
    }
  }

  void add(std::size_t index) {
    last_added_ = pick_time();
    queue_.add(*timers_[index], at(last_added_));
    positions_[index] = expected_.emplace(last_added_, static_cast<int>(index));
  }
  void remove(std::size_t index) {
    queue_.remove(*timers_[index]);
    expected_.erase(std::exchange(positions_[index], expected_.end()));
  }
  void pop_one() {
    auto* timer = queue_.pop_due(at(now_));
    if (expected_.empty() || expected_.begin()->first > now_) {
      REQUIRE(timer == nullptr);
      return;
    }
    REQUIRE(timer != nullptr);
    const int number = static_cast<TestTimer*>(timer)->number();
    REQUIRE(number == expected_.begin()->second);
    expected_.erase(std::exchange(positions_[static_cast<std::size_t>(number)], expected_.end()));
  }
  void advance() {
    const std::int64_t distance = between(0, std::int64_t{1} << below(50));
    now_ = now_ > latest - distance ? latest : now_ + distance;
    if (below(4) == 0 && !expected_.empty()) now_ = std::max(now_, expected_.begin()->first);
    while (!expected_.empty() && expected_.begin()->first <= now_) pop_one();
    pop_one();  // now there is none
  }

  std::mt19937_64 random_;
  std::int64_t now_;
  std::int64_t last_added_ = 0;
  TimerQueue queue_;
  std::multimap<std::int64_t, int> expected_;
  std::vector<std::unique_ptr<TestTimer>> timers_;
  std::vector<std::multimap<std::int64_t, int>::iterator> positions_;
};

}  // namespace

TEST_CASE("timers: whatever is added, removed and taken at random, they are what a std::multimap says") {
  const char* given = std::getenv("COIL_SEED");
  const unsigned first = given != nullptr ? static_cast<unsigned>(std::atoi(given)) : std::random_device()();
  const int runs = given != nullptr ? 1 : 300;
  for (int run = 0; run < runs; ++run) {
    const unsigned seed = first + static_cast<unsigned>(run);
    CAPTURE(seed);  // run again with COIL_SEED set to it
    Model model(seed);
    for (int i = 0; i < 3000; ++i) model.step();
    model.finish();
  }
}
