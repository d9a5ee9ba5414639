// A wait for a child process that is cancelled, at every point; and exit statuses that somebody else took.
#include <coil/process.hpp>

#include "../support/process_test.hpp"

#include <signal.h>

#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using coil::Command;
using coil::create_subprocess_exec;
using coil::Process;
using coil_test::settle;
using coil_test::shell;

namespace {

/// A child that ends with `code` when its stdin is closed.
coil::Coro<Process> start_reader(int code) {
  Process process = co_await create_subprocess_exec(shell("read line; exit " + std::to_string(code)));
  co_return process;
}

/// Waits until it is a zombie, without taking its exit status and without the loop.
void until_zombie(const Process& process) {
  siginfo_t found{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(process.pid()), &found, WEXITED | WNOWAIT) == 0);
}

}  // namespace

PROCESS_TEST("process: a cancelled wait() can be repeated") {
  Process process = co_await start_reader(3);
  for (int round = 0; round < 3; ++round) {
    auto waiting = coil::create_task(process.wait());
    co_await settle();
    waiting.cancel();
    CHECK_AWAIT_THROWS(waiting, coil::CancelledError);
    CHECK(coil_test::metrics().operations_in_flight == 0);
  }
  process.stdin_().close();
  const int code = co_await process.wait();
  CHECK(code == 3);
}

PROCESS_TEST("process: wait() cancelled before it begins") {
  Process process = co_await start_reader(3);
  auto waiting = coil::create_task(process.wait());
  waiting.cancel();
  CHECK_AWAIT_THROWS(waiting, coil::CancelledError);
  auto late = [&]() -> coil::Coro<int> {
    coil::current_task().cancel();
    const int code = co_await process.wait();
    co_return code;
  };
  CHECK_AWAIT_THROWS(coil::create_task(late), coil::CancelledError);
  process.stdin_().close();
  co_await process.wait();
}

PROCESS_TEST("process: wait() cancelled twice ends once") {
  Process process = co_await start_reader(3);
  auto waiting = coil::create_task(process.wait());
  co_await settle();
  waiting.cancel();
  waiting.cancel();
  co_await coil::yield();
  waiting.cancel();
  CHECK_AWAIT_THROWS(waiting, coil::CancelledError);
  process.stdin_().close();
  co_await process.wait();
}

PROCESS_TEST("process: one of several waits can be cancelled, whichever it is") {
  for (std::size_t cancelled = 0; cancelled < 4; ++cancelled) {
    Process process = co_await start_reader(9);
    std::vector<coil::Task<int>> waiting;
    for (int i = 0; i < 4; ++i) waiting.push_back(coil::create_task(process.wait()));
    co_await settle();
    waiting[cancelled].cancel();
    co_await settle();
    CHECK(waiting[cancelled].cancelled());
    process.stdin_().close();
    for (std::size_t i = 0; i < 4; ++i) {
      if (i == cancelled) continue;
      const int code = co_await waiting[i];
      CHECK(code == 9);
    }
  }
}

PROCESS_TEST("process: all waits cancelled in any order leave nothing under way") {
  Process process = co_await start_reader(9);
  std::vector<coil::Task<int>> waiting;
  for (int i = 0; i < 4; ++i) waiting.push_back(coil::create_task(process.wait()));
  co_await settle();
  for (const std::size_t i : {2U, 0U, 3U, 1U}) waiting[i].cancel();
  for (auto& task : waiting) CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(coil_test::metrics().operations_in_flight == 0);
  process.stdin_().close();
  const int code = co_await process.wait();
  CHECK(code == 9);
}

PROCESS_TEST("process: a wait that comes while the last one is being cancelled is served") {
  Process process = co_await start_reader(2);
  auto first = coil::create_task(process.wait());
  co_await settle();
  coil::get_running_loop().call_soon([&] { first.cancel(); });
  auto second = coil::create_task(process.wait());  // begins in the same turn, before the kernel has answered
  CHECK_AWAIT_THROWS(first, coil::CancelledError);
  CHECK(!second.done());
  process.stdin_().close();
  const int code = co_await second;
  CHECK(code == 2);
}

PROCESS_TEST("process: cancelled in the turn in which the child has ended, the status is kept") {
  for (int round = 0; round < 20; ++round) {
    Process process = co_await start_reader(5);
    auto waiting = coil::create_task(process.wait());
    co_await settle();
    process.stdin_().close();
    until_zombie(process);
    waiting.cancel();
    auto outcome = co_await coil::as_result(waiting);
    CHECK((outcome.cancelled() || outcome.value() == 5));
    const int code = co_await process.wait();
    CHECK(code == 5);
  }
}

PROCESS_TEST("process: cancelled after the wake-up, the wait gives its result and the next one throws") {
  Process process = co_await start_reader(5);
  int seen = 0;
  auto body = [&]() -> coil::Coro<void> {
    seen = co_await process.wait();
    co_await coil::sleep(coil_test::ages);
  };
  auto task = coil::create_task(body);
  co_await settle();
  process.stdin_().close();
  until_zombie(process);
  CHECK(process.returncode() == 5);
  const auto* state = coil::detail::HandleAccess::state(task);
  while (state->phase != coil::detail::Phase::ready) co_await coil::yield();  // its step comes after this one
  CHECK(seen == 0);
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(seen == 5);
}

PROCESS_TEST("process: wait_for() ends the wait, not the child") {
  Process process = co_await start_reader(5);
  CHECK_AWAIT_THROWS(coil::wait_for(process.wait(), 1ms), coil::TimeoutError);
  CHECK(!process.returncode());
  process.stdin_().close();
  const int code = co_await coil::wait_for(process.wait(), 1h);
  CHECK(code == 5);
}

PROCESS_TEST("process: a Process that goes while a task waits for it ends the child, and the wait") {
  coil::Task<int> waiting;
  {
    Process process = co_await coil_test::start_waiting();
    waiting = coil::create_task(process.wait());
    co_await settle();
  }
  const int code = co_await waiting;
  CHECK(code == -SIGTERM);
}

IO_TEST("process: a child does not hold a virtual clock") {
  Process process = co_await start_reader(5);
  CHECK_AWAIT_THROWS(coil::wait_for(process.wait(), 1h), coil::TimeoutError);
  CHECK(coil_test::elapsed() == 1h);
  process.stdin_().close();
  const int code = co_await process.wait();  // with no timer left the loop waits for it
  CHECK(code == 5);
}

// ---- Who else looks after children -----------------------------------------------------------------------

namespace {

/// The exit status from a pidfd that is kept after the end: Linux 6.15.
bool kernel_keeps_status() {
  utsname name{};
  ::uname(&name);
  int major = 0;
  int minor = 0;
  return std::sscanf(name.release, "%d.%d", &major, &minor) == 2 && (major > 6 || (major == 6 && minor >= 15));
}

void check_lost(coil_test::Reports& reports, int code, int real_code) {
  if (kernel_keeps_status()) {
    CHECK(code == real_code);
    return;
  }
  CHECK(code == 255);
  CHECK(reports.take().message.find("was taken by somebody else") != std::string::npos);
}

}  // namespace

PROCESS_TEST("process: where somebody else waits for all children, the end is seen all the same") {
  Process process = co_await start_reader(5);
  auto waiting = coil::create_task(process.wait());
  co_await settle();
  process.stdin_().close();
  ::waitpid(process.pid(), nullptr, 0);
  const int code = co_await waiting;
  check_lost(reports, code, 5);

  Process killed = co_await start_reader(5);
  killed.kill();
  ::waitpid(killed.pid(), nullptr, 0);
  killed.terminate();  // nobody is there: nothing happens
  CHECK(killed.returncode().has_value());
  check_lost(reports, *killed.returncode(), -SIGKILL);
}

PROCESS_TEST("process: where SIGCHLD is ignored, the end is seen all the same") {
  ::signal(SIGCHLD, SIG_IGN);
  Process process = co_await start_reader(5);
  auto waiting = coil::create_task(process.wait());
  co_await settle();
  process.stdin_().close();
  const int code = co_await waiting;
  check_lost(reports, code, 5);
  CHECK_AWAIT_FAILS_WITH(create_subprocess_exec(Command("no-such-command").env("PATH", "/usr/bin:/bin")),
                         "exec(no-such-command): No such file or directory");
  ::signal(SIGCHLD, SIG_DFL);
}

PROCESS_TEST("process: a child of another thread can be waited for") {
  std::optional<Process> process;
  std::thread([&] { process = Process::start(shell("read line; exit 7")); }).join();
  auto waiting = coil::create_task(process->wait());
  co_await settle();
  process->stdin_().close();
  const int code = co_await waiting;
  CHECK(code == 7);
}

TEST_CASE("process: a child that one run leaves behind can be waited for in the next") {
  std::optional<Process> process;
  auto start = [&]() -> coil::Coro<void> {
    process = co_await start_reader(6);
    coil::create_task(process->wait());
    co_await settle();
  };
  auto finish = [&]() -> coil::Coro<int> {
    process->stdin_().close();
    const int code = co_await process->wait();
    co_return code;
  };
  coil::run(start);
  CHECK(!process->returncode());
  CHECK(coil::run(finish) == 6);
}
