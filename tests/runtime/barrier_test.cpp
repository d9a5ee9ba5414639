#include <coil/barrier.hpp>

#include "../support/loop_test.hpp"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using coil::create_task;
using coil::yield;

namespace {

using Indices = std::vector<std::size_t>;

std::vector<coil::Task<std::size_t>> arrive(coil::Barrier& barrier, int count) {
  std::vector<coil::Task<std::size_t>> tasks;
  for (int i = 0; i < count; ++i) tasks.push_back(create_task(barrier.wait()));
  return tasks;
}

}  // namespace

TEST_CASE("barrier: of no party, or of fewer, is std::invalid_argument") {
  CHECK_THROWS_AS(coil::Barrier(0), std::invalid_argument);
  CHECK_THROWS_AS(coil::Barrier(-4), std::invalid_argument);
  CHECK_THROWS_AS(coil::Barrier(PTRDIFF_MIN), std::invalid_argument);
  CHECK(coil::Barrier(1).parties() == 1);
}

LOOP_TEST("barrier: lets all go on once the last party has arrived, each with the number of its arrival") {
  coil::Barrier barrier(3);
  auto first = create_task(barrier.wait());
  co_await yield();
  CHECK(barrier.n_waiting() == 1);
  auto second = create_task(barrier.wait());
  co_await coil::sleep(1s);
  CHECK(barrier.n_waiting() == 2);
  CHECK(!first.done());
  const std::size_t last = co_await barrier.wait();
  CHECK(last == 2);
  CHECK(barrier.n_waiting() == 0);
  const auto [a, b] = co_await coil::gather(first, second);
  CHECK(a == 0);
  CHECK(b == 1);
  CHECK(barrier.n_waiting() == 0);
  CHECK(!barrier.broken());
}

LOOP_TEST("barrier: of one party never waits") {
  coil_test::TurnCounter turns;
  coil::Barrier barrier(1);
  co_await yield();
  const int before = turns.count();
  for (int i = 0; i < 3; ++i) {
    const std::size_t index = co_await barrier.wait();
    CHECK(index == 0);
    CHECK(barrier.n_waiting() == 0);
  }
  CHECK(turns.count() == before);
}

LOOP_TEST("barrier: can be used round after round, also when tasks come back before all have left") {
  coil::Barrier barrier(4);
  std::vector<int> rounds(4, 0);
  auto work = [&](std::size_t self) -> coil::Coro<void> {
    for (int round = 0; round < 5; ++round) {
      co_await barrier.wait();
      ++rounds[self];
      for (const int other : rounds) CHECK(std::abs(other - rounds[self]) <= 1);
    }
  };
  co_await coil::gather(work(0), work(1), work(2), work(3));
  CHECK(rounds == std::vector<int>(4, 5));
  CHECK(barrier.n_waiting() == 0);
}

LOOP_TEST("barrier: who comes while it drains waits for the next round") {
  coil::Barrier barrier(2);
  std::string log;
  auto again = [&](char name) -> coil::Coro<void> {
    co_await barrier.wait();
    log += name;
    co_await barrier.wait();
    log += name;
  };
  auto once = [&](char name) -> coil::Coro<void> {
    co_await barrier.wait();
    log += name;
  };
  auto a = create_task(again('a'));
  co_await yield();
  auto b = create_task(once('b'));
  auto c = create_task(once('c'));  // arrives while a is still inside
  co_await coil::gather(a, b, c);
  CHECK(log.size() == 4);
  CHECK(log.substr(0, 2) == "ba");
  CHECK(barrier.n_waiting() == 0);
}

LOOP_TEST("barrier: the numbers of one round are all different") {
  coil::Barrier barrier(5);
  for (int round = 0; round < 3; ++round) {
    Indices indices = co_await coil::gather(arrive(barrier, 5));
    std::sort(indices.begin(), indices.end());
    Indices all(5);
    std::iota(all.begin(), all.end(), 0U);
    CHECK(indices == all);
  }
}

LOOP_TEST("barrier reset: those who wait get BrokenBarrierError, and the barrier begins anew") {
  coil::Barrier barrier(3);
  auto tasks = arrive(barrier, 2);
  co_await yield();
  barrier.reset();
  CHECK(barrier.n_waiting() == 0);
  CHECK(!barrier.broken());
  for (auto& task : tasks) CHECK_AWAIT_THROWS(task, coil::BrokenBarrierError);
  CHECK(barrier.n_waiting() == 0);
  co_await coil::gather(arrive(barrier, 3));
}

LOOP_TEST("barrier reset: of one that nobody waits at changes nothing") {
  coil::Barrier barrier(2);
  barrier.reset();
  CHECK(!barrier.broken());
  CHECK(barrier.n_waiting() == 0);
  co_await coil::gather(arrive(barrier, 2));
}

LOOP_TEST("barrier reset: who comes before those who waited have left is counted for the next round") {
  coil::Barrier barrier(3);
  auto old = arrive(barrier, 2);
  co_await yield();
  barrier.reset();
  auto fresh = arrive(barrier, 3);
  for (auto& task : old) CHECK_AWAIT_THROWS(task, coil::BrokenBarrierError);
  Indices indices = co_await coil::gather(fresh);
  CHECK(indices == Indices{0, 1, 2});
}

LOOP_TEST("barrier reset: while it drains breaks it for those who have not gone on yet") {
  coil::Barrier barrier(5);
  int passed = 0;
  int broken = 0;
  auto work = [&]() -> coil::Coro<void> {
    try {
      co_await barrier.wait();
      if (++passed == 3) barrier.reset();
    } catch (const coil::BrokenBarrierError&) {
      ++broken;
    }
  };
  co_await coil::gather(work(), work(), work(), work(), work());
  CHECK(passed == 3);
  CHECK(broken == 2);
  CHECK(!barrier.broken());
  CHECK(barrier.n_waiting() == 0);
}

LOOP_TEST("barrier abort: those who wait, and all who come, get BrokenBarrierError until reset()") {
  coil::Barrier barrier(3);
  auto tasks = arrive(barrier, 2);
  co_await yield();
  barrier.abort();
  CHECK(barrier.broken());
  CHECK(barrier.n_waiting() == 0);
  for (auto& task : tasks) CHECK_AWAIT_THROWS(task, coil::BrokenBarrierError);
  CHECK_AWAIT_THROWS(barrier.wait(), coil::BrokenBarrierError);
  CHECK(barrier.broken());
  barrier.reset();
  CHECK(!barrier.broken());
  co_await coil::gather(arrive(barrier, 3));
}

LOOP_TEST("barrier abort: after an exception of one party the others do not wait for it for ever") {
  coil::Barrier barrier(3);
  int broken = 0;
  auto work = [&](bool fails) -> coil::Coro<void> {
    try {
      const std::size_t index = co_await barrier.wait();
      if (fails && index == 1) throw std::runtime_error("at work");
      co_await barrier.wait();
    } catch (const coil::BrokenBarrierError&) {
      ++broken;
    } catch (const std::runtime_error&) {
      barrier.abort();
    }
  };
  co_await coil::gather(work(true), work(true), work(true));
  CHECK(broken == 2);
  CHECK(barrier.broken());
}

LOOP_TEST("barrier cancel: of one that waits takes back its arrival; the others wait on") {
  coil::Barrier barrier(3);
  auto tasks = arrive(barrier, 2);
  co_await yield();
  CHECK(barrier.n_waiting() == 2);
  tasks[0].cancel();
  co_await yield();
  CHECK(tasks[0].cancelled());
  CHECK(barrier.n_waiting() == 1);
  auto third = create_task(barrier.wait());
  co_await yield();
  CHECK(barrier.n_waiting() == 2);
  auto fourth = create_task(barrier.wait());
  co_await coil::gather(tasks[1], third, fourth);
  CHECK(!barrier.broken());
  CHECK(barrier.n_waiting() == 0);
}

LOOP_TEST("barrier cancel: of one that was just let go throws, and holds nobody up") {
  coil::Barrier barrier(3);
  auto tasks = arrive(barrier, 2);
  co_await yield();
  co_await barrier.wait();
  tasks[0].cancel();
  const std::size_t index = co_await tasks[1];
  CHECK(index == 1);
  CHECK_AWAIT_THROWS(tasks[0], coil::CancelledError);
  co_await coil::gather(arrive(barrier, 3));
}

LOOP_TEST("barrier cancel: of one that waits for the barrier to drain leaves it to the others") {
  coil::Barrier barrier(2);
  auto inside = create_task(barrier.wait());
  co_await yield();
  co_await barrier.wait();  // drains now: `inside` is still to go on
  auto work = [&]() -> coil::Coro<void> { co_await barrier.wait(); };
  auto outside = create_task(work(), {.eager = true});
  outside.cancel();
  CHECK_AWAIT_THROWS(outside, coil::CancelledError);
  co_await inside;
  co_await coil::gather(arrive(barrier, 2));
}

LOOP_TEST("barrier cancel: before the start, and twice") {
  coil::Barrier barrier(2);
  auto before = create_task(barrier.wait());
  before.cancel();
  auto twice = create_task(barrier.wait());
  co_await yield();
  CHECK(barrier.n_waiting() == 1);
  twice.cancel();
  twice.cancel();
  CHECK_AWAIT_THROWS(before, coil::CancelledError);
  CHECK_AWAIT_THROWS(twice, coil::CancelledError);
  CHECK(barrier.n_waiting() == 0);
}

LOOP_TEST("barrier: wait() can be given to gather, wait_for and as_result") {
  coil::Barrier barrier(2);
  CHECK_AWAIT_THROWS(coil::wait_for(barrier.wait(), 1s), coil::TimeoutError);
  const auto [a, b] = co_await coil::gather(barrier.wait(), barrier.wait());
  CHECK(a + b == 1);
  barrier.abort();
  auto outcome = co_await coil::as_result(barrier.wait());
  CHECK(outcome.exception() != nullptr);
}

TEST_CASE("barrier: to wait at it in another loop than before throws std::logic_error, and counts nobody") {
  coil::Barrier barrier(2);
  auto main = [&]() -> coil::Coro<void> { co_await coil::gather(arrive(barrier, 2)); };
  coil::run(main, coil_test::virtual_time);
  auto other = [&]() -> coil::Coro<void> {
    CHECK_AWAIT_FAILS_WITH(barrier.wait(),
                           "coil: Barrier::wait(): it belongs to another event loop, the first one that waited for it");
    CHECK(barrier.n_waiting() == 0);
    barrier.abort();
    barrier.reset();
  };
  coil::run(other, coil_test::virtual_time);
}

LOOP_TEST("barrier: abort() and reset() in another thread than that of the waiters throw, and change nothing") {
  coil::Barrier barrier(2);
  auto tasks = arrive(barrier, 1);
  co_await yield();
  int refused = 0;
  std::thread([&] {
    try {
      barrier.abort();
    } catch (const std::logic_error&) {
      ++refused;
    }
    try {
      barrier.reset();
    } catch (const std::logic_error&) {
      ++refused;
    }
  }).join();
  CHECK(refused == 2);
  CHECK(!barrier.broken());
  CHECK(barrier.n_waiting() == 1);
  co_await barrier.wait();
  co_await tasks[0];
}

LOOP_TEST("barrier: one that is destroyed ends those who wait with a std::logic_error, or cancelled") {
  std::optional<coil::Barrier> barrier(std::in_place, 3);
  auto tasks = arrive(*barrier, 2);
  co_await yield();
  tasks[1].cancel();
  barrier.reset();
  CHECK_AWAIT_FAILS_WITH(tasks[0], "coil: the Barrier was destroyed while a task waited for it");
  CHECK_AWAIT_THROWS(tasks[1], coil::CancelledError);
}
