#include <coil/event.hpp>

#include "../support/loop_test.hpp"

#include <optional>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using coil::create_task;
using coil::yield;

namespace {

coil::Coro<void> wait_as(coil::Event& event, std::string& log, char name) {
  co_await event.wait();
  log += name;
}

}  // namespace

LOOP_TEST("event: is not set at first, set by set() until clear()") {
  coil::Event event;
  CHECK(!event.is_set());
  event.set();
  CHECK(event.is_set());
  event.set();
  CHECK(event.is_set());
  event.clear();
  CHECK(!event.is_set());
  co_await yield();
}

LOOP_TEST("event: waiting for one that is set does not yield") {
  coil_test::TurnCounter turns;
  coil::Event event;
  event.set();
  co_await yield();
  const int before = turns.count();
  co_await event.wait();
  co_await event.wait();
  CHECK(turns.count() == before);
}

LOOP_TEST("event: set() wakes waiters in arrival order, on a later turn") {
  coil::Event event;
  std::string log;
  co_await coil::task_group([&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(wait_as(event, log, 'a'));
    group.create_task(wait_as(event, log, 'b'));
    co_await yield();
    group.create_task(wait_as(event, log, 'c'));  // starts once it is set: before those who are woken
    event.set();
    CHECK(log == "");
    co_await yield();
    CHECK(log == "cab");
  });
}

LOOP_TEST("event: set() and at once clear() wakes all who wait") {
  coil::Event event;
  std::string log;
  auto a = create_task(wait_as(event, log, 'a'));
  auto b = create_task(wait_as(event, log, 'b'));
  co_await yield();
  event.set();
  event.clear();
  event.set();
  event.set();
  event.clear();
  CHECK(!event.is_set());
  co_await yield();
  CHECK(log == "ab");
  CHECK((a.done() && b.done()));
}

LOOP_TEST("event: a task that comes after clear() waits for the next set()") {
  coil::Event event;
  std::string log;
  event.set();
  event.clear();
  auto late = create_task(wait_as(event, log, 'l'));
  co_await coil::sleep(1s);
  CHECK(log == "");
  event.set();
  co_await late;
  CHECK(log == "l");
}

LOOP_TEST("event: can be used again and again") {
  coil::Event event;
  for (int round = 0; round < 3; ++round) {
    std::string log;
    auto a = create_task(wait_as(event, log, 'a'));
    co_await yield();
    event.set();
    co_await a;
    event.clear();
    CHECK(log == "a");
  }
}

LOOP_TEST("event cancel: a waiter gets CancelledError, the others are woken all the same") {
  coil::Event event;
  std::string log;
  auto a = create_task(wait_as(event, log, 'a'));
  auto b = create_task(wait_as(event, log, 'b'));
  auto c = create_task(wait_as(event, log, 'c'));
  co_await yield();
  b.cancel();
  event.set();
  co_await coil::gather(a, c);
  CHECK(b.cancelled());
  CHECK(log == "ac");
}

LOOP_TEST("event cancel: of a waiter that was just woken throws") {
  coil::Event event;
  std::string log;
  auto a = create_task(wait_as(event, log, 'a'));
  co_await yield();
  event.set();
  a.cancel();
  CHECK_AWAIT_THROWS(a, coil::CancelledError);
  CHECK(log == "");
}

LOOP_TEST("event cancel: before the start, and twice") {
  coil::Event event;
  std::string log;
  auto a = create_task(wait_as(event, log, 'a'));
  a.cancel();
  CHECK_AWAIT_THROWS(a, coil::CancelledError);
  auto b = create_task(wait_as(event, log, 'b'));
  co_await yield();
  b.cancel();
  b.cancel();
  CHECK_AWAIT_THROWS(b, coil::CancelledError);
  event.set();
  CHECK(log == "");
}

LOOP_TEST("event: wait() can be given to gather, wait_for and as_result") {
  coil::Event event;
  CHECK_AWAIT_THROWS(coil::wait_for(event.wait(), 1s), coil::TimeoutError);
  coil::get_running_loop().call_later(1s, [&] { event.set(); });
  co_await coil::gather(event.wait(), event.wait());
  CHECK(coil_test::elapsed() == 2s);
  auto outcome = co_await coil::as_result(event.wait());
  CHECK(outcome.has_value());
}

LOOP_TEST("event: may be destroyed as soon as it was set; who was woken goes on") {
  std::optional<coil::Event> event(std::in_place);
  std::string log;
  auto a = create_task(wait_as(*event, log, 'a'));
  co_await yield();
  event->set();
  event.reset();
  co_await a;
  CHECK(log == "a");
}

LOOP_TEST("event: one that is destroyed unset ends those who wait with a std::logic_error, or cancelled") {
  std::optional<coil::Event> event(std::in_place);
  auto waiting = create_task(event->wait());
  auto cancelled = create_task(event->wait());
  auto both = create_task(event->wait());
  co_await yield();
  cancelled.cancel();
  event.reset();
  both.cancel();
  CHECK_AWAIT_FAILS_WITH(waiting, "coil: the Event was destroyed while a task waited for it");
  CHECK_AWAIT_THROWS(cancelled, coil::CancelledError);
  CHECK_AWAIT_THROWS(both, coil::CancelledError);
}

TEST_CASE("event: one of main's that others still wait for when main ends leaves them cancelled") {
  coil::Task<void> waiter;
  auto main = [&]() -> coil::Coro<void> {
    coil::Event event;
    waiter = create_task(event.wait());
    co_await yield();
  };
  coil::run(main, coil_test::virtual_time);
  CHECK(waiter.cancelled());
}

TEST_CASE("event: may be set and asked outside of a loop") {
  coil::Event event;
  event.set();
  CHECK(event.is_set());
  auto main = [&]() -> coil::Coro<void> { co_await event.wait(); };
  coil::run(main, coil_test::virtual_time);
}

TEST_CASE("event: wakes tasks of a loop that rests between two runs") {
  coil::Event event;
  coil::Runner runner(coil_test::virtual_time);
  coil::Task<void> waiter;
  auto first = [&]() -> coil::Coro<void> {
    waiter = create_task(event.wait());
    co_await yield();
  };
  runner.run(first);
  event.set();
  auto second = [&]() -> coil::Coro<void> { co_await waiter; };
  runner.run(second);
}

TEST_CASE("event: to wait for it in another loop than before throws std::logic_error") {
  coil::Event event;
  auto wait = [&]() -> coil::Coro<void> { CHECK_AWAIT_THROWS(coil::wait_for(event.wait(), 1s), coil::TimeoutError); };
  coil::run(wait, coil_test::virtual_time);
  auto main = [&]() -> coil::Coro<void> {
    CHECK_AWAIT_FAILS_WITH(event.wait(),
                           "coil: Event::wait(): it belongs to another event loop, the first one that waited for it");
    event.set();
    co_await event.wait();  // need not wait
  };
  coil::run(main, coil_test::virtual_time);
}

LOOP_TEST("event: set() in another thread than that of the waiters throws std::logic_error and changes nothing") {
  coil::Event event;
  std::string log;
  auto a = create_task(wait_as(event, log, 'a'));
  co_await yield();
  std::string text;
  std::thread([&] {
    try {
      event.set();
    } catch (const std::logic_error& error) {
      text = error.what();
    }
  }).join();
  CHECK(text ==
        "coil: Event::set() from another thread than that of the tasks that wait; use Loop::call_soon_threadsafe");
  CHECK(!event.is_set());
  event.set();
  co_await a;
}
