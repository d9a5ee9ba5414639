// Tasks that await each other in a ring would wait for ever; a request to cancel that comes back to where it has been
// takes one of them out.
#include <coil/task.hpp>

#include "../support/loop_test.hpp"

#include <string>
#include <vector>

using namespace std::chrono_literals;

LOOP_TEST("cancel: ends tasks that await each other in a ring, from inside the ring and from outside") {
  for (const bool outside : {false, true}) {
    CAPTURE(outside);
    std::vector<coil::Task<void>> ring(5);
    auto await_next = [&](std::size_t index) -> coil::Coro<void> { co_await ring[(index + 1) % ring.size()]; };
    for (std::size_t i = 0; i < ring.size(); ++i) ring[i] = coil::create_task(await_next(i));
    auto onlooker = coil::create_task(await_next(2));
    co_await coil::yield();
    co_await coil::yield();
    CHECK((outside ? onlooker : ring[3]).cancel("deadlock"));
    for (const auto& task : ring) CHECK_AWAIT_THROWS(task, coil::CancelledError);
    CHECK_AWAIT_THROWS(onlooker, coil::CancelledError);
  }
}

LOOP_TEST("cancel: counts once in each task of a ring, and with the message") {
  for (std::size_t size = 2; size <= 9; ++size) {
    for (std::size_t tail = 0; tail <= 3; ++tail) {
      CAPTURE(size);
      CAPTURE(tail);
      std::vector<coil::Task<void>> ring(size);
      std::vector<coil::Task<void>> onlookers(tail);
      std::vector<std::string> messages;
      auto await_it = [&](const coil::Task<void>& next) -> coil::Coro<void> {
        try {
          co_await next;
        } catch (const coil::CancelledError& error) {
          messages.push_back(error.message());
          throw;
        }
      };
      for (std::size_t i = 0; i < size; ++i) ring[i] = coil::create_task(await_it(ring[(i + 1) % size]));
      for (std::size_t i = 0; i < tail; ++i)
        onlookers[i] = coil::create_task(await_it(i + 1 < tail ? onlookers[i + 1] : ring[1]));
      co_await coil::yield();
      co_await coil::yield();
      CHECK((tail == 0 ? ring[0] : onlookers[0]).cancel("deadlock"));
      for (const auto& task : ring) CHECK_AWAIT_THROWS(task, coil::CancelledError);
      for (const auto& task : onlookers) CHECK_AWAIT_THROWS(task, coil::CancelledError);
      for (const auto& task : ring) CHECK(task.cancelling() == 1);
      for (const auto& task : onlookers) CHECK(task.cancelling() == 1);
      CHECK(messages == std::vector<std::string>(size + tail, "deadlock"));
    }
  }
}

LOOP_TEST("cancel: a second request in a ring whose cleanup waits counts a second time") {
  std::vector<coil::Task<void>> ring(2);
  auto await_next = [&](std::size_t index) -> coil::Coro<void> {
    auto outcome = co_await coil::as_result(ring[1 - index]);
    co_await coil::sleep(1s);
    outcome.value();
  };
  for (std::size_t i = 0; i < ring.size(); ++i) ring[i] = coil::create_task(await_next(i));
  co_await coil::yield();
  CHECK(ring[0].cancel());
  CHECK(ring[0].cancelling() == 1);
  CHECK(ring[0].cancel());
  CHECK(ring[0].cancelling() == 2);
  for (const auto& task : ring) CHECK_AWAIT_THROWS(task, coil::CancelledError);
}

LOOP_TEST("cancel: ends a ring that goes through a gather") {
  coil::Task<void> gathering;
  auto await_it = [&]() -> coil::Coro<void> { co_await gathering; };
  auto gather_them = [&]() -> coil::Coro<void> { co_await coil::gather(await_it(), coil::sleep(1h)); };
  gathering = coil::create_task(gather_them());
  co_await coil::yield();
  co_await coil::yield();
  CHECK(gathering.cancel("deadlock"));
  std::string message;
  try {
    co_await gathering;
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(message == "deadlock");
  CHECK(gathering.cancelling() == 1);
  CHECK(coil_test::elapsed() == 0s);
}

LOOP_TEST("cancel: ends tasks that gather each other") {
  for (const bool collect : {false, true}) {
    CAPTURE(collect);
    std::vector<coil::Task<void>> ring(3);
    auto gather_next = [&](std::size_t index) -> coil::Coro<void> {
      const coil::Task<void>& next = ring[(index + 1) % ring.size()];
      if (collect)
        co_await coil::gather(coil::return_exceptions, next, next, coil::sleep(1h));
      else
        co_await coil::gather(next, next, coil::sleep(1h));
    };
    for (std::size_t i = 0; i < ring.size(); ++i) ring[i] = coil::create_task(gather_next(i));
    co_await coil::yield();
    co_await coil::yield();
    CHECK(ring[1].cancel());
    for (const auto& task : ring) CHECK_AWAIT_THROWS(task, coil::CancelledError);
    CHECK(ring[1].cancelling() == 1);
    CHECK(coil_test::elapsed() == 0s);
  }
}

LOOP_TEST("cancel: in a ring, a gather waits for its own coroutines all the same") {
  std::string log;
  coil::Task<void> gathering;
  coil::TaskRef child;
  auto await_it = [&]() -> coil::Coro<void> {
    child = coil::current_task();
    auto outcome = co_await coil::as_result(gathering);
    co_await coil::sleep(1s);
    log += "child ends;";
    outcome.value();
  };
  auto gather_it = [&]() -> coil::Coro<void> {
    auto outcome = co_await coil::as_result(coil::gather(await_it()));
    log += "gather ends;";
    outcome.value();
  };
  gathering = coil::create_task(gather_it());
  co_await coil::yield();
  co_await coil::yield();
  CHECK(child.cancel());
  CHECK(gathering.cancel());
  CHECK_AWAIT_THROWS(gathering, coil::CancelledError);
  CHECK(log == "child ends;gather ends;");
}
