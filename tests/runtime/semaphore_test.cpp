#include <coil/semaphore.hpp>

#include "../support/loop_test.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using coil::create_task;
using coil::yield;

namespace {

coil::Coro<void> take(coil::Semaphore& semaphore, std::string& log, char name) {
  co_await semaphore.acquire();
  log += name;
}

}  // namespace

static_assert(!std::is_copy_constructible_v<coil::Semaphore::Permit> &&
              std::is_nothrow_move_constructible_v<coil::Semaphore::Permit>);

LOOP_TEST("semaphore: has one permit unless told otherwise") {
  coil::Semaphore one;
  CHECK(!one.locked());
  co_await one.acquire();
  CHECK(one.locked());
  one.release();
  CHECK(!one.locked());
}

TEST_CASE("semaphore: a negative number of permits is std::invalid_argument, none is allowed") {
  CHECK_THROWS_AS(coil::Semaphore(-1), std::invalid_argument);
  CHECK_THROWS_AS(coil::BoundedSemaphore(-1), std::invalid_argument);
  CHECK_THROWS_AS(coil::Semaphore(PTRDIFF_MIN), std::invalid_argument);
  CHECK(coil::Semaphore(0).locked());
  CHECK(!coil::Semaphore(PTRDIFF_MAX).locked());
}

LOOP_TEST("semaphore: as many tasks as there are permits go on without yielding, the others wait") {
  coil::Semaphore semaphore(3);
  std::string log;
  co_await semaphore.acquire();
  co_await semaphore.acquire();
  CHECK(!semaphore.locked());
  auto a = create_task(take(semaphore, log, 'a'));
  auto b = create_task(take(semaphore, log, 'b'));
  auto c = create_task(take(semaphore, log, 'c'));
  co_await yield();
  CHECK(log == "a");
  CHECK(semaphore.locked());
  auto d = create_task(take(semaphore, log, 'd'));
  semaphore.release();
  semaphore.release();
  co_await yield();
  CHECK(log == "abc");
  CHECK(semaphore.locked());
  semaphore.release();
  co_await d;
  CHECK(log == "abcd");
}

LOOP_TEST("semaphore: locked() is true while others wait, although there are permits") {
  coil::Semaphore semaphore(0);
  std::string log;
  auto a = create_task(take(semaphore, log, 'a'));
  co_await yield();
  semaphore.release();
  semaphore.release();
  CHECK(semaphore.locked());
  CHECK(!semaphore.try_acquire());
  co_await a;
  CHECK(!semaphore.locked());
  CHECK(semaphore.try_acquire());
}

LOOP_TEST("semaphore: whoever comes while a woken task is still to run waits behind it, and is woken by it") {
  coil::Semaphore semaphore(0);
  std::string log;
  coil::Task<void> last;
  auto first = [&]() -> coil::Coro<void> {
    co_await semaphore.acquire();
    last = create_task(take(semaphore, log, 'l'));
    log += '1';
  };
  auto second = [&]() -> coil::Coro<void> {
    semaphore.release();
    semaphore.release();
    semaphore.release();
    CHECK(semaphore.locked());
    co_await semaphore.acquire();
    log += '2';
  };
  auto a = create_task(first());
  auto b = create_task(second());
  auto c = create_task(take(semaphore, log, '3'));
  co_await coil::gather(a, b, c);
  CHECK(log == "123");
  semaphore.release();
  co_await last;
}

LOOP_TEST("semaphore: tasks get their permits in the order in which they came, however they take turns") {
  coil::Semaphore semaphore(1);
  std::string log;
  auto work = [&](char name) -> coil::Coro<void> {
    for (int round = 0; round < 2; ++round) {
      co_await semaphore.acquire();
      log += name;
      co_await coil::sleep(10ms);
      semaphore.release();
    }
  };
  co_await coil::gather(work('a'), work('b'), work('c'));
  CHECK(log == "abcabc");
}

LOOP_TEST("semaphore: a task that releases and acquires at once stands behind the waiters") {
  coil::Semaphore semaphore(1);
  std::string log;
  auto again = [&]() -> coil::Coro<void> {
    co_await semaphore.acquire();
    log += '2';
    semaphore.release();
    co_await semaphore.acquire();
    log += '4';
  };
  auto a = create_task(take(semaphore, log, '1'));
  auto b = create_task(again());
  auto c = create_task(take(semaphore, log, '3'));
  co_await yield();
  semaphore.release();
  semaphore.release();
  co_await coil::gather(a, b, c);
  CHECK(log == "1234");
}

LOOP_TEST("semaphore: releases without a permit add permits") {
  coil::Semaphore semaphore(0);
  semaphore.release();
  semaphore.release();
  co_await semaphore.acquire();
  co_await semaphore.acquire();
  CHECK(semaphore.locked());
}

LOOP_TEST("semaphore: a bounded one throws std::invalid_argument at one release() too many, and is as before") {
  coil::BoundedSemaphore semaphore(2);
  CHECK_THROWS_AS(semaphore.release(), std::invalid_argument);
  co_await semaphore.acquire();
  semaphore.release();
  CHECK_THROWS_WITH(semaphore.release(), "coil: BoundedSemaphore::release() called more often than acquire()");
  coil::Semaphore& as_base = semaphore;
  CHECK_THROWS_AS(as_base.release(), std::invalid_argument);
  CHECK(semaphore.try_acquire());
  CHECK(semaphore.try_acquire());
  CHECK(!semaphore.try_acquire());
}

LOOP_TEST("semaphore: of a bounded one without permits no release() is too many while tasks wait") {
  coil::BoundedSemaphore semaphore(1);
  std::string log;
  co_await semaphore.acquire();
  auto a = create_task(take(semaphore, log, 'a'));
  co_await yield();
  semaphore.release();
  co_await a;
  semaphore.release();
  CHECK_THROWS_AS(semaphore.release(), std::invalid_argument);
  CHECK_THROWS_AS(coil::BoundedSemaphore(0).release(), std::invalid_argument);
}

LOOP_TEST("semaphore: scoped() returns the permit at the end of the scope, however that is left") {
  coil::BoundedSemaphore semaphore(1);
  {
    const auto permit = co_await semaphore.scoped();
    CHECK(permit);
    CHECK(semaphore.locked());
  }
  CHECK(!semaphore.locked());
  auto fail = [&]() -> coil::Coro<void> {
    const auto permit = co_await semaphore.scoped();
    throw std::runtime_error("inside");
  };
  CHECK_AWAIT_FAILS_WITH(fail(), "inside");
  CHECK(!semaphore.locked());
}

LOOP_TEST("semaphore: a permit can be moved, returned early, and assigned over") {
  coil::BoundedSemaphore semaphore(2);
  auto permit = co_await semaphore.scoped();
  coil::Semaphore::Permit moved = std::move(permit);
  CHECK(!permit);
  moved.release();
  CHECK_THROWS_AS(moved.release(), std::logic_error);
  moved = co_await semaphore.scoped();
  auto second = co_await semaphore.scoped();
  CHECK(semaphore.locked());
  moved = std::move(second);
  CHECK(!semaphore.locked());
  CHECK(semaphore.try_acquire());
  CHECK(!semaphore.try_acquire());
}

LOOP_TEST("semaphore: at most so many tasks are inside at a time, and all get their turn") {
  coil::Semaphore semaphore(3);
  int inside = 0;
  int most = 0;
  auto work = [&]() -> coil::Coro<void> {
    const auto permit = co_await semaphore.scoped();
    most = std::max(most, ++inside);
    co_await coil::sleep(10ms);
    --inside;
  };
  co_await coil::task_group([&](coil::TaskGroup& group) -> coil::Coro<void> {
    for (int i = 0; i < 10; ++i) group.create_task(work());
    co_return;
  });
  CHECK(most == 3);
  CHECK(coil_test::elapsed() == 40ms);
}

LOOP_TEST("semaphore cancel: a waiter gets CancelledError, and the permit goes to the next one") {
  coil::Semaphore semaphore(0);
  std::string log;
  auto a = create_task(take(semaphore, log, 'a'));
  auto b = create_task(take(semaphore, log, 'b'));
  auto c = create_task(take(semaphore, log, 'c'));
  auto d = create_task(take(semaphore, log, 'd'));
  co_await yield();
  a.cancel();
  b.cancel();
  semaphore.release();
  co_await yield();
  co_await yield();
  CHECK((a.cancelled() && b.cancelled()));
  CHECK(log == "c");
  CHECK(!d.done());
  d.cancel();
  CHECK_AWAIT_THROWS(d, coil::CancelledError);
}

LOOP_TEST("semaphore cancel: of a task that was just woken passes the permit on") {
  coil::Semaphore semaphore(0);
  std::string log;
  auto a = create_task(take(semaphore, log, 'a'));
  auto b = create_task(take(semaphore, log, 'b'));
  co_await yield();
  semaphore.release();
  a.cancel();
  co_await b;
  CHECK(a.cancelled());
  CHECK(log == "b");
  CHECK(semaphore.locked());
}

LOOP_TEST("semaphore cancel: of the only task that was just woken leaves the permit where it was") {
  coil::BoundedSemaphore semaphore(1);
  std::string log;
  co_await semaphore.acquire();
  auto a = create_task(take(semaphore, log, 'a'));
  co_await yield();
  semaphore.release();
  a.cancel();
  CHECK_AWAIT_THROWS(a, coil::CancelledError);
  CHECK(!semaphore.locked());
  CHECK_THROWS_AS(semaphore.release(), std::invalid_argument);
}

LOOP_TEST("semaphore cancel: by whoever releases it leaves no task hanging") {
  // CPython's test_acquire_no_hang.
  coil::Semaphore semaphore(1);
  coil::Task<void> second;
  auto first = [&]() -> coil::Coro<void> {
    {
      const auto permit = co_await semaphore.scoped();
      co_await yield();
    }
    second.cancel();
  };
  auto never = [&]() -> coil::Coro<void> {
    const auto permit = co_await semaphore.scoped();
    CHECK(false);
  };
  auto a = create_task(first());
  second = create_task(never());
  co_await a;
  CHECK_AWAIT_THROWS(second, coil::CancelledError);
  co_await coil::wait_for(semaphore.acquire(), 1s);
}

LOOP_TEST("semaphore cancel: before the start, at the wait, and twice, loses no permit") {
  coil::BoundedSemaphore semaphore(1);
  co_await semaphore.acquire();
  auto before = create_task(semaphore.acquire());
  before.cancel();
  auto self = [&]() -> coil::Coro<void> {
    coil::current_task().cancel();
    co_await semaphore.acquire();
  };
  auto at = create_task(self());
  auto twice = create_task(semaphore.acquire());
  co_await yield();
  twice.cancel();
  twice.cancel();
  CHECK_AWAIT_THROWS(before, coil::CancelledError);
  CHECK_AWAIT_THROWS(at, coil::CancelledError);
  CHECK_AWAIT_THROWS(twice, coil::CancelledError);
  semaphore.release();
  CHECK(semaphore.try_acquire());
}

LOOP_TEST("semaphore: acquire() and scoped() can be given to gather, wait_for and as_result") {
  coil::Semaphore semaphore(2);
  co_await coil::gather(semaphore.acquire(), semaphore.acquire());
  CHECK_AWAIT_THROWS(coil::wait_for(semaphore.scoped(), 1s), coil::TimeoutError);
  semaphore.release();
  {
    auto kept = co_await coil::as_result(semaphore.scoped());
    CHECK(kept.has_value());
    CHECK(semaphore.locked());
  }
  CHECK(!semaphore.locked());
}

TEST_CASE("semaphore: to wait for it in another loop than before throws std::logic_error, and nothing is lost") {
  coil::BoundedSemaphore semaphore(1);
  auto contend = [&]() -> coil::Coro<void> {
    co_await semaphore.acquire();
    CHECK_AWAIT_THROWS(coil::wait_for(semaphore.acquire(), 1s), coil::TimeoutError);
  };
  coil::run(contend, coil_test::virtual_time);
  auto main = [&]() -> coil::Coro<void> {
    CHECK_AWAIT_THROWS(semaphore.acquire(), std::logic_error);
    semaphore.release();
    co_await semaphore.acquire();
    semaphore.release();
  };
  coil::run(main, coil_test::virtual_time);
  CHECK(semaphore.try_acquire());
}

LOOP_TEST("semaphore: release() in another thread than that of the waiters throws, and changes nothing") {
  coil::Semaphore semaphore(0);
  std::string log;
  auto a = create_task(take(semaphore, log, 'a'));
  co_await yield();
  bool refused = false;
  std::thread([&] {
    try {
      semaphore.release();
    } catch (const std::logic_error&) {
      refused = true;
    }
  }).join();
  CHECK(refused);
  co_await yield();
  CHECK(log == "");
  semaphore.release();
  co_await a;
}

LOOP_TEST("semaphore: one that is destroyed ends those who wait, and those just woken, with a std::logic_error") {
  std::optional<coil::Semaphore> semaphore(std::in_place, 0);
  auto woken = create_task(semaphore->acquire());
  auto waiting = create_task(semaphore->acquire());
  auto cancelled = create_task(semaphore->acquire());
  co_await yield();
  semaphore->release();
  cancelled.cancel();
  semaphore.reset();
  CHECK_AWAIT_FAILS_WITH(woken, "coil: the Semaphore was destroyed while a task waited for it");
  CHECK_AWAIT_THROWS(waiting, std::logic_error);
  CHECK_AWAIT_THROWS(cancelled, coil::CancelledError);
}

LOOP_TEST("semaphore: permits of one that was destroyed hold nothing and do nothing") {
  std::optional<coil::Semaphore> semaphore(std::in_place, 3);
  auto first = co_await semaphore->scoped();
  auto second = co_await semaphore->scoped();
  auto third = co_await semaphore->scoped();
  second.release();
  semaphore.reset();
  CHECK(!first);
  CHECK(!third);
  CHECK_THROWS_AS(first.release(), std::logic_error);
}
