// A failure that nobody can take any more is reported at once.
#include <coil/task.hpp>

#include "../support/loop_test.hpp"

#include <string>

using namespace std::chrono_literals;
using coil_test::fail_after;

LOOP_TEST("task: a failure whose handle is gone is reported at once, with where the task was created") {
  const unsigned line = __LINE__ + 1;
  coil::create_task(fail_after(1s, "nobody looks"), {.name = "orphan"});
  co_await coil::sleep(1s);
  co_await coil::yield();
  const auto report = reports.take();
  CAPTURE(report.message);
  CHECK(report.error == "nobody looks");
  CHECK(report.message.find("never retrieved") != std::string::npos);
  CHECK(report.task == "orphan");
  CHECK(report.file.find("task_report_test.cpp") != std::string::npos);
  CHECK(report.line == line);
}

LOOP_TEST("task: a failure whose handle goes later is reported when the last handle goes") {
  {
    auto task = coil::create_task(fail_after(1s, "late"));
    co_await coil::sleep(2s);
    coil::Task<int> copy = task;
    task = {};
    CHECK(reports.size() == 0);
  }
  co_await coil::yield();
  CHECK(reports.take().error == "late");
}

LOOP_TEST("task: a failure is not reported while a handle could still take it") {
  auto task = coil::create_task(fail_after(1s, "kept"));
  co_await coil::sleep(1h);
  CHECK(reports.size() == 0);
  CHECK_AWAIT_FAILS_WITH(task, "kept");
}

LOOP_TEST("task: a failure that was awaited is not reported") {
  {
    auto task = coil::create_task(fail_after(1s, "awaited"));
    CHECK_AWAIT_FAILS_WITH(task, "awaited");
  }
  co_await coil::sleep(1s);
  CHECK(reports.size() == 0);
}

LOOP_TEST("task: a failure taken by exception() or result() is not reported") {
  {
    auto asked = coil::create_task(fail_after(1s, "asked"));
    auto thrown = coil::create_task(fail_after(1s, "thrown"));
    co_await coil::sleep(2s);
    CHECK(asked.exception() != nullptr);
    CHECK_THROWS_WITH(thrown.result(), "thrown");
  }
  co_await coil::sleep(1s);
  CHECK(reports.size() == 0);
}

LOOP_TEST("task: a failure that an awaiter will take is not reported, though no handle is left") {
  auto wait = [](coil::Task<int> task) -> coil::Coro<std::string> {
    std::string text;
    try {
      co_await task;
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    co_return text;
  };
  const std::string text = co_await wait(coil::create_task(fail_after(1s, "taken")));
  CHECK(text == "taken");
  co_await coil::sleep(1s);
  CHECK(reports.size() == 0);
}

LOOP_TEST("task: a failure that a done callback looks at is not reported") {
  std::string text;
  coil::create_task(fail_after(1s, "seen")).add_done_callback([&](coil::Task<int> task) {
    text = coil_test::text_of(task.exception());
  });
  co_await coil::sleep(2s);
  CHECK(text == "seen");
  CHECK(reports.size() == 0);
}

LOOP_TEST("task: a failure that no done callback looks at is reported") {
  coil::create_task(fail_after(1s, "overlooked")).add_done_callback([] {});
  co_await coil::sleep(2s);
  CHECK(reports.take().error == "overlooked");
}

LOOP_TEST("task: a cancelled one is not reported") {
  coil::create_task(coil_test::value_after(1h, 0)).cancel();
  co_await coil::sleep(1s);
  CHECK(reports.size() == 0);
}

LOOP_TEST("task: a success that nobody takes is not reported") {
  coil::create_task(coil_test::value_after(1s, 0));
  co_await coil::sleep(2s);
  CHECK(reports.size() == 0);
}

LOOP_TEST("task: a failure of a callable is reported with where the task was created") {
  const unsigned line = __LINE__ + 1;
  coil::create_task([]() -> coil::Coro<void> {
    co_await coil::sleep(1s);
    throw std::runtime_error("from the callable");
  });
  co_await coil::sleep(2s);
  const auto report = reports.take();
  CHECK(report.error == "from the callable");
  CHECK(report.file.find("task_report_test.cpp") != std::string::npos);
  CHECK(report.line >= line);
  CHECK(report.line <= line + 3);
}

LOOP_TEST("task: a failure of a callable with arguments is reported") {
  auto fail = [](std::string what) -> coil::Coro<void> {
    co_await coil::sleep(1s);
    throw std::runtime_error(what);
  };
  coil::create_task(fail, "from the callable");
  co_await coil::sleep(2s);
  CHECK(reports.take().error == "from the callable");
}
