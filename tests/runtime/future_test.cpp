#include <coil/future.hpp>

#include "../support/loop_test.hpp"

#include <memory>
#include <string>

using namespace std::chrono_literals;

LOOP_TEST("future: awaiting it gives the result that someone sets later") {
  auto& loop = coil::get_running_loop();
  auto future = loop.create_future<int>();
  loop.call_later(2s, [&] { future.set_result(5); });
  const int value = co_await future;
  CHECK(value == 5);
  CHECK(coil_test::elapsed() == 2s);
}

LOOP_TEST("future: set_result never runs a waiter, its wake-up is queued") {
  auto future = coil::get_running_loop().create_future<int>();
  std::string log;
  auto wait = [&]() -> coil::Coro<void> {
    const int value = co_await future;
    log += "woken " + std::to_string(value) + ";";
  };
  auto waiter = coil::create_task(wait());
  co_await coil::yield();
  future.set_result(1);
  log += "set;";
  CHECK(!waiter.done());
  co_await waiter;
  CHECK(log == "set;woken 1;");
}

LOOP_TEST("future: the wake-up takes its place behind the callbacks that were queued before") {
  auto& loop = coil::get_running_loop();
  auto future = loop.create_future<void>();
  std::string log;
  auto wait = [&]() -> coil::Coro<void> {
    co_await future;
    log += "waiter;";
  };
  auto waiter = coil::create_task(wait());
  co_await coil::yield();
  loop.call_soon([&] { log += "earlier;"; });
  future.set_result();
  loop.call_soon([&] { log += "later;"; });
  co_await coil::sleep(1s);
  CHECK(log == "earlier;waiter;later;");
}

LOOP_TEST("future: awaiting one that is done does not yield") {
  coil_test::TurnCounter turns;
  auto future = coil::get_running_loop().create_future<int>();
  future.set_result(3);
  co_await coil::yield();
  const int before = turns.count();
  const int value = co_await future;
  CHECK(value == 3);
  CHECK(turns.count() == before);
}

LOOP_TEST("future: several waiters are woken in the order in which they came") {
  auto future = coil::get_running_loop().create_future<int>();
  std::string log;
  auto wait = [&](char name) -> coil::Coro<void> {
    const int value = co_await future;
    log += name + std::to_string(value) + " ";
  };
  auto a = coil::create_task(wait('a'));
  auto b = coil::create_task(wait('b'));
  auto c = coil::create_task(wait('c'));
  co_await coil::yield();
  future.set_result(1);
  co_await coil::gather(a, b, c);
  CHECK(log == "a1 b1 c1 ");
}

LOOP_TEST("future: before it is done result() and exception() throw InvalidStateError") {
  auto future = coil::get_running_loop().create_future<int>();
  CHECK(!future.done());
  CHECK(!future.cancelled());
  CHECK_THROWS_AS(future.result(), coil::InvalidStateError);
  CHECK_THROWS_AS(future.exception(), coil::InvalidStateError);
  future.set_result(1);
  co_await coil::yield();
}

LOOP_TEST("future: once done it has its result and no exception") {
  auto future = coil::get_running_loop().create_future<std::string>();
  future.set_result("text");
  CHECK(future.done());
  CHECK(!future.cancelled());
  CHECK(future.result() == "text");
  CHECK(future.exception() == nullptr);
  co_await coil::yield();
}

LOOP_TEST("future: set a second time throws InvalidStateError, and the first result stays") {
  auto future = coil::get_running_loop().create_future<int>();
  future.set_result(1);
  CHECK_THROWS_AS(future.set_result(2), coil::InvalidStateError);
  CHECK_THROWS_AS(future.set_exception(std::runtime_error("late")), coil::InvalidStateError);
  const int value = co_await future;
  CHECK(value == 1);
}

LOOP_TEST("future: set after it was cancelled throws InvalidStateError") {
  auto future = coil::get_running_loop().create_future<int>();
  CHECK(future.cancel());
  CHECK_THROWS_AS(future.set_result(2), coil::InvalidStateError);
  CHECK_THROWS_AS(future.set_exception(std::runtime_error("late")), coil::InvalidStateError);
  CHECK(future.cancelled());
  co_await coil::yield();
}

LOOP_TEST("future: set_exception takes an exception and throws it at every await") {
  auto future = coil::get_running_loop().create_future<int>();
  future.set_exception(std::runtime_error("no answer"));
  CHECK(future.done());
  CHECK(coil_test::text_of(future.exception()) == "no answer");
  CHECK_THROWS_WITH(future.result(), "no answer");
  CHECK_AWAIT_FAILS_WITH(future, "no answer");
  CHECK_AWAIT_FAILS_WITH(future, "no answer");
}

LOOP_TEST("future: set_exception takes an exception_ptr as well") {
  auto future = coil::get_running_loop().create_future<void>();
  future.set_exception(std::make_exception_ptr(std::invalid_argument("bad")));
  CHECK_AWAIT_THROWS(future, std::invalid_argument);
}

LOOP_TEST("future: cancel() of a pending one is true, of a done one false") {
  auto pending = coil::get_running_loop().create_future<int>();
  auto done = coil::get_running_loop().create_future<int>();
  done.set_result(1);
  CHECK(pending.cancel());
  CHECK(pending.done());
  CHECK(pending.cancelled());
  CHECK(!pending.cancel());
  CHECK(!done.cancel());
  CHECK(!done.cancelled());
  CHECK(done.result() == 1);
  co_await coil::yield();
}

LOOP_TEST("future: once cancelled result(), exception() and every await throw CancelledError with the message") {
  auto future = coil::get_running_loop().create_future<int>();
  future.cancel("not needed");
  CHECK_THROWS_AS(future.result(), coil::CancelledError);
  CHECK_THROWS_AS(future.exception(), coil::CancelledError);
  std::string message;
  try {
    co_await future;
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(message == "not needed");
}

LOOP_TEST("future: cancelling it throws CancelledError in each task that waits for it") {
  auto future = coil::get_running_loop().create_future<int>();
  auto wait = [&]() -> coil::Coro<int> {
    const int value = co_await future;
    co_return value;
  };
  auto a = coil::create_task(wait());
  auto b = coil::create_task(wait());
  co_await coil::yield();
  future.cancel();
  CHECK_AWAIT_THROWS(a, coil::CancelledError);
  CHECK_AWAIT_THROWS(b, coil::CancelledError);
  CHECK(a.cancelled());
  CHECK(b.cancelled());
}

LOOP_TEST("future: the handle is copyable and every copy is the same future") {
  auto future = coil::get_running_loop().create_future<int>();
  coil::Future<int> copy = future;
  copy.set_result(8);
  CHECK(future.done());
  const int value = co_await future;
  CHECK(value == 8);
}

LOOP_TEST("future: lives on while only its waiter knows it") {
  auto& loop = coil::get_running_loop();
  auto wait = [](coil::Future<int> mine) -> coil::Coro<int> {
    const int value = co_await mine;
    co_return value;
  };
  coil::Task<int> waiter;
  {
    auto future = loop.create_future<int>();
    loop.call_later(1s, [future]() mutable { future.set_result(4); });
    waiter = coil::create_task(wait(future));
  }
  const int value = co_await waiter;
  CHECK(value == 4);
}

LOOP_TEST("future: a move-only result goes to the first await, later ones throw InvalidStateError") {
  auto future = coil::get_running_loop().create_future<std::unique_ptr<int>>();
  future.set_result(std::make_unique<int>(6));
  CHECK(*future.result() == 6);
  std::unique_ptr<int> taken = co_await future;
  CHECK(*taken == 6);
  CHECK_AWAIT_THROWS(future, coil::InvalidStateError);
}

LOOP_TEST("future: done callbacks never run inside set_result, but in order in a later turn") {
  auto future = coil::get_running_loop().create_future<int>();
  std::string log;
  future.add_done_callback([&] { log += "first;"; });
  future.add_done_callback([&](coil::Future<int> done) { log += "second " + std::to_string(done.result()) + ";"; });
  future.set_result(1);
  CHECK(log == "");
  co_await coil::yield();
  CHECK(log == "first;second 1;");
}

LOOP_TEST("future: a done callback added when it is done runs as well, in a later turn") {
  auto future = coil::get_running_loop().create_future<int>();
  future.set_result(1);
  bool called = false;
  future.add_done_callback([&] { called = true; });
  CHECK(!called);
  co_await coil::yield();
  CHECK(called);
}

LOOP_TEST("future: done callbacks run after a cancel, too") {
  auto future = coil::get_running_loop().create_future<int>();
  bool cancelled = false;
  future.add_done_callback([&](coil::Future<int> done) { cancelled = done.cancelled(); });
  future.cancel();
  co_await coil::yield();
  CHECK(cancelled);
}

LOOP_TEST("future: cancelling a task that waits for it cancels it, and so reaches its other waiters") {
  auto future = coil::get_running_loop().create_future<int>();
  auto wait = [&]() -> coil::Coro<int> {
    const int value = co_await future;
    co_return value;
  };
  auto a = coil::create_task(wait());
  auto b = coil::create_task(wait());
  co_await coil::yield();
  a.cancel("from a");
  CHECK(future.cancelled());
  CHECK_AWAIT_THROWS(a, coil::CancelledError);
  std::string message;
  try {
    co_await b;
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(message == "from a");
}

LOOP_TEST("future: a cancel while the waiter's wake-up is under way throws, and the value stays in the future") {
  auto future = coil::get_running_loop().create_future<int>();
  auto wait = [&]() -> coil::Coro<int> {
    const int value = co_await future;
    co_return value;
  };
  auto waiter = coil::create_task(wait());
  co_await coil::yield();
  future.set_result(11);
  CHECK(waiter.cancel());
  CHECK_AWAIT_THROWS(waiter, coil::CancelledError);
  CHECK(!future.cancelled());
  CHECK(future.result() == 11);
}

LOOP_TEST("future: a move-only result is not lost when its waiter is cancelled while being woken") {
  auto future = coil::get_running_loop().create_future<std::unique_ptr<int>>();
  auto wait = [&]() -> coil::Coro<void> {
    auto taken = co_await future;
    CHECK(false);
  };
  auto waiter = coil::create_task(wait());
  co_await coil::yield();
  future.set_result(std::make_unique<int>(2));
  waiter.cancel();
  CHECK_AWAIT_THROWS(waiter, coil::CancelledError);
  auto taken = co_await future;
  CHECK(*taken == 2);
}

LOOP_TEST("future: an exception that nobody can take any more is reported") {
  {
    auto future = coil::get_running_loop().create_future<int>();
    future.set_exception(std::runtime_error("unheard"));
    CHECK(reports.size() == 0);
  }
  co_await coil::yield();
  const auto report = reports.take();
  CHECK(report.error == "unheard");
  CHECK(report.message.find("never retrieved") != std::string::npos);
}

TEST_CASE("future: one with callbacks that is set after its loop has closed calls nobody") {
  coil::Future<int> future;
  bool called = false;
  auto main = [&]() -> coil::Coro<void> {
    future = coil::get_running_loop().create_future<int>();
    future.add_done_callback([&] { called = true; });
    co_return;
  };
  coil::run(main, coil_test::virtual_time);
  future.set_result(1);
  CHECK(!called);
}

LOOP_TEST("future: is set and cancelled through const handles, and told to callbacks by reference") {
  const auto future = coil::get_running_loop().create_future<int>();
  int got = 0;
  future.add_done_callback([&](auto& done) { got = done.result(); });
  coil::get_running_loop().call_soon([future] { future.set_result(7); });
  co_await future;
  co_await coil::yield();
  CHECK(got == 7);
  const auto handle = coil::get_running_loop().call_soon([&] { got = 0; });
  [handle] { handle.cancel(); }();
  co_await coil::yield();
  CHECK(got == 7);
}

LOOP_TEST("future: one with a callback that is dropped unset lets go of the callback") {
  auto held = std::make_shared<int>(1);
  {
    auto future = coil::get_running_loop().create_future<int>();
    future.add_done_callback([held] {});
    future.add_done_callback([held](coil::Future<int>) {});
    CHECK(held.use_count() == 3);
  }
  CHECK(held.use_count() == 1);
  co_await coil::yield();
}
