// fork(2) by hand, beside loops.
#include "../support/child.hpp"
#include "../support/loop_test.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using coil::Coro;
using coil_test::in_child;

namespace {

int status_of(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

Coro<int> sleep_and_give(int value) {
  co_await coil::sleep(1ms);
  co_return value;
}

bool is_at_default(int signal) {
  struct sigaction current{};
  ::sigaction(signal, nullptr, &current);
  return current.sa_handler == SIG_DFL;
}

}  // namespace

TEST_CASE("fork: a child may run a loop of its own, and the parent's goes on") {
  const auto result = in_child([] {
    return coil::run([]() -> Coro<int> {
      const pid_t child = ::fork();
      if (child == 0) ::_exit(coil::run(sleep_and_give(5)));
      const int code = status_of(child);
      const int more = co_await sleep_and_give(10);
      co_return code + more;
    });
  });
  CHECK(result.exited_with(15));
}

TEST_CASE("fork: a child may run a loop while another thread runs one in the parent") {
  std::atomic<bool> stop{false};
  std::thread thread([&] {
    coil::run([&]() -> Coro<void> {
      while (!stop) co_await coil::sleep(100us);
    });
  });
  int sum = 0;
  for (int round = 0; round < 20; ++round) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(coil::run(sleep_and_give(1)));
    sum += status_of(child);
  }
  stop = true;
  thread.join();
  CHECK(sum == 20);
}

TEST_CASE("fork: a child has the dispositions of signals that were there before any loop ran") {
  const auto result = in_child([] {
    return coil::run([]() -> Coro<int> {
      co_await coil::yield();
      if (is_at_default(SIGINT) || is_at_default(SIGPIPE)) co_return 50;
      const pid_t child = ::fork();
      if (child == 0) ::_exit(is_at_default(SIGINT) && is_at_default(SIGPIPE) ? 1 : 2);
      co_return status_of(child);
    });
  });
  CHECK(result.exited_with(1));
}

TEST_CASE("fork: a child has no descriptor of the loops") {
  const auto before = coil_test::open_descriptors();
  const auto result = in_child([&] {
    return coil::run([&]() -> Coro<int> {
      co_await coil::yield();
      if (coil_test::open_descriptors() == before) co_return 50;
      const pid_t child = ::fork();
      if (child == 0) {
        for (const auto& [number, target] : coil_test::open_descriptors())
          if (target.find("[io_uring]") != target.npos || target.find("[eventfd]") != target.npos) ::_exit(2);
        ::_exit(1);
      }
      co_return status_of(child);
    });
  });
  CHECK(result.exited_with(1));
}
