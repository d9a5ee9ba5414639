// How a child process is ended when its Process goes: kindly, then firmly, and never left behind.
#include <coil/process.hpp>

#include "../support/process_test.hpp"

#include <signal.h>

#include <coil/scope.hpp>

#include <string>

using namespace std::chrono_literals;
using coil::Command;
using coil::create_subprocess_exec;
using coil::Process;
using coil_test::shell;
using coil_test::start_waiting;

namespace {

bool exists(pid_t pid) { return ::kill(pid, 0) == 0; }

/// A child that ignores SIGTERM, and what it was started with.
coil::Coro<Process> start_stubborn(std::chrono::nanoseconds grace) {
  Command command = shell("trap '' TERM; echo ready; exec sleep 1000");
  Process process = co_await create_subprocess_exec(command.grace(grace));
  const std::string said = co_await process.stdout_().read();
  REQUIRE(said == "ready\n");
  co_return process;
}

}  // namespace

PROCESS_TEST("process: the destructor asks a running child to end, and has it reaped") {
  const coil_test::Ends pipe = coil_test::make_pipe();
  {
    Command command = Command::shell("trap 'echo cleaned; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    Process process = co_await create_subprocess_exec(command.stdout_(static_cast<int>(pipe.in)).grace(1h));
    const std::string said = co_await coil_test::read_text(pipe.out);
    REQUIRE(said == "ready\n");
  }
  const std::string said = co_await coil_test::read_text(pipe.out);
  CHECK(said == "cleaned\n");
}

PROCESS_TEST("process: the destructor does not wait; a child that does not end in its time is killed later") {
  Process process = co_await start_stubborn(10ms);
  const pid_t pid = process.pid();
  auto waiting = coil::create_task(process.wait());
  co_await coil::yield();
  {
    const Process gone = std::move(process);
  }
  CHECK(exists(pid));
  const int code = co_await waiting;
  CHECK(code == -SIGKILL);
}

PROCESS_TEST("process: the destructor of an ended child reaps it at once") {
  pid_t pid = 0;
  {
    const Process process = co_await create_subprocess_exec(Command("true"));
    pid = process.pid();
    siginfo_t found{};
    ::waitid(P_PID, static_cast<id_t>(pid), &found, WEXITED | WNOWAIT);
  }
  CHECK(!exists(pid));
}

PROCESS_TEST("process: a Process that is assigned to gives up its child") {
  Process process = co_await start_waiting();
  auto waiting = coil::create_task(process.wait());
  co_await coil::yield();
  process = co_await start_waiting();
  const int code = co_await waiting;
  CHECK(code == -SIGTERM);
  CHECK(!process.returncode());
}

PROCESS_TEST("process: a stopped child is ended as well") {
  Process process = co_await create_subprocess_exec(shell("echo ready; exec sleep 1000").grace(1ms));
  co_await process.stdout_().read();
  process.send_signal(SIGSTOP);
  siginfo_t found{};
  ::waitid(P_PID, static_cast<id_t>(process.pid()), &found, WSTOPPED);
  auto waiting = coil::create_task(process.wait());
  co_await coil::yield();
  {
    const Process gone = std::move(process);
  }
  const int code = co_await waiting;
  CHECK(code == -SIGKILL);
}

PROCESS_TEST("process: a task that fails or is cancelled ends its child") {
  auto body = [&](bool fails) -> coil::Coro<void> {
    Process process = co_await start_waiting();
    if (fails) throw std::runtime_error("failed");
    co_await process.wait();
  };
  CHECK_AWAIT_THROWS(coil::create_task(body, true), std::runtime_error);
  auto cancelled = coil::create_task(body, false);
  while (!coil_test::has_child()) co_await coil::yield();
  cancelled.cancel();
  CHECK_AWAIT_THROWS(cancelled, coil::CancelledError);
}

PROCESS_TEST("process: a result that nobody took is ended") {
  coil::create_task(start_waiting());
  while (coil_test::metrics().tasks > 1) co_await coil::yield();
}

TEST_CASE("process: what is left when main ends has its time, then is killed, before run returns") {
  std::string said;
  const coil_test::Ends pipe = coil_test::make_pipe();
  auto main = [&]() -> coil::Coro<void> {
    Command kind = Command::shell("trap 'echo cleaned; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    Process process = co_await create_subprocess_exec(kind.stdout_(static_cast<int>(pipe.in)).grace(1h));
    said = co_await coil_test::read_text(pipe.out);
    const Process stubborn = co_await start_stubborn(20ms);
    const Process willing = co_await start_waiting();
  };
  coil::run(main);
  CHECK(!coil_test::has_child());
  CHECK(said == "ready\n");
  CHECK(coil_test::take_all(pipe.out) == "cleaned\n");
}

TEST_CASE("process: an exception of main ends its children") {
  auto main = [&]() -> coil::Coro<void> {
    const Process process = co_await start_waiting();
    throw std::runtime_error("main failed");
  };
  CHECK_THROWS_AS(coil::run(main), std::runtime_error);
  CHECK(!coil_test::has_child());
}

TEST_CASE("process: a callback that is never called ends the child it holds") {
  auto main = [&]() -> coil::Coro<void> {
    auto process = std::make_shared<Process>(co_await start_waiting());
    coil::get_running_loop().call_later(coil_test::ages, [process] {});
  };
  coil::run(main);
  CHECK(!coil_test::has_child());
}

TEST_CASE("process: without a loop the destructor ends the child itself") {
  std::optional<Process> kind;
  std::optional<Process> stubborn;
  auto main = [&]() -> coil::Coro<void> {
    kind = co_await start_waiting();
    stubborn = co_await start_stubborn(5ms);
  };
  coil::run(main);
  CHECK(!kind->returncode());
  kind.reset();
  stubborn.reset();
  CHECK(!coil_test::has_child());
}

TEST_CASE("process: in virtual time the time after SIGTERM is virtual, too") {
  auto main = [&]() -> coil::Coro<void> {
    const Process process = co_await start_stubborn(24h);
    co_return;
  };
  coil::run(main, coil_test::virtual_time);
  CHECK(!coil_test::has_child());
}

// ---- aclose ----------------------------------------------------------------------------------------------

PROCESS_TEST("aclose: ends a child kindly and gives how it ended") {
  Process process =
      co_await create_subprocess_exec(shell("trap 'exit 4' TERM; echo ready; while :; do sleep 0.01; done"));
  const std::string said = co_await process.stdout_().read();
  const int code = co_await process.aclose();
  CHECK(code == 4);
}

PROCESS_TEST("aclose: kills a child that does not end in its time") {
  Process process = co_await start_stubborn(10ms);
  const int code = co_await process.aclose();
  CHECK(code == -SIGKILL);
  const int again = co_await process.aclose();
  CHECK(again == -SIGKILL);
}

PROCESS_TEST("aclose: closes the pipes first, so that a child which reads to the end ends by itself") {
  Process process =
      co_await create_subprocess_exec(shell("trap '' TERM; echo ready; cat >/dev/null; exit 3").grace(1h));
  co_await process.stdout_().read();
  const int code = co_await process.aclose();
  CHECK(code == 3);
}

PROCESS_TEST("aclose: cancelled, it kills at once") {
  Process process = co_await start_stubborn(1h);
  auto closing = coil::create_task(process.aclose());
  co_await coil_test::settle();
  closing.cancel("why");
  bool cancelled = false;
  try {
    co_await closing;
  } catch (const coil::CancelledError& error) {
    cancelled = error.message() == "why";
  }
  CHECK(cancelled);
  CHECK(process.returncode() == -SIGKILL);
}

PROCESS_TEST("aclose: with() ends the child with its body") {
  Process process = co_await start_waiting();
  pid_t pid = 0;
  auto body = [&](Process& child) -> coil::Coro<void> {
    pid = child.pid();
    CHECK(exists(pid));
    co_await coil::yield();
  };
  co_await coil::with(std::move(process), body);
  CHECK(!exists(pid));
}
