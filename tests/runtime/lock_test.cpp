#include <coil/lock.hpp>

#include "../support/loop_test.hpp"

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using coil::create_task;
using coil::yield;

namespace {

// Takes the lock, notes it, and keeps it.
coil::Coro<void> take(coil::Lock& lock, std::string& log, char name) {
  co_await lock.acquire();
  log += name;
}

// Holds the lock for a while.
coil::Coro<void> hold(coil::Lock& lock, std::string& log, char name, std::chrono::milliseconds time) {
  const auto guard = co_await lock.scoped();
  log += name;
  co_await coil::sleep(time);
}

}  // namespace

static_assert(!std::is_copy_constructible_v<coil::Lock> && !std::is_move_constructible_v<coil::Lock>);
static_assert(!std::is_copy_constructible_v<coil::Lock::Guard> &&
              std::is_nothrow_move_constructible_v<coil::Lock::Guard> &&
              std::is_nothrow_move_assignable_v<coil::Lock::Guard>);

LOOP_TEST("lock: is free at first, taken by acquire() without yielding, and free again after release()") {
  coil_test::TurnCounter turns;
  coil::Lock lock;
  co_await yield();
  const int before = turns.count();
  CHECK(!lock.locked());
  co_await lock.acquire();
  CHECK(lock.locked());
  lock.release();
  CHECK(!lock.locked());
  CHECK(turns.count() == before);
}

LOOP_TEST("lock: is given to the waiters in the order in which they came, one for each release()") {
  coil::Lock lock;
  std::string log;
  co_await lock.acquire();
  auto a = create_task(take(lock, log, 'a'));
  auto b = create_task(take(lock, log, 'b'));
  co_await yield();
  CHECK(log == "");
  lock.release();
  co_await yield();
  CHECK(log == "a");
  co_await yield();
  CHECK(log == "a");
  auto c = create_task(take(lock, log, 'c'));
  lock.release();
  co_await yield();
  CHECK(log == "ab");
  lock.release();
  co_await yield();
  CHECK(log == "abc");
  CHECK((a.done() && b.done() && c.done()));
}

LOOP_TEST("lock: between release() and the turn of the waiter it is not locked, yet nobody else gets it") {
  coil::Lock lock;
  std::string log;
  co_await lock.acquire();
  auto waiter = create_task(take(lock, log, 'w'));
  co_await yield();
  lock.release();
  CHECK(!lock.locked());
  CHECK(!lock.try_acquire());
  auto late = create_task(take(lock, log, 'l'));
  co_await yield();
  CHECK(lock.locked());
  CHECK(log == "w");
  lock.release();
  co_await late;
  CHECK(log == "wl");
}

LOOP_TEST("lock: whoever releases it and wants it again stands behind those who wait") {
  coil::Lock lock;
  std::string log;
  co_await lock.acquire();
  auto waiter = create_task(hold(lock, log, 'w', 1ms));
  co_await yield();
  lock.release();
  co_await lock.acquire();
  log += 'm';
  CHECK(log == "wm");
  CHECK(coil_test::elapsed() == 1ms);
  lock.release();
}

LOOP_TEST("lock: release() never runs the waiter") {
  coil::Lock lock;
  std::string log;
  co_await lock.acquire();
  auto waiter = create_task(take(lock, log, 'w'));
  co_await yield();
  lock.release();
  CHECK(log == "");
  co_await waiter;
}

LOOP_TEST("lock: release() of one that nobody holds throws std::logic_error that names the call") {
  coil::Lock lock;
  CHECK_THROWS_AS(lock.release(), std::logic_error);
  CHECK_THROWS_WITH(lock.release(), "coil: Lock::release() of a lock that nobody holds");
  co_await lock.acquire();
  lock.release();
  CHECK_THROWS_AS(lock.release(), std::logic_error);
  // Free, though somebody is about to have it.
  std::string log;
  co_await lock.acquire();
  auto waiter = create_task(take(lock, log, 'w'));
  co_await yield();
  lock.release();
  CHECK_THROWS_AS(lock.release(), std::logic_error);
  co_await waiter;
  CHECK(lock.locked());
}

LOOP_TEST("lock: may be released by another task than the one that holds it") {
  coil::Lock lock;
  co_await lock.acquire();
  auto release = [&]() -> coil::Coro<void> {
    lock.release();
    co_return;
  };
  co_await create_task(release());
  CHECK(!lock.locked());
}

LOOP_TEST("lock: try_acquire() takes it if it is free, and never waits") {
  coil::Lock lock;
  CHECK(lock.try_acquire());
  CHECK(!lock.try_acquire());
  CHECK(lock.locked());
  lock.release();
  co_await yield();
}

LOOP_TEST("lock: scoped() releases it at the end of the scope, also when an exception leaves that") {
  coil::Lock lock;
  {
    const auto guard = co_await lock.scoped();
    CHECK(lock.locked());
    CHECK(guard);
  }
  CHECK(!lock.locked());
  auto fail = [&]() -> coil::Coro<void> {
    const auto guard = co_await lock.scoped();
    throw std::runtime_error("inside");
  };
  CHECK_AWAIT_FAILS_WITH(fail(), "inside");
  CHECK(!lock.locked());
}

LOOP_TEST("lock: a guard can be moved, released early, and assigned over") {
  coil::Lock lock;
  coil::Lock other;
  auto guard = co_await lock.scoped();
  coil::Lock::Guard moved = std::move(guard);
  CHECK(!guard);
  CHECK(moved);
  moved.release();
  CHECK(!lock.locked());
  CHECK(!moved);
  CHECK_THROWS_AS(moved.release(), std::logic_error);
  moved = co_await lock.scoped();
  CHECK(lock.locked());
  auto second = co_await other.scoped();
  moved = std::move(second);
  CHECK(!lock.locked());
  CHECK(other.locked());
  moved = coil::Lock::Guard();
  CHECK(!other.locked());
}

LOOP_TEST("lock: a guard moved onto itself keeps its lock") {
  coil::Lock lock;
  auto guard = co_await lock.scoped();
  auto& same = guard;
  guard = std::move(same);
  CHECK(guard);
  CHECK(lock.locked());
}

LOOP_TEST("lock: a guard of a lock that was released by hand does nothing") {
  coil::Lock lock;
  {
    const auto guard = co_await lock.scoped();
    lock.release();
  }
  CHECK(!lock.locked());
}

LOOP_TEST("lock: many tasks hold it one at a time, in the order in which they came") {
  coil::Lock lock;
  int inside = 0;
  std::vector<int> order;
  auto work = [&](int number) -> coil::Coro<void> {
    for (int round = 0; round < 3; ++round) {
      const auto guard = co_await lock.scoped();
      CHECK(++inside == 1);
      order.push_back(number);
      co_await coil::sleep(1ms);
      --inside;
    }
  };
  co_await coil::task_group([&](coil::TaskGroup& group) -> coil::Coro<void> {
    for (int i = 0; i < 5; ++i) group.create_task(work(i));
    co_return;
  });
  CHECK(order == std::vector<int>{0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4});
  CHECK(coil_test::elapsed() == 15ms);
}

LOOP_TEST("lock: acquire() and scoped() can be given to gather, wait_for, as_result and create_task") {
  coil::Lock lock;
  coil::Lock other;
  co_await coil::gather(lock.acquire(), other.acquire());
  CHECK((lock.locked() && other.locked()));
  CHECK_AWAIT_THROWS(coil::wait_for(lock.acquire(), 1s), coil::TimeoutError);
  auto outcome = co_await coil::as_result(coil::wait_for(other.scoped(), 1s));
  CHECK(outcome.exception() != nullptr);
  lock.release();
  other.release();
  {
    auto task = create_task(lock.scoped());
    const auto guard = co_await task;
    CHECK(lock.locked());
    auto kept = co_await coil::as_result(other.scoped());
    CHECK(kept.has_value());
    CHECK(other.locked());
  }
  CHECK((!lock.locked() && !other.locked()));
}

TEST_CASE("lock: may be made, asked, taken and released outside of a loop; only to wait needs one") {
  coil::Lock lock;
  CHECK(lock.try_acquire());
  CHECK(lock.locked());
  lock.release();
  auto main = [&]() -> coil::Coro<void> {
    co_await lock.acquire();
    lock.release();
  };
  coil::run(main, coil_test::virtual_time);
  coil::run(main, coil_test::virtual_time);
}

TEST_CASE("lock: to wait for it in another loop than before throws std::logic_error, and nothing is lost") {
  coil::Lock lock;
  auto contend = [&]() -> coil::Coro<void> {
    co_await lock.acquire();
    auto waiter = create_task(lock.acquire());
    co_await yield();
    lock.release();
    co_await waiter;
  };
  coil::run(contend, coil_test::virtual_time);
  CHECK(lock.locked());
  auto main = [&]() -> coil::Coro<void> {
    CHECK_AWAIT_THROWS(lock.acquire(), std::logic_error);
    CHECK_AWAIT_FAILS_WITH(lock.scoped(),
                           "coil: Lock::acquire(): it belongs to another event loop, the first one that waited for it");
    lock.release();
    co_await lock.acquire();  // does not have to wait
  };
  coil::run(main, coil_test::virtual_time);
  CHECK(lock.locked());
}

LOOP_TEST("lock: release() in another thread than that of the waiters throws std::logic_error and changes nothing") {
  coil::Lock lock;
  std::string log;
  co_await lock.acquire();
  auto waiter = create_task(take(lock, log, 'w'));
  co_await yield();
  bool refused = false;
  std::thread([&] {
    try {
      lock.release();
    } catch (const std::logic_error&) {
      refused = true;
    }
  }).join();
  CHECK(refused);
  CHECK(lock.locked());
  lock.release();
  co_await waiter;
  CHECK(log == "w");
}

LOOP_TEST("lock: one that is destroyed ends those who wait with a std::logic_error, or cancelled") {
  std::optional<coil::Lock> lock(std::in_place);
  co_await lock->acquire();
  auto waiting = create_task(lock->acquire());
  auto cancelled = create_task(lock->acquire());
  auto both = create_task(lock->acquire());
  co_await yield();
  cancelled.cancel();
  lock.reset();
  both.cancel();
  CHECK_AWAIT_FAILS_WITH(waiting, "coil: the Lock was destroyed while a task waited for it");
  CHECK_AWAIT_THROWS(cancelled, coil::CancelledError);
  CHECK_AWAIT_THROWS(both, coil::CancelledError);
}

LOOP_TEST("lock: one that is destroyed before the task that was woken runs ends that with a std::logic_error") {
  std::optional<coil::Lock> lock(std::in_place);
  co_await lock->acquire();
  auto woken = create_task(lock->scoped());
  co_await yield();
  lock->release();
  lock.reset();
  CHECK_AWAIT_THROWS(woken, std::logic_error);
}

TEST_CASE("lock: one of main's that others still wait for when main ends leaves them cancelled") {
  coil::Task<void> waiter;
  auto main = [&]() -> coil::Coro<void> {
    coil::Lock lock;
    co_await lock.acquire();
    waiter = create_task(lock.acquire());
    co_await yield();
  };
  coil::run(main, coil_test::virtual_time);
  CHECK(waiter.cancelled());
}

LOOP_TEST("lock: guards of one that was destroyed hold nothing and do nothing") {
  std::optional<coil::Lock> lock(std::in_place);
  auto first = co_await lock->scoped();
  lock->release();
  auto second = co_await lock->scoped();
  coil::Lock::Guard third = std::move(first);
  lock.reset();
  CHECK(!second);
  CHECK(!third);
  CHECK_THROWS_AS(second.release(), std::logic_error);
  third = std::move(second);
  CHECK(!third);
}

TEST_CASE("lock: one of main's that another task holds when main ends is released by nobody") {
  bool held = true;
  coil::Task<void> holder;
  auto main = [&]() -> coil::Coro<void> {
    coil::Lock lock;
    auto hold = [](coil::Lock& own, bool& still_held) -> coil::Coro<void> {
      const auto guard = co_await own.scoped();
      auto outcome = co_await coil::as_result(coil::sleep(1h));
      still_held = static_cast<bool>(guard);
      outcome.value();
    };
    holder = create_task(hold, std::ref(lock), std::ref(held));
    co_await yield();
  };
  coil::run(main, coil_test::virtual_time);
  CHECK(holder.cancelled());
  CHECK(!held);
}
