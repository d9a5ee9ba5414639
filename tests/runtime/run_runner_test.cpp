// Runner: several runs of one loop, and its end.
#include <coil/run.hpp>

#include "../support/child.hpp"
#include "../support/loop_test.hpp"

#include <memory>
#include <optional>
#include <string>

using namespace std::chrono_literals;
using coil_test::virtual_time;

namespace {

coil::Coro<int> five() {
  co_await coil::sleep(1s);
  co_return 5;
}

template <class Call>
std::string logic_error_of(Call call) {
  try {
    call();
  } catch (const std::logic_error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("runner: the loop is made by the first run or loop(), not by the constructor") {
  const auto descriptors = coil_test::open_descriptors().size();
  coil::Runner runner(virtual_time);
  CHECK(coil_test::open_descriptors().size() == descriptors);
  coil::Loop* const loop = &runner.loop();
  CHECK(coil_test::open_descriptors().size() > descriptors);
  CHECK(!loop->is_running());
  auto main = [&]() -> coil::Coro<bool> { co_return &coil::get_running_loop() == loop && loop->is_running(); };
  CHECK(runner.run(main));
  CHECK(runner.run(main));
  CHECK(!loop->is_running());
}

TEST_CASE("runner: close() inside its own loop is a logic_error, and the run goes on") {
  coil_test::LeakCheck leaks;
  coil::Runner runner(virtual_time);
  std::string text;
  auto main = [&]() -> coil::Coro<int> {
    text = logic_error_of([&] { runner.close(); });
    co_await coil::sleep(1s);
    co_return 3;
  };
  CHECK(runner.run(main) == 3);
  CHECK(text == "coil: Runner::close() cannot close a running event loop");
  CHECK(runner.run(five()) == 5);
  runner.close();
  CHECK_THROWS_AS(runner.loop(), std::logic_error);
}

TEST_CASE("runner: close() inside another loop is a logic_error while there is something to close") {
  coil_test::LeakCheck leaks;
  coil::Runner unused;
  coil::Runner used(virtual_time);
  CHECK(used.run(five()) == 5);
  auto main = [&]() -> coil::Coro<void> {
    unused.close();
    CHECK_THROWS_AS(unused.loop(), std::logic_error);
    CHECK_THROWS_AS(used.close(), std::logic_error);
    co_await coil::yield();
  };
  coil::run(main, virtual_time);
  CHECK(used.run(five()) == 5);
}

TEST_CASE("runner: destroyed inside another loop it cleans up all the same, and that loop goes on") {
  coil_test::LeakCheck leaks;
  std::string log;
  std::optional<coil::Runner> inner;
  inner.emplace(virtual_time);
  auto start = [&]() -> coil::Coro<void> {
    coil::create_task(coil_test::park_and_clean(log, "left", 1s));
    co_await coil::yield();
  };
  inner->run(start);
  auto main = [&]() -> coil::Coro<void> {
    auto* const loop = &coil::get_running_loop();
    inner.reset();
    CHECK(&coil::get_running_loop() == loop);
    log += coil::current_task().name() + ";";
    co_await coil::sleep(1s);
    log += "outer goes on;";
  };
  coil::run(main, virtual_time);
  CHECK(log == "left cancelled;left cleaned;Task-1;outer goes on;");
}

TEST_CASE("runner: destroyed inside its own loop ends the process with a sentence") {
  const auto child = coil_test::in_child([] {
    auto* runner = new coil::Runner(virtual_time);
    auto main = [&]() -> coil::Coro<void> {
      delete runner;
      co_return;
    };
    runner->run(main);
    return 0;
  });
  CHECK(child.killed_by(SIGABRT));
  CHECK(child.said("coil: a Runner is destroyed from outside its loop"));
}

TEST_CASE("runner: run() inside its own loop is a logic_error, and the coroutine is not started") {
  coil_test::LeakCheck leaks;
  coil::Runner runner(virtual_time);
  auto main = [&]() -> coil::Coro<void> {
    CHECK_THROWS_AS(runner.run(five()), std::logic_error);
    co_return;
  };
  runner.run(main);
}

TEST_CASE("runner: close() waits for the cleanup of what several runs have left, and reports what that throws") {
  coil_test::LeakCheck leaks;
  coil_test::Reports reports;
  std::string log;
  auto fail = [&]() -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(0);
    throw std::runtime_error("cleanup failed");
  };
  coil::Runner runner(virtual_time);
  reports.collect_from(runner.loop());
  runner.run([&]() -> coil::Coro<void> {
    coil::create_task(coil_test::park_and_clean(log, "a", 1s));
    co_await coil::yield();
  });
  runner.run([&]() -> coil::Coro<void> {
    coil::create_task(coil_test::park_and_clean(log, "b", 1s));
    coil::create_task(fail());
    co_await coil::yield();
  });
  CHECK(log == "");
  runner.close();
  CHECK(log == "a cancelled;b cancelled;a cleaned;b cleaned;");
  CHECK(reports.take().error == "cleanup failed");
}

TEST_CASE("runner: stop() before a run lets it make one turn; the next run goes on with what it left") {
  coil_test::LeakCheck leaks;
  std::string log;
  auto main = [&]() -> coil::Coro<void> {
    log += "first turn;";
    co_await coil::yield();
    log += "second turn;";
  };
  coil::Runner runner(virtual_time);
  runner.loop().stop();
  CHECK(logic_error_of([&] { runner.run(main); }).find("stopped before") != std::string::npos);
  CHECK(log == "first turn;");
  CHECK(runner.run(five()) == 5);
  CHECK(log == "first turn;second turn;");
}

TEST_CASE("runner: stop() in one run does not stop the next") {
  coil_test::LeakCheck leaks;
  coil::Runner runner(virtual_time);
  auto main = [&]() -> coil::Coro<int> {
    runner.loop().stop();
    co_return 1;
  };
  CHECK(runner.run(main) == 1);
  CHECK(runner.run(five()) == 5);
}

TEST_CASE("runner: a task that stops the loop again and again does not keep close() from ending") {
  coil_test::LeakCheck leaks;
  std::string log;
  auto stubborn = [&]() -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(0);
    for (int i = 0; i < 3; ++i) {
      coil::get_running_loop().stop();
      co_await coil::sleep(1s);
    }
    log += "cleaned";
  };
  coil::Runner runner(virtual_time);
  runner.run([&]() -> coil::Coro<void> {
    coil::create_task(stubborn());
    co_await coil::yield();
  });
  runner.close();
  CHECK(log == "cleaned");
}

TEST_CASE("runner: a future made before the run can be set and awaited in it, and outlives the runner") {
  coil_test::LeakCheck leaks;
  coil::Future<int> future;
  {
    coil::Runner runner(virtual_time);
    future = runner.loop().create_future<int>();
    runner.loop().call_soon([&] { future.set_result(4); });
    auto main = [&]() -> coil::Coro<int> { co_return co_await future; };
    CHECK(runner.run(main) == 4);
  }
  CHECK(future.result() == 4);
}

TEST_CASE("runner: a callback queued before the run is called in it, before main") {
  coil_test::LeakCheck leaks;
  std::string log;
  coil::Runner runner(virtual_time);
  runner.loop().call_soon([&] { log += "callback;"; });
  runner.loop().call_later(1s, [&] { log += "timer;"; });
  runner.run([&]() -> coil::Coro<void> {
    log += "main;";
    co_await coil::sleep(2s);
  });
  CHECK(log == "callback;main;timer;");
}
