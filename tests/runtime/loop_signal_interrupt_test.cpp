// Handlers for SIGINT beside what `run` does with it.
#include <coil/run.hpp>

#include "../support/child.hpp"
#include "../support/disposition.hpp"
#include "../support/loop_test.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <thread>

using namespace std::chrono_literals;
using coil_test::goes_to;
using coil_test::in_child;
using coil_test::tell_parent;

namespace {

constexpr int interrupted = 130;

/// Exit status of a run of `main`: what it returns, or 130 after KeyboardInterrupt.
template <class Main>
int status_of(Main main) {
  try {
    return coil::run(main);
  } catch (const coil::KeyboardInterrupt&) {
    tell_parent("interrupted");
    return interrupted;
  }
}

}  // namespace

TEST_CASE("signal handler: one for SIGINT stands in for that of run: main goes on, however many come") {
  const auto child = in_child([] {
    auto main = []() -> coil::Coro<int> {
      int calls = 0;
      coil::get_running_loop().add_signal_handler(SIGINT, [&] { ++calls; });
      for (int i = 0; i < 3; ++i) {
        ::raise(SIGINT);
        co_await coil::sleep(1ms);
      }
      co_return calls;
    };
    const int status = status_of(main);
    return goes_to(SIGINT, SIG_DFL) ? status : 99;
  });
  CHECK(child.exited_with(3));
}

TEST_CASE("signal handler: when one for SIGINT is removed, SIGINT cancels main again, the next ends the process") {
  const auto child = in_child([] {
    auto main = []() -> coil::Coro<int> {
      auto& loop = coil::get_running_loop();
      loop.add_signal_handler(SIGINT, [] { tell_parent("handled"); });
      ::raise(SIGINT);
      co_await coil::sleep(1ms);
      loop.remove_signal_handler(SIGINT);
      ::raise(SIGINT);
      co_await coil_test::return_when_cancelled(0);
      tell_parent("cancelled");
      ::raise(SIGINT);
      tell_parent("survived");
      co_return 0;
    };
    return status_of(main);
  });
  CAPTURE(child.output);
  CHECK(child.killed_by(SIGINT));
  CHECK(child.output == "handled\ncancelled\n");
}

TEST_CASE("signal handler: one for SIGINT that comes and goes while main cleans up leaves the default disposition") {
  const auto child = in_child([] {
    auto main = []() -> coil::Coro<int> {
      auto& loop = coil::get_running_loop();
      ::raise(SIGINT);
      co_await coil_test::return_when_cancelled(0);
      loop.add_signal_handler(SIGINT, [] { tell_parent("handled"); });
      ::raise(SIGINT);
      co_await coil::sleep(1ms);
      loop.remove_signal_handler(SIGINT);
      co_return goes_to(SIGINT, SIG_DFL) ? 5 : 1;
    };
    return status_of(main);
  });
  CAPTURE(child.output);
  CHECK(child.exited_with(5));
  CHECK(child.output == "handled\n");
}

TEST_CASE("signal handler: one for SIGINT gets a SIGINT that run has not seen yet") {
  const auto child = in_child([] {
    auto main = []() -> coil::Coro<int> {
      int calls = 0;
      ::raise(SIGINT);
      coil::get_running_loop().add_signal_handler(SIGINT, [&] { ++calls; });
      co_await coil::sleep(1ms);
      co_return calls;
    };
    return status_of(main);
  });
  CHECK(child.exited_with(1));
}

TEST_CASE("signal handler: one for SIGINT that was there before run keeps run from taking it, until it is removed") {
  const auto child = in_child([] {
    int calls = 0;
    coil::Runner runner;
    runner.loop().add_signal_handler(SIGINT, [&] { ++calls; });
    auto first = [&]() -> coil::Coro<void> {
      ::raise(SIGINT);
      co_await coil::sleep(1ms);
    };
    runner.run(first);
    if (calls != 1) return 1;
    auto second = [&]() -> coil::Coro<void> {
      coil::get_running_loop().remove_signal_handler(SIGINT);
      ::raise(SIGINT);
      co_await coil::sleep(1h);
    };
    try {
      runner.run(second);
      return 2;
    } catch (const coil::KeyboardInterrupt&) {
      return calls == 1 ? 0 : 3;
    }
  });
  CHECK(child.exited_with(0));
}

TEST_CASE("signal handler: one for SIGINT in a loop of another thread takes it from a run, and gives it back") {
  const auto child = in_child([] {
    std::atomic<int> step{0};
    int handled = 0;
    std::thread other;
    auto in_thread = [&]() -> coil::Coro<void> {
      auto done = coil::get_running_loop().create_future<void>();
      coil::get_running_loop().add_signal_handler(SIGINT, [&, done] {
        ++handled;
        done.set_result();
      });
      step = 1;
      co_await done;
    };
    auto main = [&]() -> coil::Coro<int> {
      other = std::thread([&] {
        coil::run(in_thread);
        step = 2;
      });
      while (step < 1) co_await coil::sleep(1ms);
      ::kill(::getpid(), SIGINT);
      while (step < 2) co_await coil::sleep(1ms);
      ::kill(::getpid(), SIGINT);
      co_await coil::sleep(1h);
      co_return 1;
    };
    const int status = status_of(main);
    other.join();
    return handled == 1 ? status : 98;
  });
  CAPTURE(child.output);
  CHECK(child.exited_with(interrupted));
}

TEST_CASE("signal handler: one for SIGINT does not change that an ignored SIGINT stays ignored in run") {
  const auto child = in_child([] {
    ::signal(SIGINT, SIG_IGN);
    auto main = []() -> coil::Coro<int> {
      auto& loop = coil::get_running_loop();
      int calls = 0;
      loop.add_signal_handler(SIGINT, [&] { ++calls; });
      ::raise(SIGINT);
      co_await coil::sleep(1ms);
      loop.remove_signal_handler(SIGINT);
      ::raise(SIGINT);
      co_await coil::sleep(1ms);
      co_return calls;
    };
    return status_of(main);
  });
  CHECK(child.exited_with(1));
}
