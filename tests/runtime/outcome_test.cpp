#include <coil/outcome.hpp>

#include "../support/loop_test.hpp"

#include <memory>
#include <type_traits>

using namespace std::chrono_literals;

LOOP_TEST("outcome: of a value has the value and no exception") {
  auto outcome = co_await coil::as_result(coil_test::value_after(1s, 5));
  static_assert(std::is_same_v<decltype(outcome), coil::Outcome<int>>);
  CHECK(outcome.has_value());
  CHECK(outcome.value() == 5);
  CHECK(outcome.exception() == nullptr);
  CHECK(!outcome.cancelled());
}

LOOP_TEST("outcome: of an exception keeps it, and value() rethrows it each time") {
  auto outcome = co_await coil::as_result(coil_test::fail_after(1s, "broken"));
  CHECK(!outcome.has_value());
  CHECK(!outcome.cancelled());
  CHECK(coil_test::text_of(outcome.exception()) == "broken");
  CHECK_THROWS_AS(outcome.value(), std::runtime_error);
  CHECK_THROWS_WITH(outcome.value(), "broken");
}

LOOP_TEST("outcome: of a cancellation is cancelled, has no value, and value() throws CancelledError with the message") {
  auto task = coil::create_task(coil_test::value_after(1h, 5));
  co_await coil::yield();
  task.cancel("enough");
  auto outcome = co_await coil::as_result(task);
  CHECK(outcome.cancelled());
  CHECK(!outcome.has_value());
  std::string message;
  try {
    outcome.value();
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(message == "enough");
}

LOOP_TEST("outcome: of void says whether it succeeded, and value() rethrows") {
  auto fail = [&]() -> coil::Coro<void> {
    co_await coil::yield();
    throw std::runtime_error("void of success");
  };
  auto good = co_await coil::as_result(coil::sleep(1s));
  static_assert(std::is_same_v<decltype(good), coil::Outcome<void>>);
  CHECK(good.has_value());
  CHECK_NOTHROW(good.value());
  CHECK(good.exception() == nullptr);
  CHECK(!good.cancelled());
  auto bad = co_await coil::as_result(fail());
  CHECK(!bad.has_value());
  CHECK_THROWS_WITH(bad.value(), "void of success");
}

LOOP_TEST("outcome: holds a move-only value, which can be moved out") {
  auto make = [&]() -> coil::Coro<std::unique_ptr<int>> {
    co_await coil::yield();
    co_return std::make_unique<int>(3);
  };
  auto outcome = co_await coil::as_result(make());
  REQUIRE(outcome.has_value());
  CHECK(*outcome.value() == 3);
  auto other = std::move(outcome);
  std::unique_ptr<int> taken = std::move(other).value();
  CHECK(*taken == 3);
}

LOOP_TEST("outcome: holds a type without a default constructor") {
  struct Port {
    explicit Port(int number) : number_(number) {}
    int number_;
  };
  auto make = [&]() -> coil::Coro<Port> {
    co_await coil::yield();
    co_return Port(80);
  };
  auto fail = [&]() -> coil::Coro<Port> {
    co_await coil::yield();
    throw std::runtime_error("no port");
  };
  auto good = co_await coil::as_result(make());
  auto bad = co_await coil::as_result(fail());
  CHECK(good.value().number_ == 80);
  CHECK(!bad.has_value());
}

LOOP_TEST("outcome: can be copied where its value can") {
  auto first = co_await coil::as_result(coil_test::value_after(0s, 5));
  coil::Outcome<int> second = first;
  second.value() = 6;
  CHECK(first.value() == 5);
  CHECK(second.value() == 6);
}

LOOP_TEST("outcome: of a coroutine that throws something that is no std::exception keeps that") {
  auto fail = [&]() -> coil::Coro<int> {
    co_await coil::yield();
    throw 42;
  };
  auto outcome = co_await coil::as_result(fail());
  CHECK(!outcome.has_value());
  CHECK(outcome.exception() != nullptr);
  CHECK_THROWS_AS(outcome.value(), int);
}
