// Cancellation of tasks that wait for a condition: the lock is held again on every exit, and no notification is lost.
#include <coil/condition.hpp>

#include "../support/loop_test.hpp"

#include <string>

using namespace std::chrono_literals;
using coil::create_task;
using coil::yield;

namespace {

struct Stock {
  coil::Condition condition;
  int items = 0;  // negative: the end
  int taken = 0;

  coil::Coro<void> consume() {
    const auto guard = co_await condition.scoped();
    for (;;) {
      co_await condition.wait_for([this] { return items != 0; });
      if (items < 0) co_return;
      --items;
      ++taken;
    }
  }
};

}  // namespace

LOOP_TEST("condition cancel: wait() takes the lock again before it throws") {
  coil::Condition condition;
  co_await condition.acquire();
  auto waiter = create_task(condition.wait());
  co_await yield();
  CHECK(!condition.locked());
  waiter.cancel("enough");
  std::string message;
  try {
    co_await waiter;
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(message == "enough");
  CHECK(condition.locked());
}

LOOP_TEST("condition cancel: while another task holds the lock throws only once that releases it") {
  coil::Condition condition;
  std::string log;
  auto wait = [&]() -> coil::Coro<void> {
    const auto guard = co_await condition.scoped();
    try {
      co_await condition.wait();
    } catch (const coil::CancelledError&) {
      CHECK(condition.locked());
      log += "cancelled";
      throw;
    }
  };
  auto waiter = create_task(wait());
  co_await yield();
  co_await condition.acquire();
  waiter.cancel();
  co_await coil::sleep(1s);
  CHECK(!waiter.done());
  CHECK(log == "");
  condition.release();
  CHECK_AWAIT_THROWS(waiter, coil::CancelledError);
  CHECK(log == "cancelled");
  CHECK(!condition.locked());
}

LOOP_TEST("condition cancel: again and again while it takes the lock again is swallowed until it has it") {
  coil::Condition condition;
  std::string message;
  auto wait = [&]() -> coil::Coro<void> {
    const auto guard = co_await condition.scoped();
    try {
      co_await condition.wait();
    } catch (const coil::CancelledError& error) {
      message = error.message();
      CHECK(coil::current_task().cancelling() == 3);
      throw;
    }
  };
  auto waiter = create_task(wait());
  co_await yield();
  co_await condition.acquire();
  waiter.cancel("first");
  co_await yield();
  waiter.cancel("second");
  co_await yield();
  waiter.cancel("third");
  co_await yield();
  CHECK(!waiter.done());
  condition.release();
  CHECK_AWAIT_THROWS(waiter, coil::CancelledError);
  CHECK(message == "third");
  CHECK(!condition.locked());
}

LOOP_TEST("condition cancel: after the notification, while it takes the lock again, throws with the lock held") {
  coil::Condition condition;
  bool reached = false;
  auto wait = [&]() -> coil::Coro<void> {
    const auto guard = co_await condition.scoped();
    reached = true;
    co_await condition.wait();
    CHECK(false);
  };
  auto waiter = create_task(wait());
  co_await yield();
  co_await condition.acquire();
  condition.notify();
  co_await yield();  // it stands in the lock's line now
  waiter.cancel();
  co_await yield();
  condition.release();
  co_await yield();
  CHECK(waiter.cancelled());
  CHECK(reached);
  CHECK(!condition.locked());
}

LOOP_TEST("condition cancel: and release() in the turn in which it would get the lock lets it go on uncancelled") {
  // CPython's test_wait_cancel_contested, in which there is no point left at which to cancel.
  coil::Condition condition;
  co_await condition.acquire();
  auto waiter = create_task(condition.wait());
  co_await yield();
  co_await condition.acquire();
  condition.notify();
  coil::get_running_loop().call_soon([&] { waiter.cancel(); });
  coil::get_running_loop().call_soon([&] { condition.release(); });
  auto outcome = co_await coil::as_result(waiter);
  CHECK((outcome.has_value() || outcome.cancelled()));
  CHECK(condition.locked());
}

LOOP_TEST("condition cancel: of a task that was just notified gives the notification to another") {
  Stock stock;
  auto a = create_task(stock.consume());
  auto b = create_task(stock.consume());
  co_await yield();
  {
    const auto guard = co_await stock.condition.scoped();
    ++stock.items;
    stock.condition.notify(1);
    a.cancel();
    CHECK_AWAIT_THROWS(coil::wait_for(stock.condition.wait(), 1s), coil::TimeoutError);  // lets the others run
    CHECK(stock.items == 0);
    CHECK(stock.taken == 1);
    stock.items = -1;
    stock.condition.notify_all();
  }
  co_await b;
  CHECK(a.cancelled());
}

LOOP_TEST("condition cancel: of a task that takes the lock again gives its notification to another") {
  Stock stock;
  auto a = create_task(stock.consume());
  auto b = create_task(stock.consume());
  co_await yield();
  {
    const auto guard = co_await stock.condition.scoped();
    ++stock.items;
    stock.condition.notify(1);
    co_await yield();
    a.cancel();
    CHECK_AWAIT_THROWS(coil::wait_for(stock.condition.wait(), 1s), coil::TimeoutError);  // lets the others run
    CHECK(stock.items == 0);
    CHECK(stock.taken == 1);
    stock.items = -1;
    stock.condition.notify_all();
  }
  co_await b;
  CHECK(a.cancelled());
}

LOOP_TEST("condition cancel: before the start the lock is not touched") {
  coil::Condition condition;
  co_await condition.acquire();
  auto waiter = create_task(condition.wait());
  waiter.cancel();
  CHECK_AWAIT_THROWS(waiter, coil::CancelledError);
  CHECK(condition.locked());
}

LOOP_TEST("condition cancel: requested before the wait releases the lock and takes it again") {
  coil::Condition condition;
  std::string log;
  auto wait = [&]() -> coil::Coro<void> {
    const auto guard = co_await condition.scoped();
    coil::current_task().cancel();
    co_await condition.wait();
  };
  auto other = [&]() -> coil::Coro<void> {
    const auto guard = co_await condition.scoped();
    log += "between";
  };
  auto waiter = create_task(wait());
  auto visitor = create_task(other());
  co_await visitor;
  CHECK_AWAIT_THROWS(waiter, coil::CancelledError);
  CHECK(log == "between");
  CHECK(!condition.locked());
}

LOOP_TEST("condition cancel: a timeout inside the guarded scope leaves the lock held") {
  coil::Condition condition;
  {
    const auto guard = co_await condition.scoped();
    CHECK_AWAIT_THROWS(coil::wait_for(condition.wait(), 500ms), coil::TimeoutError);
    CHECK(condition.locked());
    CHECK_AWAIT_THROWS(coil::wait_for(condition.wait_for([] { return false; }), 500ms), coil::TimeoutError);
    CHECK(condition.locked());
  }
  CHECK(!condition.locked());
}

LOOP_TEST("condition cancel: the same exception that the wait threw leaves it") {
  coil::Condition condition;
  const void* first = nullptr;
  auto wait = [&]() -> coil::Coro<void> {
    const auto guard = co_await condition.scoped();
    try {
      co_await condition.wait_for([] { return false; });
    } catch (const coil::CancelledError& error) {
      first = &error;
      CHECK(error.message() == "foo");
      throw;
    }
  };
  auto waiter = create_task(wait());
  co_await yield();
  waiter.cancel("foo");
  auto outcome = co_await coil::as_result(waiter);
  CHECK(outcome.cancelled());
  CHECK(first != nullptr);
}
