// How a run ends: what is left is cancelled and awaited, its errors are reported, main's result stands.
#include <coil/run.hpp>

#include "../support/loop_test.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil_test::park;
using coil_test::virtual_time;

TEST_CASE("run: tasks that are left at the end are cancelled and awaited, and main's result stands") {
  coil_test::LeakCheck leaks;
  std::string log;
  auto main = [&]() -> coil::Coro<int> {
    coil::create_task(park(log, "a"));
    coil::create_task(park(log, "b"));
    co_await coil::sleep(1s);
    log += "main ends;";
    co_return 5;
  };
  CHECK(coil::run(main, virtual_time) == 5);
  CHECK(log == "main ends;a cancelled;b cancelled;");
}

TEST_CASE("run: cleanup of tasks that are left may await, and is waited for") {
  coil_test::LeakCheck leaks;
  std::string log;
  std::chrono::nanoseconds end{};
  auto work = [&]() -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(0);
    co_await coil::sleep(1h);
    end = coil_test::elapsed();
    log += "cleaned";
  };
  auto main = [&]() -> coil::Coro<void> {
    coil::create_task(work());
    co_await coil::sleep(1s);
  };
  coil::run(main, virtual_time);
  CHECK(log == "cleaned");
  CHECK(end == 1h + 1s);
}

TEST_CASE("run: a task that is left before its first step never runs") {
  coil_test::LeakCheck leaks;
  bool ran = false;
  auto work = [&]() -> coil::Coro<void> {
    ran = true;
    co_return;
  };
  auto main = [&]() -> coil::Coro<int> {
    coil::create_task(work());
    co_return 3;
  };
  CHECK(coil::run(main, virtual_time) == 3);
  CHECK(!ran);
}

TEST_CASE("run: errors of tasks that are left go to the exception handler, and main's result stands") {
  coil_test::LeakCheck leaks;
  coil_test::Reports reports;
  auto fail_in_cleanup = [&]() -> coil::Coro<void> {
    try {
      co_await coil::sleep(1h);
    } catch (const coil::CancelledError&) {
      throw std::runtime_error("cleanup failed");
    }
  };
  coil::Task<void> kept;  // a handle does not keep the report back: nobody runs any more who could use it
  auto main = [&]() -> coil::Coro<int> {
    reports.collect_from(coil::get_running_loop());
    kept = coil::create_task(fail_in_cleanup());
    co_await coil::sleep(1s);
    co_return 5;
  };
  CHECK(coil::run(main, virtual_time) == 5);
  REQUIRE(reports.size() == 1);
  const auto report = reports.take();
  CHECK(report.error == "cleanup failed");
  CHECK(report.message != "");
}

TEST_CASE("run: an exception of main stands as well when tasks are left and fail") {
  coil_test::LeakCheck leaks;
  coil_test::Reports reports;
  std::string log;
  auto fail_in_cleanup = [&]() -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(0);
    log += "cleaned";
    throw std::runtime_error("cleanup failed");
  };
  auto main = [&]() -> coil::Coro<int> {
    reports.collect_from(coil::get_running_loop());
    coil::create_task(fail_in_cleanup());
    co_await coil::sleep(1s);
    throw std::runtime_error("main failed");
    co_return 0;
  };
  CHECK_THROWS_WITH(coil::run(main, virtual_time), "main failed");
  CHECK(log == "cleaned");
  CHECK(reports.take().error == "cleanup failed");
}

TEST_CASE("run: a task that was left and is cancelled without fault is not reported") {
  coil_test::LeakCheck leaks;
  coil_test::Reports reports;
  std::string log;
  auto main = [&]() -> coil::Coro<void> {
    reports.collect_from(coil::get_running_loop());
    coil::create_task(park(log, "a"));
    co_await coil::sleep(1s);
  };
  coil::run(main, virtual_time);
  CHECK(log == "a cancelled;");
  CHECK(reports.size() == 0);
}

TEST_CASE("run: a task that a left one starts while it is cancelled is cancelled and awaited as well") {
  coil_test::LeakCheck leaks;
  std::string log;
  auto start_another = [&]() -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(0);
    coil::create_task(park(log, "late"));
    co_await coil::sleep(1s);
    log += "first ends;";
  };
  auto main = [&]() -> coil::Coro<void> {
    coil::create_task(start_another());
    co_await coil::sleep(1s);
  };
  coil::run(main, virtual_time);
  CHECK(log == "first ends;late cancelled;");
}

TEST_CASE("run: tasks that are left may await each other while they are cancelled") {
  coil_test::LeakCheck leaks;
  std::string log;
  coil::Task<int> inner;
  auto await_inner = [&]() -> coil::Coro<void> {
    try {
      co_await inner;
    } catch (const coil::CancelledError&) {
      log += "outer cancelled;";
      throw;
    }
  };
  auto main = [&]() -> coil::Coro<void> {
    inner = coil::create_task(park(log, "inner"));
    coil::create_task(await_inner());
    co_await coil::sleep(1s);
  };
  coil::run(main, virtual_time);
  CHECK(log == "inner cancelled;outer cancelled;");
}

TEST_CASE("run: main ends cancelled from outside, its own cleanup runs first") {
  coil_test::LeakCheck leaks;
  std::string log;
  auto main = [&]() -> coil::Coro<int> {
    coil::TaskRef self = coil::current_task();
    coil::get_running_loop().call_later(1s, [self]() mutable { self.cancel(); });
    const int value = co_await coil_test::park_and_clean(log, "main", 1s);
    co_return value;
  };
  CHECK_THROWS_AS(coil::run(main, virtual_time), coil::CancelledError);
  CHECK(log == "main cancelled;main cleaned;");
}

TEST_CASE("run: timers and callbacks that are left never run, and what they hold is released") {
  coil_test::LeakCheck leaks;
  auto shared = std::make_shared<int>(1);
  bool fired = false;
  auto main = [&]() -> coil::Coro<void> {
    coil::get_running_loop().call_later(1h, [&fired, shared] { fired = true; });
    co_await coil::sleep(1s);
  };
  coil::run(main, virtual_time);
  CHECK(!fired);
  CHECK(shared.use_count() == 1);
}

TEST_CASE("run: what the captures of callbacks that are left do in their destructors is cleaned up as well") {
  coil_test::LeakCheck leaks;
  struct Farewell {
    std::function<void()> say;
    explicit Farewell(std::function<void()> words) : say(std::move(words)) {}
    Farewell(const Farewell&) = delete;
    ~Farewell() { say(); }
  };
  std::vector<coil::Task<void>> begun;
  int said = 0;
  auto main = [&]() -> coil::Coro<void> {
    coil::Loop& loop = coil::get_running_loop();
    const auto words = [&] {
      ++said;
      loop.call_soon([] { FAIL("the loop has ended"); });
      loop.call_later(1s, [] { FAIL("the loop has ended"); });
      begun.push_back(coil::create_task(coil::sleep(1h)));
      begun.push_back(coil::create_task(coil::sleep(1h), {.eager = true}));
    };
    loop.call_later(1h, [farewell = std::make_shared<Farewell>(words)] {});
    loop.call_later(2h, [farewell = std::make_shared<Farewell>(words)] {});
    co_return;
  };
  coil::run(main, virtual_time);
  CHECK(said == 2);
  CHECK(begun.size() == 4);
  for (const coil::Task<void>& task : begun) CHECK(task.cancelled());
}

TEST_CASE("run: handles of tasks, futures and timers may outlive the loop") {
  coil_test::LeakCheck leaks;
  coil::Task<int> done;
  coil::Task<int> left;
  std::vector<coil::TimerHandle> timers;
  auto main = [&]() -> coil::Coro<void> {
    done = coil::create_task(coil_test::value_after(1s, 5));
    left = coil::create_task(coil_test::value_after(1h, 5));
    timers.push_back(coil::get_running_loop().call_later(1h, [] {}));
    co_await coil::sleep(2s);
  };
  coil::run(main, virtual_time);
  CHECK(done.result() == 5);
  CHECK(left.cancelled());
  CHECK(!left.cancel());
  timers.front().cancel();
}

TEST_CASE("run: a future that a cancelled task waits for may outlive the loop") {
  coil_test::LeakCheck leaks;
  std::vector<coil::Future<int>> futures;
  auto main = [&]() -> coil::Coro<void> {
    futures.push_back(coil::get_running_loop().create_future<int>());
    auto wait = [](coil::Future<int> future) -> coil::Coro<void> { co_await future; };
    coil::create_task(wait(futures.front()));
    co_await coil::sleep(1s);
  };
  coil::run(main, virtual_time);
  CHECK(futures.front().cancelled());
}

TEST_CASE("run: ten thousand tasks that are left are cancelled and awaited") {
  coil_test::LeakCheck leaks;
  int cleaned = 0;
  auto work = [&]() -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(0);
    co_await coil::yield();
    ++cleaned;
  };
  auto main = [&]() -> coil::Coro<void> {
    for (int i = 0; i < 10'000; ++i) coil::create_task(work());
    co_await coil::sleep(1s);
  };
  coil::run(main, virtual_time);
  CHECK(cleaned == 10'000);
}
