// What a forked child has of its parent, and what it has not: descriptors, signals, threads, what stdio had buffered.
#include <coil/fork_process.hpp>

#include "../support/process_test.hpp"

#include <signal.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using coil::Coro;
using coil::fork_process;
using coil::ForkedProcess;
using coil::MessagePipe;
using coil::Process;
using coil_test::settle;

namespace {

Coro<void> wait_for_end(MessagePipe& pipe) {
  const auto end = co_await pipe.recv();
  static_cast<void>(end);
}

/// What the open descriptors refer to, a line each.
std::string descriptors() {
  std::string found;
  for (const auto& [number, target] : coil_test::open_descriptors()) found += target + "\n";
  return found;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

PROCESS_TEST("fork_process: the child has none of the descriptors that are coil's own here") {
  const std::string before = descriptors();
  Process beside = co_await coil_test::start_waiting();
  ForkedProcess sibling = fork_process(wait_for_end);
  ForkedProcess child = fork_process([](MessagePipe& pipe) -> Coro<void> { co_await pipe.send(descriptors()); });
  const auto listed = co_await child.pipe().recv();
  // It has a ring and an eventfd of its own loop, as we have, and its end of the pipe.
  CHECK_MESSAGE(count(*listed, "[io_uring]") == 1, *listed);
  CHECK(count(*listed, "[eventfd]") == count(before, "[eventfd]"));
  CHECK(count(*listed, "socket:") == count(before, "socket:") + 1);
  CHECK(count(*listed, "[pidfd") == 0);
  CHECK(count(*listed, "pipe:") == count(before, "pipe:"));
}

PROCESS_TEST("fork_process: the child has the program's own descriptors") {
  const coil_test::Ends pipe = coil_test::make_pipe();
  ForkedProcess child =
      fork_process([&](MessagePipe&) -> Coro<void> { co_await coil::write_all(pipe.in, "inherited"); });
  const std::string text = co_await coil_test::read_text(pipe.out);
  CHECK(text == "inherited");
}

PROCESS_TEST("fork_process: a child that lives on holds open neither a sibling's pipe nor a process's stdin") {
  ForkedProcess first = fork_process(wait_for_end);
  Process cat = co_await coil::create_subprocess_exec(coil_test::shell("cat; exit 3"));
  ForkedProcess second = fork_process(wait_for_end);
  first.pipe().close();
  cat.stdin_().close();
  const int ended = co_await first.process().wait();
  const int code = co_await cat.wait();
  CHECK(ended == 0);
  CHECK(code == 3);
}

PROCESS_TEST("fork_process: a pipe end that is moved into the child works there") {
  auto [near, far] = MessagePipe::pair();
  ForkedProcess child =
      fork_process([](MessagePipe&, MessagePipe given) -> Coro<void> { co_await given.send("through the other pipe"); },
                   std::move(far));
  const auto message = co_await near.recv();
  const auto end = co_await near.recv();
  CHECK(message == "through the other pipe");
  CHECK(!end.has_value());
}

PROCESS_TEST("fork_process: what stdio has buffered is written once, and the child's as well") {
  const coil_test::TemporaryDirectory folder;
  const std::string path = folder / "log";
  std::FILE* file = std::fopen(path.c_str(), "w");
  std::fputs("parent\n", file);
  ForkedProcess child = fork_process([&](MessagePipe&) -> Coro<void> {
    std::fputs("child\n", file);
    co_return;
  });
  co_await child.process().wait();
  std::fputs("after\n", file);
  std::fclose(file);
  CHECK(coil_test::content_of(path) == "parent\nchild\nafter\n");
}

PROCESS_TEST("fork_process: nothing of std::atexit and no destructor of a static object runs in the child") {
  static int exit_fd = -1;
  static pid_t here = 0;
  static const int registered = std::atexit([] {
    if (exit_fd >= 0 && ::getpid() != here) coil_test::put(exit_fd, "atexit ran");
  });
  REQUIRE(registered == 0);
  const coil_test::Ends pipe = coil_test::make_pipe();
  exit_fd = pipe.in;
  here = ::getpid();
  ForkedProcess child = fork_process([](MessagePipe&) -> Coro<void> { co_return; });
  co_await child.process().wait();
  exit_fd = -1;
  CHECK(coil_test::take_all(pipe.out).empty());
}

// ---- Signals ---------------------------------------------------------------------------------------------

PROCESS_TEST("fork_process: handlers of signals give way to the defaults, and none is blocked") {
  ::signal(SIGUSR1, [](int) {});
  sigset_t block;
  sigset_t before;
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &block, &before);
  ForkedProcess child = fork_process(wait_for_end);
  sigset_t now;
  ::pthread_sigmask(SIG_SETMASK, &before, &now);
  ::signal(SIGUSR1, SIG_DFL);
  CHECK(sigismember(&now, SIGUSR1) == 1);  // here it is as it was
  CHECK(sigismember(&now, SIGUSR2) == 0);
  child.process().send_signal(SIGUSR1);
  const int code = co_await child.process().wait();
  CHECK(code == -SIGUSR1);
}

PROCESS_TEST("fork_process: the child's loop cares for SIGPIPE and SIGINT as any first loop does") {
  ForkedProcess child = fork_process([](MessagePipe& pipe) -> Coro<void> {
    const std::string status = coil_test::content_of("/proc/self/status");
    co_await pipe.send(status.substr(status.find("SigIgn"), 60));
  });
  const auto status = co_await child.pipe().recv();
  CHECK_MESSAGE(status->find("SigIgn:\t0000000000001000\nSigCgt:\t0000000000000002") == 0, *status);
}

PROCESS_TEST("fork_process: children have the slack of timers that this thread had before its loop ran") {
  coil::Command command("cat", "/proc/self/timerslack_ns");
  Process process = co_await coil::create_subprocess_exec(command.stdout_(coil::piped));
  const Process::Output output = co_await process.communicate();
  CHECK(output.out == std::to_string(coil::detail::timer_slack_before_run) + "\n");
  CHECK(coil::detail::timer_slack_before_run > 1);
  ForkedProcess child =
      fork_process([](MessagePipe& pipe) -> Coro<void> { co_await pipe.send(coil::detail::timer_slack_before_run); });
  const auto slack = co_await child.pipe().recv<int>();
  CHECK(slack == coil::detail::timer_slack_before_run);
}

// ---- Threads ---------------------------------------------------------------------------------------------

TEST_CASE("fork_process: with threads that allocate, run loops and end meanwhile, children work") {
  std::atomic<bool> stop{false};
  auto busy = [&stop] {
    while (!stop) {
      std::thread([] {
        coil::run([]() -> Coro<void> {
          std::vector<coil::Task<int>> tasks;
          for (int i = 0; i < 100; ++i) tasks.push_back(coil::create_task(coil::sleep(0ms, i)));
          const std::vector<int> results = co_await coil::gather(tasks);
          const std::string text(static_cast<std::size_t>(results.back()) * 100, 'x');
        });
      }).join();
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(busy);
  auto main = []() -> Coro<int> {
    int sum = 0;
    for (int round = 0; round < 20; ++round) {
      ForkedProcess child = fork_process([](MessagePipe& pipe) -> Coro<int> {
        std::vector<coil::Task<int>> tasks;
        for (int i = 0; i < 1000; ++i) tasks.push_back(coil::create_task(coil::sleep(0ms, 1)));
        const std::vector<int> results = co_await coil::gather(tasks);
        const auto go = co_await pipe.recv();
        co_return go ? static_cast<int>(results.size() / 1000) : 50;
      });
      co_await child.pipe().send("go");
      sum += co_await child.process().wait();
    }
    co_return sum;
  };
  CHECK(coil::run(main) == 20);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(!coil_test::has_child());
}

// ---- fork() by hand --------------------------------------------------------------------------------------

PROCESS_TEST("fork: what is in flight here completes here, and once") {
  const coil_test::Ends pipe = coil_test::make_pipe();
  auto reading = coil::create_task(coil_test::read_text(pipe.out));
  co_await settle();
  const pid_t child = ::fork();
  if (child == 0) {
    coil_test::put(pipe.in, "from the child");
    ::_exit(0);
  }
  const std::string text = co_await reading;
  CHECK(text == "from the child");
  CHECK(::waitpid(child, nullptr, 0) == child);
}

TEST_CASE("fork_process: out of descriptors, at any of those that are needed, nothing is left") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const auto open_before = coil_test::open_descriptors();
  // The sanitizer that checks types needs descriptors for one it has not seen yet.
  CHECK_THROWS_AS(throw std::system_error(EMFILE, std::system_category(), ""), std::system_error);
  int started = 0;
  for (rlim_t more = 0; more < 8; ++more) {
    const int next = ::fcntl(0, F_DUPFD_CLOEXEC, 3);  // the lowest that is free
    ::close(next);
    const rlimit low{static_cast<rlim_t>(next) + more, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
    std::optional<ForkedProcess> process;
    std::exception_ptr failure;  // looked at later
    try {
      process = fork_process(wait_for_end);
      ++started;
    } catch (...) {
      failure = std::current_exception();
    }
    ::setrlimit(RLIMIT_NOFILE, &before);
    process.reset();
    const std::string text = coil_test::text_of(failure);
    CHECK_MESSAGE((text.empty() || text.find("Too many open files") != text.npos), text);
    CHECK(!coil_test::has_child());
    CHECK(coil_test::open_descriptors() == open_before);
  }
  CHECK(started > 0);
  CHECK(started < 8);
}
