#include <coil/error.hpp>

#include "../support/loop_test.hpp"

#include <type_traits>

using namespace std::chrono_literals;

TEST_CASE("error: CancelledError and KeyboardInterrupt are no std::exception, so everyday handlers let them pass") {
  static_assert(!std::is_base_of_v<std::exception, coil::CancelledError>);
  static_assert(!std::is_base_of_v<std::exception, coil::KeyboardInterrupt>);
  bool passed = false;
  try {
    try {
      throw coil::CancelledError();
    } catch (const std::exception&) {
    }
  } catch (const coil::CancelledError&) {
    passed = true;
  }
  CHECK(passed);
}

TEST_CASE("error: TimeoutError is a std::runtime_error, InvalidStateError a std::logic_error") {
  static_assert(std::is_base_of_v<std::runtime_error, coil::TimeoutError>);
  static_assert(std::is_base_of_v<std::logic_error, coil::InvalidStateError>);
  static_assert(!std::is_base_of_v<coil::CancelledError, coil::TimeoutError>);
}

TEST_CASE("error: a CancelledError carries a message, empty by default") {
  CHECK(coil::CancelledError().message() == "");
  CHECK(coil::CancelledError("shutting down").message() == "shutting down");
}

LOOP_TEST("error: catch (const std::exception&) around an await does not swallow a cancellation") {
  std::string log;
  auto worker = [&]() -> coil::Coro<void> {
    try {
      co_await coil::sleep(1h);
    } catch (const std::exception&) {
      log += "swallowed";
    }
    log += "went on";
  };
  auto task = coil::create_task(worker());
  co_await coil::yield();
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "");
}

LOOP_TEST("error: a TimeoutError and an InvalidStateError say what happened") {
  std::string text;
  try {
    co_await coil::wait_for(coil::sleep(1h), 1s);
  } catch (const coil::TimeoutError& error) {
    text = error.what();
  }
  CHECK(!text.empty());
  auto pending = coil::get_running_loop().create_future<int>();
  try {
    pending.result();
  } catch (const coil::InvalidStateError& error) {
    text = error.what();
  }
  CHECK(!text.empty());
}
