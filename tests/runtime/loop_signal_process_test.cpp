// Signal handlers beside threads and forked children.
#include <coil/run.hpp>

#include "../support/child.hpp"
#include "../support/disposition.hpp"
#include "../support/loop_test.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using coil_test::goes_to;
using coil_test::in_child;
using coil_test::tell_parent;

namespace {

constexpr int interrupted = 130;

void ignore_quietly(int) {}

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

TEST_CASE("signal handler: a signal from another process wakes a loop that sleeps in the kernel") {
  int sent = 0;
  const auto child = in_child(
      [] {
        auto main = []() -> coil::Coro<int> {
          auto done = coil::get_running_loop().create_future<int>();
          coil::get_running_loop().add_signal_handler(SIGTERM, [done] { done.set_result(7); });
          tell_parent("ready");
          const int value = co_await done;
          co_return value;
        };
        return coil::run(main);
      },
      [&](pid_t pid, const std::string&) {
        if (sent++ == 0) ::kill(pid, SIGTERM);
      });
  CHECK(child.exited_with(7));
}

TEST_CASE("signal handler: a signal that another thread of the process receives wakes the loop as well") {
  for (const bool directed_at_thread : {true, false}) {
    CAPTURE(directed_at_thread);
    coil_test::LeakCheck leaks;
    std::thread::id called_in;
    std::atomic<bool> ended{false};
    auto main = [&]() -> coil::Coro<void> {
      auto& loop = coil::get_running_loop();
      auto done = loop.create_future<void>();
      loop.add_signal_handler(SIGUSR1, [&, done] {
        called_in = std::this_thread::get_id();
        done.set_result();
      });
      std::thread other([&] {
        if (directed_at_thread)
          ::pthread_kill(::pthread_self(), SIGUSR1);
        else
          ::kill(::getpid(), SIGUSR1);
        while (!ended) std::this_thread::yield();
      });
      co_await done;
      ended = true;
      other.join();
    };
    coil::run(main);
    CHECK(called_in == std::this_thread::get_id());
  }
}

TEST_CASE("add_signal_handler: a signal that another loop handles is a logic_error; others each may have") {
  std::atomic<int> step{0};
  const auto wait_for_step = [&](int wanted) {
    while (step < wanted) std::this_thread::yield();
  };
  int first_calls = 0;
  int second_calls = 0;
  std::string refused;
  std::thread other([&] {
    auto main = [&]() -> coil::Coro<void> {
      coil::get_running_loop().add_signal_handler(SIGUSR1, [&] { ++first_calls; });
      step = 1;
      wait_for_step(2);
      co_await coil::yield();
      co_await coil::yield();
    };
    coil::run(main);
    step = 3;
  });
  auto main = [&]() -> coil::Coro<void> {
    auto& loop = coil::get_running_loop();
    wait_for_step(1);
    try {
      loop.add_signal_handler(SIGUSR1, [&] { ++second_calls; });
    } catch (const std::logic_error& error) {
      refused = error.what();
    }
    CHECK(!loop.remove_signal_handler(SIGUSR1));
    loop.add_signal_handler(SIGUSR2, [&] { ++second_calls; });
    ::kill(::getpid(), SIGUSR1);
    ::kill(::getpid(), SIGUSR2);
    step = 2;
    co_await coil::yield();
    co_await coil::yield();
    wait_for_step(3);
    loop.add_signal_handler(SIGUSR1, [&] { second_calls += 10; });  // it is free again
    ::kill(::getpid(), SIGUSR1);
    co_await coil::yield();
    co_await coil::yield();
  };
  coil::run(main);
  other.join();
  CHECK(refused == "coil: add_signal_handler(): another loop handles SIGUSR1 already");
  CHECK(first_calls == 1);
  CHECK(second_calls == 11);
}

LOOP_TEST("add_signal_handler, remove_signal_handler: from another thread they are a logic_error") {
  auto& loop = coil::get_running_loop();
  int refused = 0;
  std::thread([&] {
    try {
      loop.add_signal_handler(SIGUSR1, [] {});
    } catch (const std::logic_error&) {
      ++refused;
    }
    try {
      loop.remove_signal_handler(SIGUSR1);
    } catch (const std::logic_error&) {
      ++refused;
    }
  }).join();
  CHECK(refused == 2);
  co_await coil::yield();
}

TEST_CASE("signal handler: added and removed while other threads send the signal without pause") {
  coil_test::LeakCheck leaks;
  const coil_test::Disposition ignored(SIGUSR1, SIG_IGN);
  std::atomic<bool> ended{false};
  std::vector<std::thread> senders;
  for (int i = 0; i < 3; ++i)
    senders.emplace_back([&] {
      while (!ended) ::kill(::getpid(), SIGUSR1);
    });
  int calls = 0;
  for (int round = 0; round < 20; ++round) {
    auto main = [&]() -> coil::Coro<void> {
      auto& loop = coil::get_running_loop();
      for (int i = 0; i < 50; ++i) {
        bool called = false;
        loop.add_signal_handler(SIGUSR1, [&] {
          called = true;
          ++calls;
        });
        while (!called) co_await coil::yield();
        loop.remove_signal_handler(SIGUSR1);
      }
      loop.add_signal_handler(SIGUSR1, [] {});  // the end of the loop removes it
    };
    coil::run(main);
  }
  ended = true;
  for (std::thread& sender : senders) sender.join();
  CHECK(calls >= 20 * 50);
  CHECK(goes_to(SIGUSR1, SIG_IGN));
}

TEST_CASE("signals: a thousand a second disturb no timer, no callback from another thread and no handler") {
  for (const bool handled_by_loop : {false, true}) {
    CAPTURE(handled_by_loop);
    const auto child = in_child([handled_by_loop] {
      struct sigaction action{};
      action.sa_handler = ignore_quietly;  // without SA_RESTART: what can be interrupted is
      ::sigaction(SIGALRM, &action, nullptr);
      const itimerval often{{0, 1000}, {0, 1000}};
      int calls = 0;
      int timers = 0;
      std::atomic<int> posted{0};
      auto main = [&]() -> coil::Coro<void> {
        auto& loop = coil::get_running_loop();
        if (handled_by_loop) loop.add_signal_handler(SIGALRM, [&] { ++calls; });
        ::setitimer(ITIMER_REAL, &often, nullptr);
        std::thread poster([&] {
          for (int i = 0; i < 50; ++i) {
            loop.call_soon_threadsafe([&] { ++posted; });
            std::this_thread::sleep_for(1ms);
          }
        });
        for (; timers < 50; ++timers) {
          const auto start = loop.time();
          co_await coil::sleep(3ms);
          if (loop.time() - start < 3ms) break;
        }
        while (posted < 50) co_await coil::sleep(1ms);
        poster.join();
        const itimerval never{};
        ::setitimer(ITIMER_REAL, &never, nullptr);
      };
      coil::run(main);
      if (timers != 50) return 1;
      return handled_by_loop && calls < 10 ? 2 : 0;
    });
    CHECK(child.exited_with(0));
  }
}

// ---- Children --------------------------------------------------------------------------------------------

TEST_CASE("signal handler: a forked child has the dispositions of before, and its signals do not reach the parent") {
  const auto child = in_child([] {
    ::signal(SIGUSR2, SIG_IGN);
    auto main = []() -> coil::Coro<int> {
      auto& loop = coil::get_running_loop();
      int calls = 0;
      loop.add_signal_handler(SIGTERM, [&] { ++calls; });
      loop.add_signal_handler(SIGUSR2, [&] { ++calls; });
      const pid_t forked = ::fork();
      if (forked == 0) {
        if (!goes_to(SIGINT, SIG_DFL) || !goes_to(SIGUSR2, SIG_IGN)) ::_exit(9);
        ::raise(SIGTERM);
        ::_exit(8);
      }
      int status = 0;
      ::waitpid(forked, &status, 0);
      co_await coil::sleep(1ms);
      if (calls != 0) co_return 1;
      if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGTERM) co_return 2;
      ::raise(SIGTERM);
      co_await coil::sleep(1ms);
      co_return calls == 1 ? 0 : 3;
    };
    return status_of(main);
  });
  CAPTURE(child.output);
  CHECK(child.exited_with(0));
}

TEST_CASE("signal handler: a forked child can run a loop with handlers of its own") {
  const auto child = in_child([] {
    auto main = []() -> coil::Coro<int> {
      coil::get_running_loop().add_signal_handler(SIGTERM, [] {});
      const pid_t forked = ::fork();
      if (forked == 0) {
        int status = 9;
        std::thread([&] {  // a thread has no loop of the parent
          auto in_child = []() -> coil::Coro<int> {
            auto done = coil::get_running_loop().create_future<int>();
            coil::get_running_loop().add_signal_handler(SIGTERM, [done] { done.set_result(4); });
            ::kill(::getpid(), SIGTERM);
            const int value = co_await done;
            co_return value;
          };
          status = coil::run(in_child);
        })
            .join();
        ::_exit(status);
      }
      int status = 0;
      ::waitpid(forked, &status, 0);
      co_return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
    };
    return status_of(main);
  });
  CAPTURE(child.output);
  CHECK(child.exited_with(4));
}

TEST_CASE("signal handler: needs no rights") {
  const auto child = in_child([] {
    if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) return 98;
    auto main = []() -> coil::Coro<int> {
      int calls = 0;
      coil::get_running_loop().add_signal_handler(SIGHUP, [&] { ++calls; });
      ::kill(::getpid(), SIGHUP);
      co_await coil::sleep(1ms);
      co_return calls;
    };
    return status_of(main);
  });
  CHECK(child.exited_with(1));
}
