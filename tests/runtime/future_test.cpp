#include <coil/future.hpp>

#include "../support/loop_test.hpp"

#include <array>
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
  CHECK_THROWS_WITH_AS(future.result(), "coil: Future::result(): the future is not done yet; co_await it first",
                       coil::InvalidStateError);
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

LOOP_TEST("future: cancelled, and its waiter in the same turn after it: the waiter gets the future's message") {
  auto future = coil::get_running_loop().create_future<int>();
  auto wait = [&]() -> coil::Coro<std::string> {
    try {
      co_await future;
    } catch (const coil::CancelledError& error) {
      co_return std::string(error.message());
    }
    co_return "not cancelled";
  };
  auto waiter = coil::create_task(wait());
  co_await coil::yield();
  future.cancel("future");
  CHECK(waiter.cancel("waiter"));
  const std::string message = co_await waiter;
  CHECK(message == "future");
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

LOOP_TEST("future: a result whose copying throws leaves it pending") {
  struct Fragile {
    Fragile() = default;
    Fragile(const Fragile&) { throw std::runtime_error("cannot be copied"); }
  };
  auto future = coil::get_running_loop().create_future<Fragile>();
  CHECK_THROWS_WITH(future.set_result(Fragile()), "cannot be copied");
  CHECK(!future.done());
  CHECK(future.cancel());
  co_await coil::yield();
}

LOOP_TEST("future: gives references, and large results") {
  int number = 1;
  auto reference = coil::get_running_loop().create_future<int&>();
  reference.set_result(number);
  int& got = co_await reference;
  CHECK(&got == &number);
  CHECK(&reference.result() == &number);
  auto large = coil::get_running_loop().create_future<std::array<int, 100>>();
  std::array<int, 100> numbers{};
  numbers[99] = 5;
  large.set_result(numbers);
  const auto copy = co_await large;
  CHECK(copy[99] == 5);
}

LOOP_TEST("future: a null exception_ptr is std::invalid_argument, and leaves it pending") {
  auto future = coil::get_running_loop().create_future<int>();
  CHECK_THROWS_AS(future.set_exception(std::exception_ptr()), std::invalid_argument);
  CHECK(!future.done());
  co_await coil::yield();
}

LOOP_TEST("future: calls on an empty handle are a logic_error that names them; done, cancelled and cancel are false") {
  const coil::Future<int> empty;
  CHECK(!empty.done());
  CHECK(!empty.cancelled());
  CHECK(!empty.cancel());
  const auto text_of = [](auto call) {
    try {
      call();
    } catch (const std::logic_error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string rest = "() of an empty Task or Future; make one with create_task() or create_future()";
  CHECK(text_of([&] { empty.result(); }) == "coil: result" + rest);
  CHECK(text_of([&] { static_cast<void>(empty.exception()); }) == "coil: exception" + rest);
  CHECK(text_of([&] { empty.set_result(1); }) == "coil: set_result" + rest);
  CHECK(text_of([&] { empty.set_exception(std::runtime_error("x")); }) == "coil: set_exception" + rest);
  CHECK(text_of([&] { empty.add_done_callback([] {}); }) == "coil: add_done_callback" + rest);
  CHECK_AWAIT_THROWS(empty, std::logic_error);
}

LOOP_TEST("future: an exception that is a CancelledError cancels the waiter, not the future") {
  auto future = coil::get_running_loop().create_future<int>();
  future.set_exception(coil::CancelledError("own"));
  CHECK(!future.cancelled());
  CHECK(future.exception() != nullptr);
  auto wait = [&]() -> coil::Coro<int> {
    const int value = co_await future;
    co_return value;
  };
  auto waiter = coil::create_task(wait());
  CHECK_AWAIT_THROWS(waiter, coil::CancelledError);
  CHECK(waiter.cancelled());
  CHECK(waiter.cancelling() == 0);
}
