// Cancelling the await of a function in a thread: before it begins, while it runs, and when it has ended.
#include <coil/thread_pool.hpp>
#include <coil/to_thread.hpp>

#include "../support/loop_test.hpp"

#include <atomic>
#include <latch>
#include <stop_token>
#include <thread>

using namespace std::chrono_literals;

namespace {

/// Turns the loop until `flag` is set by another thread.
coil::Coro<void> until(const std::atomic<bool>& flag) {
  while (!flag) co_await coil::yield();
}

/// Blocks until it is asked to stop.
void wait_for_stop(const std::stop_token& token) {
  std::latch stopped(1);
  const std::stop_callback on_stop(token, [&] { stopped.count_down(); });
  stopped.wait();
}

/// A pool of one thread, and a function that keeps it busy until it is told to end.
struct Occupied {
  coil::ThreadPool pool{1};
  std::atomic<bool> began{false};
  std::latch go{1};
  coil::Task<void> task = coil::create_task(pool.run([this] {
    began = true;
    go.wait();
  }));
};

}  // namespace

LOOP_TEST("to_thread: cancelled, the await of a function without a stop token ends at once and the function goes on") {
  std::latch go(1);
  std::atomic<bool> began{false};
  std::atomic<bool> finished{false};
  auto task = coil::create_task(coil::to_thread([&] {
    began = true;
    go.wait();
    finished = true;
  }));
  co_await until(began);
  task.cancel("enough");
  const auto outcome = co_await coil::as_result(task);
  CHECK(outcome.cancelled());
  CHECK(!finished);
  go.count_down();
  co_await until(finished);
}

LOOP_TEST("to_thread: cancelled, a function that takes a stop token is asked to stop and waited for") {
  std::atomic<bool> began{false};
  std::atomic<bool> finished{false};
  auto task = coil::create_task(coil::to_thread([&](const std::stop_token& token) {
    began = true;
    wait_for_stop(token);
    finished = true;
    return 5;
  }));
  co_await until(began);
  task.cancel("enough");
  CHECK(!task.done());
  std::string message;
  try {
    co_await task;
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(finished);
  CHECK(message == "enough");
  CHECK(task.cancelled());
}

LOOP_TEST("to_thread: what a function throws after it was asked to stop is thrown instead of CancelledError") {
  std::atomic<bool> began{false};
  auto task = coil::create_task(coil::to_thread([&](const std::stop_token& token) {
    began = true;
    wait_for_stop(token);
    throw std::runtime_error("cleanup failed");
  }));
  co_await until(began);
  task.cancel();
  CHECK_AWAIT_FAILS_WITH(task, "cleanup failed");
  CHECK(!task.cancelled());
}

LOOP_TEST("to_thread: a function that answers the request to stop with CancelledError was cancelled") {
  std::atomic<bool> began{false};
  auto task = coil::create_task(coil::to_thread([&](const std::stop_token& token) {
    began = true;
    wait_for_stop(token);
    throw coil::CancelledError("from the thread");
  }));
  co_await until(began);
  task.cancel("from the task");
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(task.cancelled());
}

LOOP_TEST(
    "to_thread: a function that had ended when the await was cancelled gives its result, and the next wait throws") {
  for (const bool with_token : {false, true}) {
    coil::ThreadPool pool(1);
    std::atomic<bool> next_began{false};
    int result = 0;
    bool thrown_later = false;
    auto body = [&]() -> coil::Coro<void> {
      if (with_token)
        result = co_await pool.run([](const std::stop_token&) { return 5; });
      else
        result = co_await pool.run([] { return 5; });
      try {
        co_await coil::yield();
      } catch (const coil::CancelledError&) {
        thrown_later = true;
      }
    };
    auto task = coil::create_task(body());
    auto next = coil::create_task(pool.run([&] { next_began = true; }));
    co_await coil::yield();
    while (!next_began) std::this_thread::yield();  // the only thread is through with the first, the loop did not turn
    task.cancel();
    co_await task;
    co_await next;
    CHECK(result == 5);
    CHECK(thrown_later);
  }
}

LOOP_TEST("to_thread: cancelled in the turn in which the result arrives, the result is returned") {
  coil::ThreadPool pool(1);
  std::atomic<bool> next_began{false};
  auto task = coil::create_task(pool.run([] { return 5; }));
  auto next = coil::create_task(pool.run([&] { next_began = true; }));
  co_await coil::yield();
  while (!next_began) std::this_thread::yield();
  while (coil::detail::HandleAccess::state(task)->phase != coil::detail::Phase::ready) co_await coil::yield();
  task.cancel();  // it is ready by now
  const int result = co_await task;
  CHECK(result == 5);
  co_await next;
}

LOOP_TEST("to_thread: a request to cancel that is withdrawn leaves the function's result") {
  std::atomic<bool> began{false};
  auto task = coil::create_task(coil::to_thread([&](const std::stop_token& token) {
    began = true;
    wait_for_stop(token);
    return 5;
  }));
  co_await until(began);
  task.cancel();
  task.uncancel();
  const int result = co_await task;
  CHECK(result == 5);
}

LOOP_TEST("to_thread: cancelled twice while the function is asked to stop, it is one cancellation") {
  std::atomic<bool> began{false};
  std::latch go(1);
  auto body = [&]() -> coil::Coro<std::string> {
    std::string log;
    try {
      co_await coil::to_thread([&](const std::stop_token& token) {
        began = true;
        wait_for_stop(token);
        go.wait();
      });
    } catch (const coil::CancelledError& error) {
      log = error.message();
    }
    co_await coil::yield();  // nothing is left over
    co_return log;
  };
  auto task = coil::create_task(body());
  co_await until(began);
  task.cancel("first");
  co_await coil::yield();
  task.cancel("second");
  CHECK(task.cancelling() == 2);
  go.count_down();
  const std::string log = co_await task;
  CHECK(log == "first");
}

LOOP_TEST("to_thread: cancelled before its first step or before its await, a task never has the function called") {
  std::atomic<bool> ran{false};
  const auto function = [&] { ran = true; };
  auto unstarted = coil::create_task(coil::to_thread(function));
  unstarted.cancel();
  auto body = [&]() -> coil::Coro<void> {
    coil::current_task().cancel();
    co_await coil::to_thread(function);
  };
  auto asked_before = coil::create_task(body());
  CHECK_AWAIT_THROWS(unstarted, coil::CancelledError);
  CHECK_AWAIT_THROWS(asked_before, coil::CancelledError);
  co_await coil::to_thread([] {});
  CHECK(!ran);
}

LOOP_TEST("to_thread: cancelled while it waits for a free thread, a function never runs and is destroyed at once") {
  for (const bool with_token : {false, true}) {
    Occupied occupied;
    co_await until(occupied.began);
    auto owned = std::make_shared<int>(1);
    std::atomic<bool> ran{false};
    coil::Task<void> task;
    if (with_token) {
      const auto function = [&ran, owned](const std::stop_token&) { ran = true; };
      task = coil::create_task(occupied.pool.run(function));
    } else {
      const auto function = [&ran, owned] { ran = true; };
      task = coil::create_task(occupied.pool.run(function));
    }
    auto after = coil::create_task(occupied.pool.run([] { return 1; }));
    co_await coil::yield();
    CHECK(owned.use_count() == 2);
    task.cancel();
    CHECK_AWAIT_THROWS(task, coil::CancelledError);
    CHECK(owned.use_count() == 1);
    occupied.go.count_down();
    co_await after;  // those behind it are still called
    co_await occupied.task;
    CHECK(!ran);
  }
}

LOOP_TEST("to_thread: the result of an abandoned function is destroyed") {
  auto owned = std::make_shared<int>(1);
  std::latch go(1);
  std::atomic<bool> began{false};
  coil::ThreadPool pool(1);
  auto task = coil::create_task(pool.run([&] {
    began = true;
    go.wait();
    return owned;
  }));
  co_await until(began);
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  go.count_down();
  pool.shutdown();
  CHECK(owned.use_count() == 1);
}

LOOP_TEST(
    "to_thread: the exception of an abandoned function goes to the exception handler, a CancelledError does not") {
  unsigned line = 0;
  for (const bool is_cancellation : {true, false}) {
    std::latch go(1);
    std::atomic<bool> began{false};
    coil::ThreadPool pool(1);
    line = __LINE__ + 1;
    auto task = coil::create_task(pool.run([&] {
      began = true;
      go.wait();
      if (is_cancellation) throw coil::CancelledError();
      throw std::runtime_error("nobody waits");
    }));
    co_await until(began);
    task.cancel();
    CHECK_AWAIT_THROWS(task, coil::CancelledError);
    go.count_down();
    pool.shutdown();
    for (int i = 0; i < 3; ++i) co_await coil::yield();
  }
  REQUIRE(reports.size() == 1);
  const auto report = reports.take();
  CHECK(report.error == "nobody waits");
  CHECK(report.message.starts_with("nobody took the exception of a function in another thread: "));
  CHECK(report.message.ends_with("(to_thread_cancel_test.cpp:" + std::to_string(line) + ")"));
  CHECK(report.line == line);
}

TEST_CASE("wait_for: a function that takes a stop token is stopped when the time is up, and waited for") {
  coil_test::LeakCheck leaks;
  std::atomic<bool> began{false};
  std::atomic<bool> finished{false};
  auto main = [&]() -> coil::Coro<void> {
    auto task = coil::create_task(coil::to_thread([&](const std::stop_token& token) {
      began = true;
      wait_for_stop(token);
      finished = true;
    }));
    co_await until(began);
    CHECK_AWAIT_THROWS(coil::wait_for(task, 1ms), coil::TimeoutError);
    CHECK(finished);
  };
  coil::run(main);  // in real time: a virtual clock would wait for the function
}

TEST_CASE("wait_for: a function without a stop token is left when the time is up, and run waits for it") {
  coil_test::LeakCheck leaks;
  std::latch go(1);
  std::atomic<bool> began{false};
  std::atomic<bool> finished{false};
  auto main = [&]() -> coil::Coro<void> {
    auto task = coil::create_task(coil::to_thread([&] {
      began = true;
      go.wait();
      finished = true;
    }));
    co_await until(began);
    CHECK_AWAIT_THROWS(coil::wait_for(task, 1ms), coil::TimeoutError);
    CHECK(!finished);
    go.count_down();
  };
  coil::run(main);
  CHECK(finished);
}

LOOP_TEST("gather: the first failure stops functions in threads, and waits for them") {
  std::atomic<bool> began{false};
  std::atomic<bool> stopped{false};
  const auto work = [&](const std::stop_token& token) {
    began = true;
    wait_for_stop(token);
    stopped = true;
  };
  auto fail = [&]() -> coil::Coro<void> {
    co_await until(began);
    throw std::runtime_error("first");
  };
  CHECK_AWAIT_FAILS_WITH(coil::gather(coil::to_thread(work), fail()), "first");
  CHECK(stopped);
}

LOOP_TEST("to_thread: races between the function's end and cancellation end in its result or in CancelledError") {
  constexpr int rounds = coil_test::sanitized ? 500 : 2000;
  int results = 0;
  int cancellations = 0;
  for (int round = 0; round < rounds; ++round) {
    std::atomic<bool> began{false};
    auto owned = std::make_shared<int>(round);
    auto task = coil::create_task(coil::to_thread([&](const std::stop_token&) {
      began = true;
      return owned;
    }));
    co_await until(began);
    task.cancel();
    const auto outcome = co_await coil::as_result(task);
    results += outcome.has_value();
    cancellations += outcome.cancelled();
  }
  CHECK(results + cancellations == rounds);
}
