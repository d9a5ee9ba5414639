// What the default exception handler writes, word by word; and the reports that come at a time of their own.
#include <coil/loop.hpp>

#include "../support/child.hpp"
#include "../support/loop_test.hpp"

#include <optional>
#include <string>

using namespace std::chrono_literals;
using coil_test::in_child;
using coil_test::virtual_time;

namespace {

// Where the coroutines below stand when they throw, or are looked at.
constexpr unsigned parse_at = __LINE__ + 2;
coil::Coro<int> parse(int depth) {
  co_await coil::sleep(1s);
  if (depth > 0) throw std::runtime_error("unexpected end");
  co_return depth;
}

constexpr unsigned serve_at = __LINE__ + 2;
coil::Coro<void> serve(int depth) {
  const int value = co_await parse(depth);
  static_cast<void>(value);
}

constexpr unsigned forgotten_at = __LINE__ + 1;
coil::Coro<void> forgotten() { co_return; }

std::string line(unsigned number) { return "loop_report_test.cpp:" + std::to_string(number) + ")"; }

/// What a run of `main` writes.
template <class Main>
std::string written_by(Main main, bool debug = false) {
  const auto child = in_child([&] {
    coil::run(main, {.debug = debug, .clock = coil::Clock::virtual_});
    return 0;
  });
  CHECK(child.exited_with(0));
  return child.output;
}

// Named: the name of a lambda in a test's function depends on the test framework.
constexpr unsigned orphan_at = __LINE__ + 2;
coil::Coro<void> leave_an_orphan() {
  coil::create_task(serve(1), {.name = "orphan"});
  co_await coil::sleep(2s);
}

constexpr unsigned callable_at = __LINE__ + 2;
coil::Coro<void> leave_a_callable() {
  coil::create_task([]() -> coil::Coro<void> { co_await serve(1); });
  co_await coil::sleep(2s);
}

constexpr unsigned callback_at = __LINE__ + 3;
coil::Coro<void> fail_in_callbacks() {
  auto& loop = coil::get_running_loop();
  loop.call_soon([] { throw std::out_of_range("too far"); });
  loop.call_later(1s, [] { throw 5; });
  loop.call_soon_threadsafe([] { throw coil::CancelledError(); });
  co_await coil::sleep(2s);
}

constexpr unsigned left_at = __LINE__ + 4;
coil::Coro<void> leave_a_bad_cleaner() {
  auto clean_up = []() -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(0);
    co_await coil::sleep(1s);
    throw std::runtime_error("disk full");
  };
  coil::create_task(clean_up(), {.name = "left"});
  co_await coil::yield();
}

coil::Coro<void> forget() {
  static_cast<void>(forgotten());
  co_return;
}

}  // namespace

TEST_CASE("default handler: the error of an orphan, where it threw, the awaits it came through, where it was made") {
  CHECK(written_by(leave_an_orphan) ==
        "coil: Task exception was never retrieved\n"
        "  std::runtime_error: unexpected end\n"
        "    at parse(int) (" +
            line(parse_at) +
            "\n"
            "    at serve(int) (" +
            line(serve_at) +
            "\n"
            "  in task 'orphan', created at leave_an_orphan() (" +
            line(orphan_at) + "\n");
}

TEST_CASE("default handler: of a callable it shows the coroutines, not what keeps them") {
  CHECK(written_by(leave_a_callable) ==
        "coil: Task exception was never retrieved\n"
        "  std::runtime_error: unexpected end\n"
        "    at parse(int) (" +
            line(parse_at) +
            "\n"
            "    at serve(int) (" +
            line(serve_at) +
            "\n"
            "    at leave_a_callable()::lambda() (" +
            line(callable_at) +
            "\n"
            "  in task 'Task-2', created at leave_a_callable() (" +
            line(callable_at) + "\n");
}

TEST_CASE("default handler: the exception of a callback, and where that was queued") {
  CHECK(written_by(fail_in_callbacks) == "coil: Exception in callback queued at fail_in_callbacks() (" +
                                             line(callback_at) +
                                             "\n"
                                             "  std::out_of_range: too far\n"
                                             "coil: Exception in callback queued at fail_in_callbacks() (" +
                                             line(callback_at + 2) +
                                             "\n"
                                             "  coil::CancelledError\n"
                                             "coil: Exception in callback queued at fail_in_callbacks() (" +
                                             line(callback_at + 1) +
                                             "\n"
                                             "  int\n");
}

TEST_CASE("default handler: the exception of a task that was left at the end of run") {
  CHECK(written_by(leave_a_bad_cleaner) ==
        "coil: unhandled exception during coil::run() shutdown\n"
        "  std::runtime_error: disk full\n"
        "    at leave_a_bad_cleaner()::lambda() (" +
            line(left_at) +
            "\n"
            "  in task 'left', created at leave_a_bad_cleaner() (" +
            line(left_at + 3) + "\n");
}

TEST_CASE("default handler: a coroutine that was never awaited, with the task it was dropped in") {
  const std::string place = std::string(__FILE__) + ":" + std::to_string(forgotten_at);
  const std::string text = written_by(forget, true);
  CHECK(text.starts_with("coil: coroutine 'forgotten' (" + place +
                         ") was never awaited\n"
                         "  in task 'Task-1', created at "));
}

TEST_CASE("default handler: the members of a group stand below it, group in group") {
  const auto group = [](const char* name, std::vector<std::exception_ptr> members) {
    return std::make_exception_ptr(coil::ExceptionGroup(name, std::move(members)));
  };
  const auto error = [](const char* text) { return std::make_exception_ptr(std::runtime_error(text)); };
  auto main = [&]() -> coil::Coro<void> {
    auto inner = group("inner", {error("b"), error("c\nsecond line of c")});
    coil::get_running_loop().call_exception_handler(
        {.message = "two failed", .exception = group("outer", {error("a"), inner})});
    co_return;
  };
  CHECK(written_by(main) ==
        "coil: two failed\n"
        "  coil::ExceptionGroup: outer (2 sub-exceptions)\n"
        "    std::runtime_error: a\n"
        "    coil::ExceptionGroup: inner (2 sub-exceptions)\n"
        "      std::runtime_error: b\n"
        "      std::runtime_error: c\n"
        "      second line of c\n");
}

TEST_CASE("default handler: a context without a message still says that something was not handled") {
  auto main = []() -> coil::Coro<void> {
    coil::get_running_loop().call_exception_handler({});
    coil::Loop::default_exception_handler({.message = "called directly"});
    co_return;
  };
  CHECK(written_by(main) == "coil: Unhandled exception in event loop\ncoil: called directly\n");
}

TEST_CASE("exception handler: if it throws, both errors are written, its own last") {
  auto main = []() -> coil::Coro<void> {
    auto& loop = coil::get_running_loop();
    loop.set_exception_handler([](const coil::ErrorContext&) { throw std::logic_error("the handler is broken"); });
    loop.call_exception_handler(
        {.message = "the first failure", .exception = std::make_exception_ptr(std::runtime_error("lost?"))});
    loop.set_exception_handler([](const coil::ErrorContext&) { throw coil::CancelledError("no exception, even"); });
    loop.call_exception_handler({.message = "the second failure"});
    co_return;
  };
  CHECK(written_by(main) ==
        "coil: the first failure\n"
        "  std::runtime_error: lost?\n"
        "coil: Unhandled error in exception handler\n"
        "  std::logic_error: the handler is broken\n"
        "coil: the second failure\n"
        "coil: Unhandled error in exception handler\n"
        "  coil::CancelledError: no exception, even\n");
}

TEST_CASE("exception handler: one that deals with some errors hands the rest to the default one") {
  auto main = []() -> coil::Coro<void> {
    coil::get_running_loop().set_exception_handler([](const coil::ErrorContext& context) {
      if (context.message != "expected") coil::Loop::default_exception_handler(context);
    });
    for (const char* message : {"expected", "other"}) coil::get_running_loop().call_exception_handler({message});
    co_return;
  };
  CHECK(written_by(main) == "coil: other\n");
}

LOOP_TEST("exception handler: one that fails a callback of its own is told of that in turn, not inside itself") {
  auto& loop = coil::get_running_loop();
  std::string log;
  int depth = 0;
  loop.set_exception_handler([&](const coil::ErrorContext& context) {
    CHECK(++depth == 1);
    log += coil_test::text_of(context.exception) + ";";
    if (log == "first;") loop.call_soon([] { throw std::runtime_error("second"); });
    --depth;
  });
  loop.call_soon([] { throw std::runtime_error("first"); });
  co_await coil::sleep(1s);
  CHECK(log == "first;second;");
  reports.collect_from(loop);
}

// ---- When ------------------------------------------------------------------------------------------------

LOOP_TEST("report: of an orphan comes in the step in which it ends") {
  coil::create_task(serve(1));
  co_await coil::sleep(999ms);
  CHECK(reports.size() == 0);
  auto& loop = coil::get_running_loop();
  std::size_t in_that_turn = 0;
  loop.call_at(coil::time_point{} + 1s, [&] { in_that_turn = reports.size(); });  // due after the orphan
  co_await coil::sleep(1s);
  CHECK(in_that_turn == 1);
  CHECK(reports.take().error == "unexpected end");
}

TEST_CASE("report: of a failed task whose handle main holds comes when main ends, to the handler of the loop") {
  coil_test::LeakCheck leaks;
  coil_test::Reports reports;
  auto main = [&]() -> coil::Coro<void> {
    reports.collect_from(coil::get_running_loop());
    auto kept = coil::create_task(serve(1));
    auto future = coil::get_running_loop().create_future<int>();
    future.set_exception(std::runtime_error("a future's"));
    co_await coil::sleep(2s);
    CHECK(reports.size() == 0);
  };
  coil::run(main, virtual_time);
  CHECK(reports.size() == 2);
  const auto first = reports.take();
  const auto second = reports.take();
  CHECK(first.message == "Future exception was never retrieved");
  CHECK(first.error == "a future's");
  CHECK(second.message == "Task exception was never retrieved");
  CHECK(second.error == "unexpected end");
}

TEST_CASE("report: of a failed task or future whose handle outlives run is written when the last handle goes") {
  const auto child = in_child([] {
    std::optional<coil::Task<void>> task;
    std::optional<coil::Future<int>> future;
    auto main = [&]() -> coil::Coro<void> {
      coil::get_running_loop().set_exception_handler(
          [](const coil::ErrorContext&) { coil_test::tell_parent("the handler is gone with its loop"); });
      task = coil::create_task(serve(1), {.name = "outliving"});
      future = coil::get_running_loop().create_future<int>();
      future->set_exception(std::runtime_error("a future's"));
      co_await coil::sleep(2s);
    };
    coil::run(main, virtual_time);
    coil_test::tell_parent("run has ended");
    task.reset();
    coil_test::tell_parent("task gone");
    future.reset();
    return 0;
  });
  CHECK(child.exited_with(0));
  CAPTURE(child.output);
  CHECK(
      child.output.starts_with("run has ended\n"
                               "coil: Task exception was never retrieved\n"
                               "  std::runtime_error: unexpected end\n"));
  CHECK(child.said("  in task 'outliving', created at "));
  CHECK(
      child.output.ends_with("task gone\n"
                             "coil: Future exception was never retrieved\n"
                             "  std::runtime_error: a future's\n"));
}

TEST_CASE("report: of a failed task whose handle outlives run is none if its exception is taken after run") {
  const auto child = in_child([] {
    coil::Task<void> task;
    auto main = [&]() -> coil::Coro<void> {
      task = coil::create_task(serve(1));
      co_await coil::sleep(2s);
    };
    coil::run(main, virtual_time);
    return task.exception() != nullptr ? 0 : 1;
  });
  CHECK(child.exited_with(0));
  CHECK(child.output == "");
}
