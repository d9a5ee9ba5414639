// A task group that is cancelled, from outside or by its own cancel().
#include <coil/task_group.hpp>

#include "../support/loop_test.hpp"

#include <string>

using namespace std::chrono_literals;
using coil_test::elapsed;
using coil_test::fail_after;
using coil_test::park;
using coil_test::park_and_clean;
using coil_test::value_after;

LOOP_TEST("task_group: cancelled from outside it cancels its tasks, waits for them, and throws CancelledError") {
  std::string log;
  std::string message;
  auto work = [&]() -> coil::Coro<void> {
    auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
      group.create_task(park_and_clean(log, "a", 1s));
      group.create_task(park(log, "b"));
      co_await park(log, "body");
    };
    try {
      co_await coil::task_group(body);
    } catch (const coil::CancelledError& error) {
      message = error.message();
      throw;
    }
  };
  auto task = coil::create_task(work());
  co_await coil::sleep(1s);
  task.cancel("outside");
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "body cancelled;a cancelled;b cancelled;a cleaned;");
  CHECK(message == "outside");
  CHECK(task.cancelling() == 1);
  CHECK(elapsed() == 2s);
}

LOOP_TEST("task_group: cancelled while it only waits for its tasks, it does the same") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
      group.create_task(park_and_clean(log, "a", 1s));
      co_return;
    };
    co_await coil::task_group(body);
  };
  auto task = coil::create_task(work());
  co_await coil::sleep(1s);
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "a cancelled;a cleaned;");
  CHECK(elapsed() == 2s);
}

LOOP_TEST("task_group: cancelled from outside twice, each task is cancelled once") {
  int deliveries = 0;
  auto stubborn = [&]() -> coil::Coro<void> {
    for (int i = 0; i < 3; ++i) {
      try {
        co_await coil::sleep(1min);
      } catch (const coil::CancelledError&) {
        ++deliveries;
      }
    }
  };
  auto work = [&]() -> coil::Coro<void> {
    auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
      group.create_task(stubborn());
      co_return;
    };
    co_await coil::task_group(body);
  };
  auto task = coil::create_task(work());
  co_await coil::sleep(1s);
  task.cancel();
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(deliveries == 1);
}

LOOP_TEST(
    "task_group: failures during a cancellation from outside win, and the cancellation is delivered again after them") {
  std::string log;
  auto fail_in_cleanup = [&]() -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(0);
    throw std::runtime_error("cleanup");
  };
  auto work = [&]() -> coil::Coro<void> {
    auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
      group.create_task(fail_in_cleanup());
      co_await coil::sleep(1h);
    };
    try {
      co_await coil::task_group(body);
    } catch (const coil::ExceptionGroup& group) {
      log += coil_test::text_of(group.exceptions().front()) + ";";
    }
    try {
      co_await coil::sleep(1h);
    } catch (const coil::CancelledError&) {
      log += "delivered again;";
      throw;
    }
  };
  auto task = coil::create_task(work());
  co_await coil::sleep(1s);
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "cleanup;delivered again;");
  CHECK(task.cancelling() == 1);
  CHECK(elapsed() == 1s);
}

LOOP_TEST(
    "task_group: a failure and then a cancellation from outside: the failure is thrown, the cancellation delivered "
    "after it") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
      group.create_task(park_and_clean(log, "slow", 1min));
      group.create_task(fail_after(1s, "x"));
      co_return;
    };
    try {
      co_await coil::task_group(body);
    } catch (const coil::ExceptionGroup&) {
      log += "group;";
    }
    co_await coil::sleep(1h);
    log += "never;";
  };
  auto task = coil::create_task(work());
  co_await coil::sleep(2s);
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log.find("group;") != std::string::npos);
  CHECK(log.find("never;") == std::string::npos);
}

LOOP_TEST("task_group: nested, a cancellation from outside reaches the tasks of both") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    auto inner = [&](coil::TaskGroup& group) -> coil::Coro<void> {
      group.create_task(park(log, "inner"));
      co_await coil::sleep(1h);
    };
    auto outer = [&](coil::TaskGroup& group) -> coil::Coro<void> {
      group.create_task(park(log, "outer"));
      co_await coil::task_group(inner);
    };
    co_await coil::task_group(outer);
  };
  auto task = coil::create_task(work());
  co_await coil::sleep(1s);
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "inner cancelled;outer cancelled;");
}

LOOP_TEST("task_group: cancelled before its first step it runs nothing") {
  bool ran = false;
  auto body = [&](coil::TaskGroup&) -> coil::Coro<void> {
    ran = true;
    co_return;
  };
  auto task = coil::create_task(coil::task_group(body));
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(!ran);
}

LOOP_TEST("task_group: cancel() ends the group early: tasks and body are cancelled, and nothing is thrown") {
  std::string log;
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(park_and_clean(log, "a", 1s));
    coil::get_running_loop().call_later(1s, [&] { group.cancel(); });
    co_await park(log, "body");
    log += "never;";
  };
  co_await coil::task_group(body);
  CHECK(log.find("a cancelled;") != std::string::npos);
  CHECK(log.find("a cleaned;") != std::string::npos);
  CHECK(log.find("body cancelled;") != std::string::npos);
  CHECK(log.find("never;") == std::string::npos);
  CHECK(coil::current_task().cancelling() == 0);
  CHECK(elapsed() == 2s);
}

LOOP_TEST("task_group: cancel() from the body itself takes effect at its next suspension, or when it returns") {
  std::string log;
  auto suspends = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(park(log, "a"));
    co_await coil::yield();
    group.cancel();
    log += "goes on;";
    co_await coil::sleep(1h);
    log += "never;";
  };
  auto returns = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(park(log, "b"));
    co_await coil::yield();
    group.cancel();
  };
  co_await coil::task_group(suspends);
  CHECK(log == "goes on;a cancelled;");
  co_await coil::task_group(returns);
  CHECK(log == "goes on;a cancelled;b cancelled;");
  CHECK(coil::current_task().cancelling() == 0);
  co_await coil::sleep(1s);
  CHECK(elapsed() == 1s);
}

LOOP_TEST("task_group: cancel() again does nothing more") {
  int deliveries = 0;
  auto stubborn = [&]() -> coil::Coro<void> {
    for (int i = 0; i < 3; ++i) {
      try {
        co_await coil::sleep(1min);
      } catch (const coil::CancelledError&) {
        ++deliveries;
      }
    }
  };
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(stubborn());
    co_await coil::yield();
    group.cancel();
    group.cancel();
    coil::get_running_loop().call_later(1s, [&] { group.cancel(); });
  };
  co_await coil::task_group(body);
  CHECK(deliveries == 1);
}

LOOP_TEST("task_group: cancel() of a group with a result that had none yet throws CancelledError") {
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<int> {
    coil::get_running_loop().call_later(1s, [&] { group.cancel(); });
    co_await coil::sleep(1h);
    co_return 5;
  };
  CHECK_AWAIT_THROWS(coil::task_group(body), coil::CancelledError);
  CHECK(coil::current_task().cancelling() == 0);
}

LOOP_TEST("task_group: cancel() after the body returned its result keeps the result") {
  std::string log;
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<int> {
    group.create_task(park(log, "a"));
    coil::get_running_loop().call_later(1s, [&] { group.cancel(); });
    co_return 5;
  };
  const int value = co_await coil::task_group(body);
  CHECK(value == 5);
  CHECK(log == "a cancelled;");
}

LOOP_TEST("task_group: after cancel() a failure in cleanup is thrown all the same") {
  auto fail_in_cleanup = [&]() -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(0);
    throw std::runtime_error("cleanup");
  };
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail_in_cleanup());
    co_await coil::yield();
    group.cancel();
  };
  CHECK_AWAIT_THROWS(coil::task_group(body), coil::ExceptionGroup);
}

LOOP_TEST("task_group: after cancel() create_task is a logic_error") {
  bool refused = false;
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.cancel();
    try {
      group.create_task(value_after(1s, 0));
    } catch (const std::logic_error&) {
      refused = true;
    }
    co_return;
  };
  co_await coil::task_group(body);
  CHECK(refused);
}

LOOP_TEST("task_group: cancel() by one of its tasks ends the others") {
  std::string log;
  auto first_to_finish = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    co_await coil::sleep(1s);
    log += "found;";
    group.cancel();
  };
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(park(log, "a"));
    group.create_task(first_to_finish(group));
    co_return;
  };
  co_await coil::task_group(body);
  CHECK(log == "found;a cancelled;");
}

LOOP_TEST("task_group: cancel() and a cancellation from outside: CancelledError, for the outside one was not ours") {
  auto work = [&]() -> coil::Coro<void> {
    auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
      coil::get_running_loop().call_later(1s, [&] { group.cancel(); });
      co_await coil::sleep(1h);
    };
    co_await coil::task_group(body);
  };
  coil::Task<void> task;
  coil::get_running_loop().call_later(1s, [&] { task.cancel("outside"); });
  task = coil::create_task(work());
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(task.cancelling() == 1);
}

LOOP_TEST("task_group: inside the cleanup of a cancelled task cancel() ends it without CancelledError as well") {
  std::string log;
  auto cleanup = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    coil::get_running_loop().call_later(1s, [&] { group.cancel(); });
    co_await coil::sleep(1h);
  };
  auto work = [&]() -> coil::Coro<void> {
    auto outcome = co_await coil::as_result(coil::sleep(1h));
    co_await coil::task_group(cleanup);
    log += "cleaned";
    outcome.value();
  };
  auto task = coil::create_task(work());
  co_await coil::yield();
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "cleaned");
  CHECK(task.cancelling() == 1);
}

LOOP_TEST("task_group: inside the cleanup of a cancelled task a failure does not deliver the old cancellation again") {
  std::string log;
  auto cleanup = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail_after(1s, "x"));
    co_return;
  };
  auto work = [&]() -> coil::Coro<void> {
    auto outcome = co_await coil::as_result(coil::sleep(1h));
    CHECK_AWAIT_THROWS(coil::task_group(cleanup), coil::ExceptionGroup);
    co_await coil::sleep(1s);
    log += "cleaned";
    outcome.value();
  };
  auto task = coil::create_task(work());
  co_await coil::yield();
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "cleaned");
}
