// SIGINT at the edges of a run: as main ends, while others clean up, run after run.
#include <coil/run.hpp>

#include "../support/child.hpp"
#include "../support/loop_test.hpp"

#include <signal.h>

using namespace std::chrono_literals;
using coil_test::in_child;
using coil_test::tell_parent;

namespace {

constexpr int interrupted = 130;

}  // namespace

TEST_CASE("SIGINT: in the last step of a main that returns a value is not lost, as in asyncio") {
  const auto child = in_child([] {
    auto main = []() -> coil::Coro<int> {
      co_await coil::yield();
      ::raise(SIGINT);
      co_return 5;
    };
    try {
      return coil::run(main);
    } catch (const coil::KeyboardInterrupt&) {
      return interrupted;
    }
  });
  CHECK(child.exited_with(interrupted));
}

TEST_CASE("SIGINT: in the turn in which main has ended is not lost, as in asyncio") {
  const auto child = in_child([] {
    auto main = []() -> coil::Coro<int> {
      auto& loop = coil::get_running_loop();
      auto trigger = loop.create_future<void>();
      loop.call_soon([&loop, trigger] {
        trigger.set_result();
        loop.call_soon([] { ::raise(SIGINT); });  // behind main's last step
      });
      co_await trigger;
      co_return 5;
    };
    try {
      return coil::run(main);
    } catch (const coil::KeyboardInterrupt&) {
      return interrupted;
    }
  });
  CHECK(child.exited_with(interrupted));
}

TEST_CASE("SIGINT: in the last step of a main that throws leaves the exception of main, as in asyncio") {
  const auto child = in_child([] {
    auto main = []() -> coil::Coro<int> {
      co_await coil::yield();
      ::raise(SIGINT);
      throw std::runtime_error("mine");
    };
    try {
      return coil::run(main);
    } catch (const std::runtime_error&) {
      return 6;
    }
  });
  CHECK(child.exited_with(6));
}

TEST_CASE("SIGINT: a main that was cancelled before is not turned into KeyboardInterrupt") {
  const auto child = in_child([] {
    auto cancel = [](coil::TaskRef task) -> coil::Coro<void> {
      co_await coil::yield();
      task.cancel();
      ::raise(SIGINT);
    };
    auto main = [&]() -> coil::Coro<void> {
      coil::create_task(cancel, coil::current_task());
      co_await coil::sleep(1h);
    };
    try {
      coil::run(main);
    } catch (const coil::CancelledError&) {
      return 7;
    }
    return 1;
  });
  CHECK(child.exited_with(7));
}

TEST_CASE("SIGINT: while main waits for a future cancels that as well") {
  const auto child = in_child([] {
    coil::Runner runner;
    auto future = runner.loop().create_future<void>();
    auto main = [&]() -> coil::Coro<void> {
      ::raise(SIGINT);
      co_await future;
    };
    try {
      runner.run(main);
    } catch (const coil::KeyboardInterrupt&) {
      return future.cancelled() ? interrupted : 2;
    }
    return 1;
  });
  CHECK(child.exited_with(interrupted));
}

TEST_CASE("SIGINT: while main does nothing but yield cancels it") {
  const auto child = in_child([] {
    auto main = []() -> coil::Coro<void> {
      coil::get_running_loop().call_later(1ms, [] { ::raise(SIGINT); });
      for (;;) co_await coil::yield();
    };
    try {
      coil::run(main);
    } catch (const coil::KeyboardInterrupt&) {
      return interrupted;
    }
    return 1;
  });
  CHECK(child.exited_with(interrupted));
}

TEST_CASE("SIGINT: while the tasks that are left clean up ends the process, main has ended") {
  const auto child = in_child([] {
    auto clean = []() -> coil::Coro<void> {
      co_await coil_test::return_when_cancelled(0);
      tell_parent("cleaning");
      ::raise(SIGINT);
      tell_parent("survived");
    };
    auto main = [&]() -> coil::Coro<void> {
      coil::create_task(clean());
      co_await coil::yield();
    };
    coil::run(main);
    return 0;
  });
  CAPTURE(child.output);
  CHECK(child.killed_by(SIGINT));
  CHECK(child.output == "cleaning\n");
}

TEST_CASE("SIGINT: a Runner takes it anew in each run") {
  const auto child = in_child([] {
    coil::Runner runner;
    auto interrupted_main = []() -> coil::Coro<void> {
      ::raise(SIGINT);
      co_await coil::sleep(1h);
    };
    auto main = []() -> coil::Coro<int> {
      ::raise(SIGINT);
      co_return co_await coil_test::return_when_cancelled(3);
    };
    for (int round = 0; round < 2; ++round) {
      try {
        runner.run(interrupted_main);
        return 1;
      } catch (const coil::KeyboardInterrupt&) {
      }
    }
    return runner.run(main);
  });
  CHECK(child.exited_with(3));
}
