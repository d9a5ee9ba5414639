// Exception handlers, debug mode and stop().
#include <coil/loop.hpp>

#include "../support/child.hpp"
#include "../support/loop_test.hpp"

#include <string>

using namespace std::chrono_literals;

TEST_CASE("exception handler: the default one writes message and exception to stderr, and the loop goes on") {
  const auto child = coil_test::in_child([] {
    auto main = []() -> coil::Coro<int> {
      coil::get_running_loop().call_soon([] { throw std::runtime_error("nobody catches this"); });
      co_await coil::yield();
      co_await coil::yield();
      co_return 5;
    };
    return coil::run(main);
  });
  CAPTURE(child.output);
  CHECK(child.exited_with(5));
  CHECK(child.said("nobody catches this"));
}

TEST_CASE("exception handler: the default one names a failed task and where it was created") {
  const auto child = coil_test::in_child([] {
    auto main = []() -> coil::Coro<int> {
      coil::create_task(coil_test::fail_after(0s, "lost"), {.name = "orphan"});
      co_await coil::sleep(1s);
      co_return 5;
    };
    return coil::run(main, coil_test::virtual_time);
  });
  CAPTURE(child.output);
  CHECK(child.exited_with(5));
  CHECK(child.said("lost"));
  CHECK(child.said("orphan"));
  CHECK(child.said("loop_handler_test.cpp"));
}

TEST_CASE("exception handler: one that throws is itself reported and never ends the loop") {
  const auto child = coil_test::in_child([] {
    auto main = []() -> coil::Coro<int> {
      auto& loop = coil::get_running_loop();
      loop.set_exception_handler([](const coil::ErrorContext&) { throw std::runtime_error("the handler is broken"); });
      loop.call_soon([] { throw std::runtime_error("the first failure"); });
      co_await coil::sleep(1s);
      co_return 5;
    };
    return coil::run(main, coil_test::virtual_time);
  });
  CAPTURE(child.output);
  CHECK(child.exited_with(5));
  CHECK(child.said("the handler is broken"));
}

TEST_CASE("exception handler: an empty one brings the default back") {
  const auto child = coil_test::in_child([] {
    auto main = []() -> coil::Coro<int> {
      auto& loop = coil::get_running_loop();
      loop.set_exception_handler([](const coil::ErrorContext&) {});
      loop.set_exception_handler({});
      loop.call_soon([] { throw std::runtime_error("seen again"); });
      co_await coil::sleep(1s);
      co_return 5;
    };
    return coil::run(main, coil_test::virtual_time);
  });
  CAPTURE(child.output);
  CHECK(child.exited_with(5));
  CHECK(child.said("seen again"));
}

TEST_CASE("exception handler: each loop has its own") {
  coil_test::Reports reports;
  auto fail = [&]() -> coil::Coro<void> {
    reports.collect_from(coil::get_running_loop());
    coil::get_running_loop().call_soon([] { throw std::runtime_error("collected"); });
    co_await coil::sleep(1s);
  };
  coil::run(fail, coil_test::virtual_time);
  CHECK(reports.take().error == "collected");
  const auto child = coil_test::in_child([] {
    auto again = []() -> coil::Coro<void> {
      coil::get_running_loop().call_soon([] { throw std::runtime_error("not collected"); });
      co_await coil::sleep(1s);
    };
    coil::run(again, coil_test::virtual_time);
    return 0;
  });
  CHECK(child.said("not collected"));
}

TEST_CASE("debug mode: COIL_DEBUG=1 in the environment turns it on") {
  const auto child = coil_test::in_child([] {
    ::setenv("COIL_DEBUG", "1", 1);
    int reported = 0;
    auto main = [&]() -> coil::Coro<void> {
      coil::get_running_loop().set_exception_handler([&](const coil::ErrorContext& context) {
        if (context.message.find("was never awaited") != std::string::npos) ++reported;
      });
      {
        auto forgotten = coil_test::value_after(1s, 0);
      }
      co_await coil::yield();
    };
    coil::run(main, coil_test::virtual_time);
    return reported == 1 ? 0 : 1;
  });
  CHECK(child.exited_with(0));
}

TEST_CASE("debug mode: a callback slower than slow_callback_duration is reported") {
  const auto child = coil_test::in_child([] {
    auto main = []() -> coil::Coro<void> {
      coil::get_running_loop().call_soon([] {
        const auto end = std::chrono::steady_clock::now() + 20ms;
        while (std::chrono::steady_clock::now() < end) {
        }
      });
      co_await coil::yield();
      co_await coil::yield();
    };
    coil::run(main, {.debug = true, .slow_callback_duration = 10ms});
    return 0;
  });
  CAPTURE(child.output);
  CHECK(child.exited_with(0));
  CHECK(child.output != "");
}

TEST_CASE("stop: ends the run with a logic_error, after the callbacks that were ready, and cleans up main") {
  coil_test::LeakCheck leaks;
  std::string log;
  auto main = [&]() -> coil::Coro<void> {
    auto& loop = coil::get_running_loop();
    loop.stop();
    loop.call_soon([&] { log += "ready;"; });
    try {
      co_await coil::sleep(1h);
    } catch (const coil::CancelledError&) {
      log += "main cancelled;";
      throw;
    }
  };
  CHECK_THROWS_AS(coil::run(main, coil_test::virtual_time), std::logic_error);
  CHECK(log == "ready;main cancelled;");
}

TEST_CASE("stop: in a main that ends in the same turn changes nothing") {
  auto main = [&]() -> coil::Coro<int> {
    coil::get_running_loop().stop();
    co_return 4;
  };
  CHECK(coil::run(main, coil_test::virtual_time) == 4);
}

LOOP_TEST("handler: one that sets another one lives until it returns") {
  std::string log;
  coil::Loop& loop = coil::get_running_loop();
  loop.set_exception_handler([&log, &loop, name = std::string(100, 'x')](const coil::ErrorContext&) {
    loop.set_exception_handler([&log](const coil::ErrorContext&) { log += "second;"; });
    log += name + ";";
  });
  loop.call_exception_handler({.message = "a"});
  loop.call_exception_handler({.message = "b"});
  CHECK(log == std::string(100, 'x') + ";second;");
  reports.collect_from(loop);
  co_await coil::yield();
}
