#include <coil/scope.hpp>

#include "../support/loop_test.hpp"

#include <memory>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using coil_test::elapsed;
using coil_test::park;

LOOP_TEST("try_finally: runs the cleanup after the body and gives what the body returned") {
  std::string log;
  auto body = [&]() -> coil::Coro<int> {
    co_await coil::sleep(1s);
    log += "body;";
    co_return 5;
  };
  auto cleanup = [&]() -> coil::Coro<void> {
    co_await coil::sleep(1s);
    log += "cleanup;";
  };
  const int value = co_await coil::try_finally(body, cleanup);
  CHECK(value == 5);
  CHECK(log == "body;cleanup;");
  CHECK(elapsed() == 2s);
}

LOOP_TEST("try_finally: body and cleanup may be lambdas in the call") {
  std::string log;
  co_await coil::try_finally(
      [&]() -> coil::Coro<void> {
        co_await coil::sleep(1s);
        log += "body;";
      },
      [&]() -> coil::Coro<void> {
        co_await coil::sleep(1s);
        log += "cleanup;";
      });
  CHECK(log == "body;cleanup;");
}

LOOP_TEST("try_finally: a move-only result of the body comes through") {
  auto body = [&]() -> coil::Coro<std::unique_ptr<int>> { co_return std::make_unique<int>(5); };
  auto cleanup = [&]() -> coil::Coro<void> { co_await coil::sleep(1s); };
  auto result = co_await coil::try_finally(body, cleanup);
  CHECK(*result == 5);
}

LOOP_TEST("try_finally: runs the cleanup when the body throws, then throws that") {
  std::string log;
  auto body = [&]() -> coil::Coro<void> { co_await coil_test::fail_after(1s, "from the body"); };
  auto cleanup = [&]() -> coil::Coro<void> {
    co_await coil::sleep(1s);
    log += "cleanup;";
  };
  CHECK_AWAIT_FAILS_WITH(coil::try_finally(body, cleanup), "from the body");
  CHECK(log == "cleanup;");
}

LOOP_TEST(
    "try_finally: runs the cleanup when the body is cancelled; it may wait, and the cancellation goes on after it") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    auto body = [&]() -> coil::Coro<void> { co_await park(log, "body"); };
    auto cleanup = [&]() -> coil::Coro<void> {
      co_await coil::sleep(1min);
      log += "cleanup;";
    };
    co_await coil::try_finally(body, cleanup);
    log += "never;";
  };
  auto task = coil::create_task(work());
  co_await coil::sleep(1s);
  task.cancel("stop");
  std::string message;
  try {
    co_await task;
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(log == "body cancelled;cleanup;");
  CHECK(message == "stop");
  CHECK(elapsed() == 1min + 1s);
}

LOOP_TEST("try_finally: a further cancel is delivered inside the cleanup, which does not run again") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    auto body = [&]() -> coil::Coro<void> { co_await park(log, "body"); };
    auto cleanup = [&]() -> coil::Coro<void> {
      log += "cleanup;";
      co_await park(log, "cleanup");
    };
    co_await coil::try_finally(body, cleanup);
  };
  auto task = coil::create_task(work());
  co_await coil::sleep(1s);
  task.cancel();
  co_await coil::sleep(1s);
  CHECK(log == "body cancelled;cleanup;");
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "body cancelled;cleanup;cleanup cancelled;");
  CHECK(task.cancelling() == 2);
}

LOOP_TEST("try_finally: a cancel that comes while the cleanup of a good body runs is delivered there") {
  std::string log;
  auto work = [&]() -> coil::Coro<int> {
    auto body = [&]() -> coil::Coro<int> { co_return 5; };
    auto cleanup = [&]() -> coil::Coro<void> { co_await park(log, "cleanup"); };
    const int value = co_await coil::try_finally(body, cleanup);
    co_return value;
  };
  auto task = coil::create_task(work());
  co_await coil::sleep(1s);
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "cleanup cancelled;");
}

LOOP_TEST("try_finally: an exception of the cleanup is thrown when the body was fine") {
  auto body = [&]() -> coil::Coro<int> { co_return 5; };
  auto cleanup = [&]() -> coil::Coro<void> { co_await coil_test::fail_after(1s, "from the cleanup"); };
  CHECK_AWAIT_FAILS_WITH(coil::try_finally(body, cleanup), "from the cleanup");
}

LOOP_TEST("try_finally: an exception of the cleanup replaces the body's, which goes to the exception handler") {
  auto body = [&]() -> coil::Coro<void> { co_await coil_test::fail_after(1s, "from the body"); };
  auto cleanup = [&]() -> coil::Coro<void> { co_await coil_test::fail_after(1s, "from the cleanup"); };
  CHECK_AWAIT_FAILS_WITH(coil::try_finally(body, cleanup), "from the cleanup");
  CHECK(reports.take().error == "from the body");
}

LOOP_TEST("try_finally: in a task that is cancelled before its first step neither body nor cleanup runs") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    auto body = [&]() -> coil::Coro<void> {
      log += "body;";
      co_return;
    };
    auto cleanup = [&]() -> coil::Coro<void> {
      log += "cleanup;";
      co_return;
    };
    co_await coil::try_finally(body, cleanup);
  };
  auto task = coil::create_task(work());
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "");
}

LOOP_TEST("try_finally: nested, the inner cleanup runs first") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    auto innermost = [&]() -> coil::Coro<void> { co_await coil::sleep(1h); };
    auto inner_cleanup = [&]() -> coil::Coro<void> {
      co_await coil::sleep(1s);
      log += "inner;";
    };
    auto outer_cleanup = [&]() -> coil::Coro<void> {
      co_await coil::sleep(1s);
      log += "outer;";
    };
    auto inner = [&]() -> coil::Coro<void> { co_await coil::try_finally(innermost, inner_cleanup); };
    co_await coil::try_finally(inner, outer_cleanup);
  };
  auto task = coil::create_task(work());
  co_await coil::yield();
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "inner;outer;");
}

LOOP_TEST("try_finally: under a timeout the cleanup runs to its end before TimeoutError") {
  std::string log;
  auto body = [&]() -> coil::Coro<void> { co_await coil::sleep(1h); };
  auto cleanup = [&]() -> coil::Coro<void> {
    co_await coil::sleep(1min);
    log += "cleanup;";
  };
  CHECK_AWAIT_THROWS(coil::wait_for(coil::try_finally(body, cleanup), 1s), coil::TimeoutError);
  CHECK(log == "cleanup;");
  CHECK(elapsed() == 1min + 1s);
}

LOOP_TEST("try_finally: dropped before it was awaited runs neither body nor cleanup") {
  std::string log;
  auto body = [&]() -> coil::Coro<void> {
    log += "body;";
    co_return;
  };
  auto cleanup = [&]() -> coil::Coro<void> {
    log += "cleanup;";
    co_return;
  };
  {
    auto never = coil::try_finally(body, cleanup);
  }
  co_await coil::sleep(1s);
  CHECK(log == "");
}

LOOP_TEST("try_finally, with: a body that throws before it gives a coroutine is cleaned up after as well") {
  std::string log;
  auto body = [&]() -> coil::Task<void> { throw std::runtime_error("at once"); };
  auto cleanup = [&]() -> coil::Coro<void> {
    log += "cleaned;";
    co_return;
  };
  CHECK_AWAIT_FAILS_WITH(coil::try_finally(body, cleanup), "at once");
  CHECK(log == "cleaned;");
  struct Resource {
    std::string* log;
    coil::Coro<void> close() {
      *log += "closed;";
      co_return;
    }
  };
  Resource resource{&log};
  auto use = [](Resource&) -> coil::Task<void> { throw std::runtime_error("at once"); };
  CHECK_AWAIT_FAILS_WITH(coil::with(resource, use), "at once");
  CHECK(log == "cleaned;closed;");
}
