// SIGINT and SIGPIPE during a run. Each in a child process, whose end is what is looked at.
#include <coil/run.hpp>

#include "../support/child.hpp"
#include "../support/loop_test.hpp"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <string>

using namespace std::chrono_literals;
using coil_test::in_child;
using coil_test::tell_parent;
using Handler = void (*)(int);

namespace {

constexpr int interrupted = 130;

Handler disposition(int signal) {
  struct sigaction current{};
  ::sigaction(signal, nullptr, &current);
  return current.sa_handler;
}

void ignore_quietly(int) {}

// Sleeps until it is cancelled, then cleans up, which takes a moment, and tells of both.
coil::Coro<void> wait_and_clean() {
  bool cancelled = false;
  try {
    co_await coil::sleep(1h);
  } catch (const coil::CancelledError&) {
    cancelled = true;
  }
  tell_parent(cancelled ? "cancelled" : "not cancelled");
  co_await coil::sleep(1ms);
  tell_parent("cleaned");
  if (cancelled) throw coil::CancelledError();
}

}  // namespace

TEST_CASE("SIGINT: cancels main, whose cleanup runs, then run throws KeyboardInterrupt") {
  const auto child = in_child([] {
    auto main = []() -> coil::Coro<void> {
      ::raise(SIGINT);
      co_await wait_and_clean();
    };
    try {
      coil::run(main);
    } catch (const coil::KeyboardInterrupt&) {
      tell_parent("interrupted");
      return interrupted;
    }
    return 0;
  });
  CAPTURE(child.output);
  CHECK(child.exited_with(interrupted));
  CHECK(child.output == "cancelled\ncleaned\ninterrupted\n");
}

TEST_CASE("SIGINT: from another process ends a loop that waits in the kernel") {
  bool sent = false;
  const auto child = in_child(
      [] {
        auto main = []() -> coil::Coro<void> {
          tell_parent("ready");
          co_await wait_and_clean();
        };
        try {
          coil::run(main);
        } catch (const coil::KeyboardInterrupt&) {
          return interrupted;
        }
        return 0;
      },
      [&](pid_t pid, const std::string&) {
        if (!sent) ::kill(pid, SIGINT);
        sent = true;
      });
  CAPTURE(child.output);
  CHECK(child.exited_with(interrupted));
  CHECK(child.output == "ready\ncancelled\ncleaned\n");
}

TEST_CASE("SIGINT: when main catches the cancellation and returns, run returns its value") {
  const auto child = in_child([] {
    auto main = []() -> coil::Coro<int> {
      ::raise(SIGINT);
      const int value = co_await coil_test::return_when_cancelled(7);
      co_return value;
    };
    return coil::run(main);
  });
  CHECK(child.exited_with(7));
}

TEST_CASE("SIGINT: when main answers with an exception of its own, run throws that") {
  const auto child = in_child([] {
    auto main = []() -> coil::Coro<void> {
      ::raise(SIGINT);
      co_await coil_test::return_when_cancelled(7);
      throw std::runtime_error("could not stop");
    };
    try {
      coil::run(main);
    } catch (const std::runtime_error&) {
      return 5;
    }
    return 0;
  });
  CHECK(child.exited_with(5));
}

TEST_CASE("SIGINT: reaches main inside what it awaits, and tasks that are left are cancelled and awaited") {
  const auto child = in_child([] {
    auto work = []() -> coil::Coro<void> {
      co_await coil_test::return_when_cancelled(0);
      co_await coil::sleep(1ms);
      tell_parent("left one cleaned");
    };
    auto main = [&]() -> coil::Coro<void> {
      coil::create_task(work());
      auto inner = coil::create_task(wait_and_clean());
      co_await coil::yield();
      ::raise(SIGINT);
      co_await inner;
    };
    try {
      coil::run(main);
    } catch (const coil::KeyboardInterrupt&) {
      return interrupted;
    }
    return 0;
  });
  CAPTURE(child.output);
  CHECK(child.exited_with(interrupted));
  CHECK(child.output == "cancelled\ncleaned\nleft one cleaned\n");
}

TEST_CASE("SIGINT: a second one while the first is being handled ends the process by the signal") {
  const auto child = in_child([] {
    auto main = []() -> coil::Coro<void> {
      ::raise(SIGINT);
      co_await coil_test::return_when_cancelled(0);
      tell_parent("cleaning");
      ::raise(SIGINT);
      tell_parent("survived");
      co_await coil::sleep(1h);
    };
    try {
      coil::run(main);
    } catch (const coil::KeyboardInterrupt&) {
      return interrupted;
    }
    return 0;
  });
  CAPTURE(child.output);
  CHECK(child.killed_by(SIGINT));
  CHECK(child.output == "cleaning\n");
}

TEST_CASE("SIGINT: a main that never suspends is not cut off, a second SIGINT ends it") {
  const auto child = in_child([] {
    auto main = []() -> coil::Coro<void> {
      ::raise(SIGINT);
      tell_parent("still here");
      ::raise(SIGINT);
      tell_parent("survived");
      co_return;
    };
    try {
      coil::run(main);
    } catch (const coil::KeyboardInterrupt&) {
      return interrupted;
    }
    return 0;
  });
  CAPTURE(child.output);
  CHECK(child.killed_by(SIGINT));
  CHECK(child.output == "still here\n");
}

TEST_CASE("SIGINT and SIGPIPE: run restores the dispositions that it changed") {
  const auto child = in_child([] {
    ::signal(SIGINT, SIG_DFL);
    ::signal(SIGPIPE, SIG_DFL);
    bool changed = false;
    auto main = [&]() -> coil::Coro<void> {
      changed = disposition(SIGINT) != SIG_DFL && disposition(SIGPIPE) == SIG_IGN;
      co_await coil::yield();
    };
    coil::run(main);
    if (!changed) return 1;
    if (disposition(SIGINT) != SIG_DFL) return 2;
    if (disposition(SIGPIPE) != SIG_DFL) return 3;
    return 0;
  });
  CHECK(child.exited_with(0));
}

TEST_CASE("SIGINT: run restores the disposition after KeyboardInterrupt as well") {
  const auto child = in_child([] {
    auto main = []() -> coil::Coro<void> {
      ::raise(SIGINT);
      co_await coil::sleep(1h);
    };
    for (int round = 0; round < 2; ++round) {
      try {
        coil::run(main);
        return 1;
      } catch (const coil::KeyboardInterrupt&) {
        if (disposition(SIGINT) != SIG_DFL) return 2;
      }
    }
    return 0;
  });
  CHECK(child.exited_with(0));
}

TEST_CASE("SIGINT and SIGPIPE: dispositions that are not the default are left alone") {
  const auto child = in_child([] {
    ::signal(SIGINT, ignore_quietly);
    ::signal(SIGPIPE, ignore_quietly);
    bool left_alone = false;
    auto main = [&]() -> coil::Coro<void> {
      left_alone = disposition(SIGINT) == ignore_quietly && disposition(SIGPIPE) == ignore_quietly;
      ::raise(SIGINT);
      co_await coil::sleep(1ms);
    };
    coil::run(main);
    if (!left_alone) return 1;
    if (disposition(SIGINT) != ignore_quietly || disposition(SIGPIPE) != ignore_quietly) return 2;
    return 0;
  });
  CHECK(child.exited_with(0));
}

TEST_CASE("SIGINT: ignored before run it stays ignored") {
  const auto child = in_child([] {
    ::signal(SIGINT, SIG_IGN);
    auto main = []() -> coil::Coro<int> {
      ::raise(SIGINT);
      const int value = co_await coil_test::value_after(1ms, 6);
      co_return value;
    };
    return coil::run(main);
  });
  CHECK(child.exited_with(6));
}

TEST_CASE("SIGPIPE: during a run a broken pipe is EPIPE") {
  const auto child = in_child([] {
    ::signal(SIGPIPE, SIG_DFL);
    auto main = []() -> coil::Coro<int> {
      int ends[2];
      if (::pipe(ends) != 0) co_return 1;
      ::close(ends[0]);
      const bool refused = ::write(ends[1], "x", 1) == -1 && errno == EPIPE;
      co_await coil::yield();
      co_return refused ? 0 : 2;
    };
    return coil::run(main);
  });
  CHECK(child.exited_with(0));
}

TEST_CASE("SIGINT: in virtual time, too") {
  const auto child = in_child([] {
    auto main = []() -> coil::Coro<void> {
      ::raise(SIGINT);
      co_await wait_and_clean();
    };
    try {
      coil::run(main, coil_test::virtual_time);
    } catch (const coil::KeyboardInterrupt&) {
      return interrupted;
    }
    return 0;
  });
  CAPTURE(child.output);
  CHECK(child.exited_with(interrupted));
}
