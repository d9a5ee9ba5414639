// Debug mode: what is slow, what comes from another thread, what was never awaited.
#include <coil/loop.hpp>

#include "../support/loop_test.hpp"

#include <functional>
#include <regex>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using coil_test::Report;

namespace {

void spin(std::chrono::nanoseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

constexpr auto slow = 20ms;
constexpr coil::RunOptions in_debug_mode{.debug = true, .slow_callback_duration = 10ms, .clock = coil::Clock::virtual_};

/// The reports that tell of something slow, in a run of `main`. A machine that is slow itself may add some.
template <class Main>
std::vector<Report> slow_ones(Main main, coil::RunOptions options = in_debug_mode) {
  std::vector<Report> found;
  auto collecting = [&]() -> coil::Coro<void> {
    coil::get_running_loop().set_exception_handler([&](const coil::ErrorContext& context) {
      Report report{context.message, "", "", context.where.file_name(), context.where.line()};
      if (context.task) report.task = context.task->name();
      if (report.message.starts_with("Executing ")) found.push_back(report);
    });
    co_await main();
  };
  coil::run(collecting, options);
  return found;
}

bool matches(const std::string& text, const char* pattern) { return std::regex_match(text, std::regex(pattern)); }

bool any(const std::vector<Report>& reports, const std::function<bool(const Report&)>& is_it) {
  for (const Report& report : reports)
    if (is_it(report)) return true;
  return false;
}

/// What `call` throws in another thread, while this one waits.
std::string refused_elsewhere(const std::function<void()>& call) {
  std::string text = "not refused";
  std::thread([&] {
    try {
      call();
    } catch (const std::logic_error& error) {
      text = error.what();
    }
  }).join();
  return text;
}

coil::Coro<void> worker() { co_return; }

}  // namespace

namespace reader {
static coil::Coro<int> parse(int, const std::string&) { co_return 1; }
}  // namespace reader

// ---- Slow callbacks --------------------------------------------------------------------------------------

TEST_CASE("debug mode: a slow callback is reported with how long it took and where it was queued") {
  unsigned line = 0;
  const auto reports = slow_ones([&]() -> coil::Coro<void> {
    line = __LINE__ + 1;
    coil::get_running_loop().call_soon([] { spin(slow); });
    co_await coil::sleep(1s);
  });
  CHECK(any(reports, [&](const Report& report) {
    return report.line == line && report.task.empty() &&
           matches(report.message, "Executing a callback queued at .*loop_debug_test.cpp:\\d+\\) took 0\\.\\d{3} s");
  }));
}

TEST_CASE("debug mode: a slow timer callback and one from another thread are reported with where they were queued") {
  unsigned line = 0;
  const auto reports = slow_ones([&]() -> coil::Coro<void> {
    auto& loop = coil::get_running_loop();
    line = __LINE__ + 1;
    loop.call_later(1s, [] { spin(slow); });
    loop.call_at(loop.time() + 1s, [] { spin(slow); });
    loop.call_soon_threadsafe([] { spin(slow); });
    co_await coil::sleep(2s);
  });
  for (unsigned i = 0; i < 3; ++i) CHECK(any(reports, [&](const Report& report) { return report.line == line + i; }));
}

TEST_CASE("debug mode: a slow step of a task is reported with its name, the await it came to and where it was made") {
  unsigned line = 0;
  const auto reports = slow_ones([&]() -> coil::Coro<void> {
    auto work = []() -> coil::Coro<void> {
      spin(slow);
      co_await coil::sleep(1s);
    };
    line = __LINE__ + 1;
    auto task = coil::create_task(work(), {.name = "spinner"});
    co_await task;
  });
  CHECK(any(reports, [&](const Report& report) {
    return report.task == "spinner" && report.line == line &&
           matches(report.message, "Executing task 'spinner' took 0\\.\\d{3} s, now at .*loop_debug_test.cpp:\\d+\\)");
  }));
}

TEST_CASE("debug mode: a slow last step is reported, too") {
  const auto reports = slow_ones([&]() -> coil::Coro<void> {
    auto work = []() -> coil::Coro<void> {
      co_await coil::yield();
      spin(slow);
    };
    auto task = coil::create_task(work(), {.name = "spinner"});
    co_await task;
  });
  CHECK(any(reports, [](const Report& report) {
    return matches(report.message, "Executing task 'spinner' took 0\\.\\d{3} s");
  }));
}

TEST_CASE("debug mode: what takes less than slow_callback_duration is not reported, nor anything without debug mode") {
  const auto main = []() -> coil::Coro<void> {
    coil::get_running_loop().call_soon([] { spin(slow); });
    co_await coil::sleep(1s);
  };
  CHECK(slow_ones(main, {.debug = true, .slow_callback_duration = 1h, .clock = coil::Clock::virtual_}).empty());
  CHECK(slow_ones(main, {.slow_callback_duration = 1ms, .clock = coil::Clock::virtual_}).empty());
}

TEST_CASE("debug mode: set_debug() turns it on and off at run time, from the next turn on") {
  std::string log;
  const auto main = [&]() -> coil::Coro<void> {
    auto& loop = coil::get_running_loop();
    CHECK(!loop.get_debug());
    loop.set_debug(true);
    CHECK(loop.get_debug());
    co_await coil::yield();
    loop.call_soon([] { spin(slow); });
    co_await coil::yield();
    loop.set_debug(false);
    co_await coil::yield();
    loop.call_soon([] { spin(slow); });
    co_await coil::yield();
  };
  const auto reports = slow_ones(main, {.slow_callback_duration = 10ms, .clock = coil::Clock::virtual_});
  std::size_t callbacks = 0;
  for (const Report& report : reports) callbacks += report.message.starts_with("Executing a callback");
  CHECK(callbacks == 1);
}

// ---- Other threads ---------------------------------------------------------------------------------------

LOOP_TEST("debug mode: call_soon, call_later and call_at from another thread are logic_errors that name the call") {
  auto& loop = coil::get_running_loop();
  loop.set_debug(true);
  bool called = false;
  const auto callback = [&] { called = true; };
  const std::string why = "() from a thread that does not run the loop; pass a function to call_soon_threadsafe()";
  CHECK(refused_elsewhere([&] { loop.call_soon(callback); }) == "coil: call_soon" + why);
  CHECK(refused_elsewhere([&] { loop.call_later(1s, callback); }) == "coil: call_later" + why);
  CHECK(refused_elsewhere([&] { loop.call_at({}, callback); }) == "coil: call_at" + why);
  co_await coil::sleep(1h);
  CHECK(!called);
}

LOOP_TEST("debug mode: setting or cancelling a future from another thread is a logic_error, and it stays pending") {
  auto& loop = coil::get_running_loop();
  loop.set_debug(true);
  auto future = loop.create_future<int>();
  CHECK(refused_elsewhere([&] { future.set_result(1); }).starts_with("coil: set_result() from a thread"));
  CHECK(refused_elsewhere([&] {
          future.set_exception(std::make_exception_ptr(std::runtime_error("no")));
        }).starts_with("coil: set_exception() from a thread"));
  CHECK(refused_elsewhere([&] { future.cancel(); }).starts_with("coil: Future::cancel() from a thread"));
  CHECK(!future.done());
  loop.call_soon_threadsafe([&] { future.set_result(2); });
  const int value = co_await future;
  CHECK(value == 2);
}

LOOP_TEST("debug mode: cancelling a task from another thread is a logic_error, and it goes on") {
  coil::get_running_loop().set_debug(true);
  auto task = coil::create_task(coil_test::value_after(1s, 3));
  CHECK(refused_elsewhere([&] { task.cancel(); }).starts_with("coil: Task::cancel() from a thread"));
  CHECK(task.cancelling() == 0);
  const int value = co_await task;
  CHECK(value == 3);
}

LOOP_TEST("create_task and its like: in a thread without a loop they are logic_errors, in debug mode or not") {
  auto plain = [] { static_cast<void>(coil::create_task(worker())); };
  CHECK(refused_elsewhere(plain) == "no running event loop");
  CHECK(refused_elsewhere([] { coil::current_task(); }) == "no running event loop");
  CHECK(refused_elsewhere([] { coil::all_tasks(); }) == "no running event loop");
  co_await coil::yield();
}

TEST_CASE("debug mode: the thread of the loop may call it while it does not run") {
  coil_test::LeakCheck leaks;
  int calls = 0;
  coil::Runner runner({.debug = true, .clock = coil::Clock::virtual_});
  runner.loop().call_soon([&] { ++calls; });
  auto future = runner.loop().create_future<void>();
  future.set_result();
  runner.run(coil::sleep(1s));
  runner.loop().call_later(1s, [&] { ++calls; });
  runner.run(coil::sleep(2s));
  CHECK(calls == 2);
}

// ---- Never awaited ---------------------------------------------------------------------------------------

LOOP_TEST(
    "debug mode: a coroutine that was never awaited is reported by its plain name, with the task that dropped it") {
  coil::get_running_loop().set_debug(true);
  const auto told = [&] {
    const Report report = reports.take();
    CHECK(report.task == coil::current_task().name());
    CHECK(report.file.ends_with("loop_debug_test.cpp"));
    const std::string place = " (" + report.file + ":" + std::to_string(report.line) + ") was never awaited";
    REQUIRE(report.message.ends_with(place));
    return report.message.substr(0, report.message.size() - place.size());
  };
  {
    auto forgotten = worker();
  }
  CHECK(told() == "coroutine 'worker'");
  {
    auto forgotten = reader::parse(1, "text");
  }
  CHECK(told() == "coroutine 'reader::parse'");
  const auto by_lambda = [](int) -> coil::Coro<void> { co_return; };
  {
    auto forgotten = by_lambda(1);
  }
  CHECK(told().ends_with("lambda'"));
  co_await coil::yield();
}

LOOP_TEST("debug mode: a coroutine that was never awaited is reported when it is dropped in a callback, too") {
  auto& loop = coil::get_running_loop();
  loop.set_debug(true);
  loop.call_soon([] { static_cast<void>(worker()); });
  co_await coil::sleep(1s);
  const Report report = reports.take();
  CHECK(report.message.starts_with("coroutine 'worker' ("));
  CHECK(report.task.empty());
}

LOOP_TEST("debug mode: a combinator that was never awaited is one report, not one for each thing in it") {
  coil::get_running_loop().set_debug(true);
  {
    auto forgotten = coil::gather([] { return coil::yield(); }, coil::sleep(1s));
  }
  CHECK(reports.take().message.find("was never awaited") != std::string::npos);
  {
    auto forgotten = coil::as_result([] { return coil::yield(); });
  }
  CHECK(reports.take().message.find("was never awaited") != std::string::npos);
  CHECK(reports.size() == 0);
  co_await coil::yield();
}
