#include <coil/condition.hpp>

#include "../support/loop_test.hpp"

#include <memory>
#include <optional>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using coil::create_task;
using coil::yield;

namespace {

// Waits and keeps the lock.
coil::Coro<void> wait_and_keep(coil::Condition& condition, std::string& log, char name) {
  co_await condition.acquire();
  co_await condition.wait();
  log += name;
}

// Waits and releases the lock.
coil::Coro<void> wait_as(coil::Condition& condition, std::string& log, char name) {
  const auto guard = co_await condition.scoped();
  co_await condition.wait();
  log += name;
}

}  // namespace

LOOP_TEST("condition: wait() releases the lock, and holds it again when it returns") {
  coil::Condition condition;
  std::string log;
  auto a = create_task(wait_and_keep(condition, log, 'a'));
  auto b = create_task(wait_and_keep(condition, log, 'b'));
  auto c = create_task(wait_and_keep(condition, log, 'c'));
  co_await yield();
  CHECK(!condition.locked());
  co_await condition.acquire();
  condition.notify();
  co_await yield();
  CHECK(log == "");
  CHECK(condition.locked());
  condition.release();
  co_await yield();
  CHECK(log == "a");
  CHECK(condition.locked());
  condition.notify(2);
  co_await yield();
  CHECK(log == "a");
  condition.release();
  co_await yield();
  CHECK(log == "ab");
  CHECK(condition.locked());
  condition.release();
  co_await yield();
  CHECK(log == "abc");
  CHECK(condition.locked());
  CHECK((a.done() && b.done() && c.done()));
}

LOOP_TEST("condition: notify(n) wakes n tasks or as many as wait, those first that have waited longest") {
  coil::Condition condition;
  std::string log;
  auto a = create_task(wait_as(condition, log, 'a'));
  auto b = create_task(wait_as(condition, log, 'b'));
  auto c = create_task(wait_as(condition, log, 'c'));
  co_await yield();
  {
    const auto guard = co_await condition.scoped();
    condition.notify(0);
    condition.notify(1);
  }
  co_await yield();
  CHECK(log == "a");
  {
    const auto guard = co_await condition.scoped();
    condition.notify(1);
    condition.notify(2048);
  }
  co_await yield();
  CHECK(log == "abc");
}

LOOP_TEST("condition: notify_all() wakes all who wait, not those who come later") {
  coil::Condition condition;
  std::string log;
  auto a = create_task(wait_as(condition, log, 'a'));
  auto b = create_task(wait_as(condition, log, 'b'));
  co_await yield();
  {
    const auto guard = co_await condition.scoped();
    condition.notify_all();
  }
  auto late = create_task(wait_as(condition, log, 'l'));
  co_await coil::sleep(1ms);
  CHECK(log == "ab");
  CHECK(!late.done());
  {
    const auto guard = co_await condition.scoped();
    condition.notify();
  }
  co_await late;
}

LOOP_TEST("condition: notify() and notify_all() without the lock throw std::logic_error") {
  coil::Condition condition;
  CHECK_THROWS_AS(condition.notify(), std::logic_error);
  CHECK_THROWS_AS(condition.notify_all(), std::logic_error);
  CHECK_THROWS_WITH(condition.notify(), "coil: Condition::notify() needs the lock: acquire() it first");
  co_await yield();
}

LOOP_TEST("condition: wait() without the lock throws std::logic_error at the await") {
  coil::Condition condition;
  CHECK_AWAIT_FAILS_WITH(condition.wait(), "coil: Condition::wait() needs the lock: acquire() it first");
  CHECK(!condition.locked());
}

LOOP_TEST("condition: release() without the lock throws std::logic_error") {
  coil::Condition condition;
  CHECK_THROWS_AS(condition.release(), std::logic_error);
  co_await yield();
}

LOOP_TEST("condition: wait_for() waits until the predicate is true, looking after each notification") {
  coil::Condition condition;
  int level = 0;
  int looks = 0;
  auto wait = [&]() -> coil::Coro<void> {
    const auto guard = co_await condition.scoped();
    const bool reached = co_await condition.wait_for([&] { return ++looks, level >= 2; });
    CHECK(reached);
  };
  auto waiter = create_task(wait());
  co_await yield();
  CHECK(looks == 1);
  for (int i = 0; i < 2; ++i) {
    CHECK(!waiter.done());
    const auto guard = co_await condition.scoped();
    ++level;
    condition.notify();
  }
  co_await waiter;
  CHECK(looks >= 2);
  CHECK(!condition.locked());
}

LOOP_TEST("condition: wait_for() of what is true already needs no lock and does not yield, else it needs one") {
  coil::Condition condition;
  const int answer = co_await condition.wait_for([] { return 42; });
  CHECK(answer == 42);
  CHECK_AWAIT_THROWS(condition.wait_for([] { return false; }), std::logic_error);
}

LOOP_TEST("condition: wait_for() gives what the predicate returned, also a thing that cannot be copied") {
  coil::Condition condition;
  std::unique_ptr<int> made;
  auto wait = [&]() -> coil::Coro<int> {
    const auto guard = co_await condition.scoped();
    const std::unique_ptr<int> got = co_await condition.wait_for([&] { return std::move(made); });
    co_return *got;
  };
  auto waiter = create_task(wait());
  co_await yield();
  {
    const auto guard = co_await condition.scoped();
    made = std::make_unique<int>(7);
    condition.notify();
  }
  const int value = co_await waiter;
  CHECK(value == 7);
}

LOOP_TEST("condition: an exception of the predicate leaves wait_for() with the lock held") {
  coil::Condition condition;
  const auto guard = co_await condition.scoped();
  CHECK_AWAIT_FAILS_WITH(condition.wait_for([]() -> bool { throw std::runtime_error("no predicate"); }),
                         "no predicate");
  CHECK(condition.locked());
}

LOOP_TEST("condition: scoped() is the lock's") {
  coil::Condition condition;
  {
    const coil::Lock::Guard guard = co_await condition.scoped();
    CHECK(condition.locked());
  }
  CHECK(!condition.locked());
}

LOOP_TEST("condition: conditions that share a lock are locked with it, and wake their own waiters only") {
  coil::Lock lock;
  coil::Condition not_empty(lock);
  coil::Condition not_full(lock);
  std::string log;
  auto a = create_task(wait_as(not_empty, log, 'e'));
  auto b = create_task(wait_as(not_full, log, 'f'));
  co_await yield();
  {
    const auto guard = co_await lock.scoped();
    CHECK((not_empty.locked() && not_full.locked()));
    not_full.notify_all();
  }
  co_await b;
  CHECK(log == "f");
  {
    const auto guard = co_await not_full.scoped();
    CHECK(lock.locked());
    not_empty.notify_all();
  }
  co_await a;
  CHECK(log == "fe");
}

LOOP_TEST("condition: a bounded buffer passes on everything, in order") {
  coil::Condition condition;
  std::string buffer;
  std::string received;
  auto produce = [&]() -> coil::Coro<void> {
    for (const char item : std::string("abcdefghij")) {
      const auto guard = co_await condition.scoped();
      co_await condition.wait_for([&] { return buffer.size() < 2; });
      buffer += item;
      condition.notify_all();
    }
  };
  auto consume = [&]() -> coil::Coro<void> {
    while (received.size() < 10) {
      const auto guard = co_await condition.scoped();
      co_await condition.wait_for([&] { return !buffer.empty(); });
      received += buffer.front();
      buffer.erase(0, 1);
      condition.notify_all();
    }
  };
  co_await coil::gather(produce(), consume());
  CHECK(received == "abcdefghij");
}

LOOP_TEST("condition: wait() can be given to wait_for, as_result and create_task") {
  coil::Condition condition;
  const auto guard = co_await condition.scoped();
  CHECK_AWAIT_THROWS(coil::wait_for(condition.wait(), 1s), coil::TimeoutError);
  CHECK(condition.locked());
  coil::get_running_loop().call_later(1s, [&] {
    CHECK(condition.locked() == false);
    CHECK_THROWS_AS(condition.notify(), std::logic_error);
  });
  auto outcome = co_await coil::as_result(coil::wait_for(condition.wait(), 2s));
  CHECK(outcome.exception() != nullptr);
  CHECK(condition.locked());
}

TEST_CASE("condition: to wait for it in another loop than before throws std::logic_error and keeps the lock") {
  coil::Condition condition;
  auto first = [&]() -> coil::Coro<void> {
    const auto guard = co_await condition.scoped();
    CHECK_AWAIT_THROWS(coil::wait_for(condition.wait(), 1s), coil::TimeoutError);
  };
  coil::run(first, coil_test::virtual_time);
  auto main = [&]() -> coil::Coro<void> {
    const auto guard = co_await condition.scoped();
    CHECK_AWAIT_FAILS_WITH(
        condition.wait(),
        "coil: Condition::wait(): it belongs to another event loop, the first one that waited for it");
    CHECK(condition.locked());
  };
  coil::run(main, coil_test::virtual_time);
}

LOOP_TEST("condition: notify() in another thread than that of the waiters throws, and wakes nobody") {
  coil::Condition condition;
  std::string log;
  auto a = create_task(wait_as(condition, log, 'a'));
  co_await yield();
  const auto guard = co_await condition.scoped();
  bool refused = false;
  std::thread([&] {
    try {
      condition.notify();
    } catch (const std::logic_error&) {
      refused = true;
    }
  }).join();
  CHECK(refused);
  condition.notify();
}

LOOP_TEST("condition: one that is destroyed ends those who wait, and those notified, with a std::logic_error") {
  std::optional<coil::Condition> condition(std::in_place);
  std::string log;
  auto notified = create_task(wait_and_keep(*condition, log, 'n'));
  auto waiting = create_task(wait_and_keep(*condition, log, 'w'));
  auto cancelled = create_task(wait_and_keep(*condition, log, 'c'));
  co_await yield();
  co_await condition->acquire();
  condition->notify();
  cancelled.cancel();
  condition.reset();
  CHECK_AWAIT_FAILS_WITH(notified, "coil: the Condition was destroyed while a task waited for it");
  CHECK_AWAIT_THROWS(waiting, std::logic_error);
  CHECK_AWAIT_THROWS(cancelled, coil::CancelledError);
}
