// What a task group does when a child or the body fails.
#include <coil/task_group.hpp>

#include "../support/loop_test.hpp"

#include <optional>
#include <string>

using namespace std::chrono_literals;
using coil_test::elapsed;
using coil_test::fail_after;
using coil_test::park;
using coil_test::park_and_clean;
using coil_test::value_after;

namespace {

// The failures of a group, in order: "x;y;".
std::string failures(const coil::ExceptionGroup& group) {
  std::string text;
  for (const std::exception_ptr& error : group.exceptions()) text += coil_test::text_of(error) + ";";
  return text;
}

// Awaits a task group with `body`; what its ExceptionGroup holds, or "none".
template <class Body>
coil::Coro<std::string> failures_of(Body& body) {
  std::string text = "none";
  try {
    co_await coil::task_group(body);
  } catch (const coil::ExceptionGroup& group) {
    text = failures(group);
  }
  co_return text;
}

}  // namespace

LOOP_TEST(
    "task_group: the first failure cancels the other tasks and the body, waits for them, and is thrown in a group") {
  std::string log;
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(park_and_clean(log, "a", 1s));
    group.create_task(fail_after(1s, "x"));
    group.create_task(park(log, "b"));
    co_await park(log, "body");
  };
  const std::string thrown = co_await failures_of(body);
  CHECK(thrown == "x;");
  CHECK(log.find("a cancelled;") != std::string::npos);
  CHECK(log.find("a cleaned;") != std::string::npos);
  CHECK(log.find("b cancelled;") != std::string::npos);
  CHECK(log.find("body cancelled;") != std::string::npos);
  CHECK(elapsed() == 2s);
}

LOOP_TEST("task_group: a single failure is a group as well") {
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail_after(1s, "alone"));
    co_return;
  };
  const std::string thrown = co_await failures_of(body);
  CHECK(thrown == "alone;");
}

LOOP_TEST("task_group: a failure of the body cancels the tasks and is thrown in a group") {
  std::string log;
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(park_and_clean(log, "a", 1s));
    co_await coil::sleep(1s);
    throw std::runtime_error("from the body");
  };
  const std::string thrown = co_await failures_of(body);
  CHECK(thrown == "from the body;");
  CHECK(log == "a cancelled;a cleaned;");
}

LOOP_TEST("task_group: a failure of a body without tasks is thrown in a group") {
  auto body = [&](coil::TaskGroup&) -> coil::Coro<void> {
    throw std::runtime_error("from the body");
    co_return;
  };
  const std::string thrown = co_await failures_of(body);
  CHECK(thrown == "from the body;");
}

LOOP_TEST("task_group: all failures are in the group, also those of cleanup, the first in time first") {
  auto fail_in_cleanup = [&]() -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(0);
    throw std::runtime_error("cleanup");
  };
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail_in_cleanup());
    group.create_task(fail_after(1s, "first"));
    group.create_task(fail_after(1s, "second"));
    co_return;
  };
  const std::string thrown = co_await failures_of(body);
  CHECK(thrown.substr(0, 6) == "first;");
  CHECK(thrown.find("second;") != std::string::npos);
  CHECK(thrown.find("cleanup;") != std::string::npos);
}

LOOP_TEST("task_group: failures of body and tasks are in one group") {
  auto fail_in_cleanup = [&]() -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(0);
    throw std::runtime_error("task");
  };
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail_in_cleanup());
    co_await coil::yield();
    throw std::runtime_error("body");
  };
  const std::string thrown = co_await failures_of(body);
  CHECK(thrown == "body;task;");
}

LOOP_TEST("task_group: a task that is cancelled by hand is no failure") {
  std::string log;
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    auto child = group.create_task(park(log, "child"));
    group.create_task(value_after(2s, 0));
    co_await coil::sleep(1s);
    child.cancel();
  };
  co_await coil::task_group(body);
  CHECK(log == "child cancelled;");
  CHECK(elapsed() == 2s);
}

LOOP_TEST("task_group: a task that is cancelled before its first step is no failure, and the group ends") {
  bool ran = false;
  auto work = [&]() -> coil::Coro<void> {
    ran = true;
    co_return;
  };
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(work()).cancel();
    co_return;
  };
  co_await coil::task_group(body);
  CHECK(!ran);
}

LOOP_TEST("task_group: a body that swallows the cancellation does not hide the failure") {
  std::string log;
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail_after(1s, "x"));
    co_await coil_test::return_when_cancelled(0);
    log += "swallowed";
  };
  const std::string thrown = co_await failures_of(body);
  CHECK(thrown == "x;");
  CHECK(log == "swallowed");
}

LOOP_TEST("task_group: the cancellation of the body is hidden: the task that awaits the group is not cancelled") {
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail_after(1s, "x"));
    co_await coil::sleep(1h);
  };
  const std::string thrown = co_await failures_of(body);
  CHECK(thrown == "x;");
  CHECK(coil::current_task().cancelling() == 0);
  co_await coil::sleep(1s);
  CHECK(elapsed() == 2s);
}

LOOP_TEST("task_group: a failure after the body has ended leaves no cancellation behind either") {
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail_after(1s, "x"));
    co_return;
  };
  const std::string thrown = co_await failures_of(body);
  CHECK(thrown == "x;");
  CHECK(coil::current_task().cancelling() == 0);
  co_await coil::sleep(1s);
  CHECK(elapsed() == 2s);
}

LOOP_TEST("task_group: a failure in the same turn in which the body ends leaves no cancellation behind") {
  auto fail = [&]() -> coil::Coro<void> {
    throw std::runtime_error("x");
    co_return;
  };
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail());
    co_await coil::yield();
  };
  const std::string thrown = co_await failures_of(body);
  CHECK(thrown == "x;");
  CHECK(coil::current_task().cancelling() == 0);
  co_await coil::sleep(1s);
}

LOOP_TEST("task_group: the failure of an inner group is a failure of the outer body, unless it is caught") {
  std::string log;
  auto inner_body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail_after(1s, "x"));
    co_return;
  };
  auto careful = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(value_after(5s, 0));
    CHECK_AWAIT_THROWS(coil::task_group(inner_body), coil::ExceptionGroup);
    co_await coil::sleep(1s);
  };
  auto careless = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(park(log, "sibling"));
    co_await coil::task_group(inner_body);
  };
  co_await coil::task_group(careful);
  CHECK(elapsed() == 5s);
  bool nested = false;
  try {
    co_await coil::task_group(careless);
  } catch (const coil::ExceptionGroup& group) {
    int leaves = 0;
    group.visit([&](const std::exception_ptr&) { ++leaves; });
    nested = leaves == 1 && failures(group) != "x;";
  }
  CHECK(nested);
  CHECK(log == "sibling cancelled;");
}

LOOP_TEST("task_group: a failed task of a group is not reported as never retrieved") {
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(fail_after(1s, "x"));
    group.create_task(fail_after(1s, "y"));
    co_return;
  };
  const std::string thrown = co_await failures_of(body);
  CHECK(thrown == "x;y;");
  co_await coil::sleep(1s);
  CHECK(reports.size() == 0);
}

LOOP_TEST(
    "task_group: a body that awaits a cancelled task throws CancelledError, its tasks are cancelled and waited for") {
  std::string log;
  auto dead = coil::create_task(coil::sleep(1h));
  dead.cancel("dead");
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(park_and_clean(log, "child", 1s));
    co_await coil::yield();
    co_await dead;
  };
  std::string message;
  try {
    co_await coil::task_group(body);
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(message == "dead");
  CHECK(log == "child cancelled;child cleaned;");
  CHECK(coil::current_task().cancelling() == 0);
}

LOOP_TEST("task_group: a failed one leaves no frame and no timer") {
  const auto frames = coil::detail::live_frames();
  std::string log;
  {
    auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
      for (int i = 0; i < 100; ++i) group.create_task(park(log, "a"));
      group.create_task(fail_after(1s, "x"));
      co_return;
    };
    const std::string thrown = co_await failures_of(body);
    CHECK(thrown == "x;");
  }
  co_await coil::yield();
  CHECK(coil::detail::live_frames() == frames);
  CHECK(coil::get_running_loop().metrics().timers == 0);
}
