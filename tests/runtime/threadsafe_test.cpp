// Locks, semaphores and events that tasks of several loops and threads share.
#include <coil/threadsafe.hpp>
#include <coil/to_thread.hpp>

#include "../support/loop_test.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

using coil::ThreadsafeEvent;
using coil::ThreadsafeLock;
using coil::ThreadsafeSemaphore;
using namespace std::chrono_literals;

LOOP_TEST("ThreadsafeLock: tasks get it in arrival order, and nobody gets past one that waits") {
  ThreadsafeLock lock;
  std::string order;
  auto use = [&](char name) -> coil::Coro<void> {
    auto guard = co_await lock.scoped();
    order += name;
    co_await coil::yield();
  };
  co_await lock.acquire();
  CHECK(lock.locked());
  auto a = coil::create_task(use('a'));
  auto b = coil::create_task(use('b'));
  co_await coil::yield();
  CHECK(!lock.try_acquire());
  lock.release();
  CHECK(!lock.try_acquire());  // it is a's already
  co_await lock.acquire();
  CHECK(order == "ab");
  lock.release();
  co_await coil::gather(a, b);
  CHECK(!lock.locked());
  CHECK_THROWS_WITH_AS(lock.release(), "coil: ThreadsafeLock::release() more often than it was acquired",
                       std::logic_error);
}

LOOP_TEST("ThreadsafeLock: tasks and threads exclude each other") {
  ThreadsafeLock lock;
  constexpr int rounds = coil_test::sanitized ? 500 : 5000;
  int count = 0;  // guarded by the lock
  const auto in_thread = [&] {
    for (int i = 0; i < rounds; ++i) {
      const std::lock_guard guard(lock);
      ++count;
    }
  };
  auto in_task = [&]() -> coil::Coro<void> {
    for (int i = 0; i < rounds; ++i) {
      const auto guard = co_await lock.scoped();
      ++count;
    }
  };
  std::thread other_loop([&] { coil::run(in_task); });
  co_await coil::gather(coil::to_thread(in_thread), coil::to_thread(in_thread), in_task(), in_task());
  co_await coil::to_thread([&] { other_loop.join(); });
  CHECK(count == 5 * rounds);
}

LOOP_TEST("ThreadsafeLock: a task that is cancelled, before or after its turn has come, passes the lock on") {
  ThreadsafeLock lock;
  for (const bool woken : {false, true}) {
    co_await lock.acquire();
    auto use = [&]() -> coil::Coro<void> { const auto guard = co_await lock.scoped(); };
    auto first = coil::create_task(use());
    auto second = coil::create_task(use());
    co_await coil::yield();
    if (woken) lock.release();
    first.cancel();
    if (!woken) lock.release();
    CHECK_AWAIT_THROWS(first, coil::CancelledError);
    co_await second;
    CHECK(!lock.locked());
  }
}

LOOP_TEST("ThreadsafeLock: a call that would block the loop is refused; one that would not is fine") {
  ThreadsafeLock lock;
  lock.acquire_blocking();
  CHECK_THROWS_WITH_AS(lock.lock(), "coil: ThreadsafeLock::lock() would block the event loop: use co_await",
                       std::logic_error);
  lock.release();
  CHECK(lock.try_acquire());
  co_await coil::yield();
}

LOOP_TEST("ThreadsafeLock: whoever waits when it is destroyed ends with a std::logic_error, or cancelled") {
  auto lock = std::make_unique<ThreadsafeLock>();
  co_await lock->acquire();
  auto waits = [&]() -> coil::Coro<void> { co_await lock->acquire(); };
  auto first = coil::create_task(waits());
  auto second = coil::create_task(waits());
  co_await coil::yield();
  lock.reset();
  second.cancel();
  CHECK_AWAIT_FAILS_WITH(first, "coil: the ThreadsafeLock was destroyed while somebody waited for it");
  CHECK_AWAIT_THROWS(second, coil::CancelledError);
}

LOOP_TEST("ThreadsafeSemaphore: no more are inside than there are permits, tasks and threads together") {
  ThreadsafeSemaphore semaphore(2);
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  const auto enter = [&] {
    const int now = ++inside;
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
  };
  const auto in_thread = [&] {
    for (int i = 0; i < 200; ++i) {
      semaphore.acquire_blocking();
      enter();
      --inside;
      semaphore.release();
    }
  };
  auto in_task = [&]() -> coil::Coro<void> {
    for (int i = 0; i < 200; ++i) {
      auto permit = co_await semaphore.scoped();
      enter();
      co_await coil::yield();
      --inside;
      permit.release();
    }
  };
  co_await coil::gather(coil::to_thread(in_thread), coil::to_thread(in_thread), in_task(), in_task(), in_task());
  CHECK(most <= 2);
  CHECK(semaphore.try_acquire());
  CHECK(semaphore.try_acquire());
  CHECK(semaphore.locked());
  CHECK_THROWS_AS(ThreadsafeSemaphore(-1), std::invalid_argument);
}

LOOP_TEST("ThreadsafeSemaphore: a permit that was granted to a task that is cancelled goes to a thread that waits") {
  ThreadsafeSemaphore semaphore(0);
  auto task = coil::create_task(semaphore.acquire());
  co_await coil::yield();
  std::atomic<bool> got{false};
  std::thread other([&] {
    semaphore.acquire_blocking();
    got = true;
  });
  semaphore.release();
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  co_await coil::to_thread([&] { other.join(); });
  CHECK(got);
}

LOOP_TEST("ThreadsafeEvent: set() in a thread wakes all tasks and threads that wait, also if it is cleared at once") {
  ThreadsafeEvent event;
  ThreadsafeSemaphore waiting(0);
  const auto in_thread = [&] {
    waiting.release();
    event.wait_blocking();
  };
  auto a = coil::create_task(event.wait());
  auto b = coil::create_task(event.wait());
  std::thread thread(in_thread);
  co_await coil::yield();
  co_await waiting.acquire();
  co_await coil::to_thread([&] {
    event.set();
    event.clear();
  });
  co_await coil::gather(a, b);
  CHECK(!event.is_set());
  event.set();  // the thread may not have come to wait before
  co_await event.wait();
  co_await coil::to_thread([&] { thread.join(); });
  CHECK(event.is_set());
}

LOOP_TEST("ThreadsafeEvent: a task that is cancelled waits no more") {
  ThreadsafeEvent event;
  auto task = coil::create_task(event.wait());
  co_await coil::yield();
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  event.set();
  CHECK_AWAIT_THROWS(coil::wait_for(coil::sleep(2h), 1h), coil::TimeoutError);  // nothing is left over
}

TEST_CASE("ThreadsafeEvent: ping-pong between two loops loses no wake-up") {
  constexpr int rounds = coil_test::sanitized ? 500 : 5000;
  ThreadsafeSemaphore ping(0);
  ThreadsafeSemaphore pong(0);
  auto one = [&]() -> coil::Coro<void> {
    for (int i = 0; i < rounds; ++i) {
      ping.release();
      co_await pong.acquire();
    }
  };
  auto two = [&]() -> coil::Coro<void> {
    for (int i = 0; i < rounds; ++i) {
      co_await ping.acquire();
      pong.release();
    }
  };
  std::thread other([&] { coil::run(two); });
  coil::run(one);
  other.join();
  CHECK(ping.locked());
  CHECK(pong.locked());
}
