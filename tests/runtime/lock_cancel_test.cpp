// Cancellation of tasks that wait for a lock: it is never lost, and never held by two.
#include <coil/lock.hpp>

#include "../support/loop_test.hpp"

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil::create_task;
using coil::yield;

namespace {

coil::Coro<void> take(coil::Lock& lock, std::string& log, char name) {
  co_await lock.acquire();
  log += name;
}

}  // namespace

LOOP_TEST("lock cancel: a task that waits gets CancelledError with the message, and leaves no trace") {
  coil::Lock lock;
  co_await lock.acquire();
  auto waiter = create_task(lock.acquire());
  co_await yield();
  CHECK(waiter.cancel("enough"));
  std::string message;
  try {
    co_await waiter;
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(message == "enough");
  CHECK(lock.locked());
  lock.release();
  CHECK(lock.try_acquire());
}

LOOP_TEST("lock cancel: before the first step the task never stands in the line") {
  coil::Lock lock;
  co_await lock.acquire();
  auto waiter = create_task(lock.acquire());
  waiter.cancel();
  co_await yield();
  CHECK(waiter.cancelled());
  lock.release();
  CHECK(lock.try_acquire());
}

LOOP_TEST("lock cancel: requested before the wait is delivered at it") {
  coil::Lock lock;
  co_await lock.acquire();
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    coil::current_task().cancel();
    log += "waits;";
    co_await lock.acquire();
    log += "never;";
  };
  auto task = create_task(work());
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "waits;");
  lock.release();
  CHECK(lock.try_acquire());
}

LOOP_TEST("lock cancel: an acquire() that need not wait does not see the request, the next wait does") {
  coil::Lock lock;
  auto work = [&]() -> coil::Coro<void> {
    coil::current_task().cancel();
    co_await lock.acquire();
    co_await yield();
  };
  auto task = create_task(work());
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(lock.locked());
}

LOOP_TEST("lock cancel: and then released in the same turn wakes the next in line") {
  coil::Lock lock;
  std::string log;
  co_await lock.acquire();
  auto a = create_task(take(lock, log, 'a'));
  auto b = create_task(take(lock, log, 'b'));
  co_await yield();
  a.cancel();
  lock.release();
  CHECK(!lock.try_acquire());
  co_await b;
  CHECK(a.cancelled());
  CHECK(log == "b");
  CHECK(lock.locked());
}

LOOP_TEST("lock cancel: of the task that was just woken throws, and passes the lock on") {
  coil::Lock lock;
  std::string log;
  co_await lock.acquire();
  auto a = create_task(take(lock, log, 'a'));
  auto b = create_task(take(lock, log, 'b'));
  co_await yield();
  lock.release();
  a.cancel();
  CHECK(!lock.try_acquire());
  co_await b;
  CHECK(a.cancelled());
  CHECK(log == "b");
  CHECK(lock.locked());
}

LOOP_TEST("lock cancel: of the task that was just woken and is the only one leaves the lock free") {
  coil::Lock lock;
  std::string log;
  co_await lock.acquire();
  auto a = create_task(take(lock, log, 'a'));
  co_await yield();
  lock.release();
  a.cancel();
  CHECK_AWAIT_THROWS(a, coil::CancelledError);
  CHECK(!lock.locked());
  CHECK(lock.try_acquire());
}

LOOP_TEST("lock cancel: withdrawn before the woken task runs gives it the lock after all") {
  coil::Lock lock;
  std::string log;
  co_await lock.acquire();
  auto a = create_task(take(lock, log, 'a'));
  co_await yield();
  lock.release();
  a.cancel();
  a.uncancel();
  co_await a;
  CHECK(log == "a");
}

LOOP_TEST("lock cancel: twice is one CancelledError") {
  coil::Lock lock;
  std::string log;
  co_await lock.acquire();
  auto work = [&]() -> coil::Coro<void> {
    try {
      co_await lock.acquire();
    } catch (const coil::CancelledError& error) {
      log += error.message() + ";";
    }
    co_await coil::sleep(1ms);
    log += "slept;";
  };
  auto task = create_task(work());
  co_await yield();
  task.cancel("first");
  task.cancel("second");
  CHECK(task.cancelling() == 2);
  co_await task;
  CHECK(log == "first;slept;");
}

LOOP_TEST("lock cancel: of the second of three, and a release(), wakes one task only") {
  // CPython's issue 32734: two tasks got the lock at once.
  coil::Lock lock;
  std::string log;
  co_await lock.acquire();
  auto a = create_task(take(lock, log, 'a'));
  auto b = create_task(take(lock, log, 'b'));
  auto c = create_task(take(lock, log, 'c'));
  co_await yield();
  coil::get_running_loop().call_soon([&] {
    a.cancel();
    lock.release();
  });
  CHECK_AWAIT_THROWS(a, coil::CancelledError);
  for (int i = 0; i < 5; ++i) co_await yield();
  CHECK(log == "b");
  CHECK(!c.done());
  lock.release();
  co_await c;
}

LOOP_TEST("lock cancel: of all who wait leaves a lock that a late comer may take at once") {
  coil::Lock lock;
  std::string log;
  co_await lock.acquire();
  auto a = create_task(take(lock, log, 'a'));
  auto b = create_task(take(lock, log, 'b'));
  co_await yield();
  a.cancel();
  b.cancel();
  lock.release();
  CHECK(lock.try_acquire());
  co_await yield();
  CHECK((a.cancelled() && b.cancelled()));
  CHECK(log == "");
}

LOOP_TEST("lock cancel: a task that catches it may wait for the lock again, at the end of the line") {
  coil::Lock lock;
  std::string log;
  co_await lock.acquire();
  auto stubborn = [&]() -> coil::Coro<void> {
    try {
      co_await lock.acquire();
    } catch (const coil::CancelledError&) {
    }
    co_await lock.acquire();
    log += 's';
  };
  auto s = create_task(stubborn());
  auto b = create_task(take(lock, log, 'b'));
  co_await yield();
  s.cancel();
  co_await yield();
  lock.release();
  co_await b;
  lock.release();
  co_await s;
  CHECK(log == "bs");
}

LOOP_TEST("lock cancel: a timeout in the turn of the release() loses no lock") {
  for (const bool release_first : {true, false}) {
    coil::Lock lock;
    co_await lock.acquire();
    std::string log;
    auto wait = [&]() -> coil::Coro<void> {
      try {
        co_await coil::wait_for(lock.acquire(), 1s);
        log += "got it";
        lock.release();
      } catch (const coil::TimeoutError&) {
        log += "timed out";
      }
    };
    const auto release = [&] { lock.release(); };
    if (release_first) coil::get_running_loop().call_later(1s, release);
    auto waiter = create_task(wait());
    co_await yield();
    if (!release_first) coil::get_running_loop().call_later(1s, release);
    co_await waiter;
    co_await yield();
    CHECK(log == "timed out");
    CHECK(!lock.locked());
    CHECK(lock.try_acquire());
  }
}

LOOP_TEST("lock cancel: of many tasks in turn takes time that grows with their number, not its square") {
  constexpr int count = 20000;
  coil::Lock lock;
  co_await lock.acquire();
  std::vector<coil::Task<void>> tasks;
  for (int i = 0; i < count; ++i) tasks.push_back(create_task(lock.acquire()));
  co_await yield();
  for (auto task = tasks.rbegin(); task != tasks.rend(); ++task) task->cancel();
  lock.release();
  for (int i = 0; i < count; ++i) {
    REQUIRE(lock.try_acquire());
    lock.release();
  }
  co_await coil::gather(coil::return_exceptions, tasks);
  CHECK(lock.try_acquire());
}
