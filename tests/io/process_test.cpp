// A child process: its start, its end, its signals.
#include <coil/process.hpp>

#include "../support/process_test.hpp"

#include <signal.h>

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil::Command;
using coil::create_subprocess_exec;
using coil::create_subprocess_shell;
using coil::Process;
using coil_test::shell;

PROCESS_TEST("process: wait() gives the exit status") {
  Process process = co_await create_subprocess_exec(Command("sh", "-c", "exit 7"));
  const int code = co_await process.wait();
  CHECK(code == 7);
  CHECK(process.returncode() == 7);
}

PROCESS_TEST("process: wait() gives 0 for success") {
  Process process = co_await create_subprocess_exec(Command("true"));
  const int code = co_await process.wait();
  CHECK(code == 0);
}

PROCESS_TEST("process: wait() gives -N for one that signal N killed") {
  for (const int signal : {SIGKILL, SIGTERM, SIGUSR1, SIGSEGV}) {
    Process process = co_await create_subprocess_shell("kill -" + std::to_string(signal) + " $$; sleep 1000");
    const int code = co_await process.wait();
    CHECK(code == -signal);
  }
}

PROCESS_TEST("process: a script's exit status above 128 is no signal") {
  Process process = co_await create_subprocess_shell("exit 137");
  const int code = co_await process.wait();
  CHECK(code == 137);
}

PROCESS_TEST("process: returncode() is nothing while the child runs") {
  Process process = co_await create_subprocess_exec(shell("read line"));
  CHECK(!process.returncode().has_value());
  process.stdin_().close();
  co_await process.wait();
  CHECK(process.returncode() == 1);
}

PROCESS_TEST("process: returncode() sees the end without a wait") {
  Process process = co_await create_subprocess_exec(shell("exit 3"));
  const std::string said = co_await process.stdout_().read_all();
  std::optional<int> code;
  while (!code) code = process.returncode();  // from the closed pipe to the end it is not far
  CHECK(code == 3);
  const int waited = co_await process.wait();
  CHECK(waited == 3);
}

PROCESS_TEST("process: pid() is that of the child") {
  Process process = co_await create_subprocess_exec(shell("echo $$"));
  const std::string said = co_await process.stdout_().read_all();
  CHECK(said == std::to_string(process.pid()) + "\n");
  co_await process.wait();
}

PROCESS_TEST("process: wait() can be awaited again, and after the end") {
  Process process = co_await create_subprocess_exec(Command("sh", "-c", "exit 4"));
  const int first = co_await process.wait();
  const int second = co_await process.wait();
  CHECK(first == 4);
  CHECK(second == 4);
}

PROCESS_TEST("process: wait() does not wait for a grandchild that holds the pipes") {
  Process process = co_await create_subprocess_exec(shell("sleep 1000 & echo $!"));
  const int code = co_await process.wait();
  CHECK(code == 0);
  const std::string grandchild = co_await process.stdout_().read();
  ::kill(std::stoi(grandchild), SIGKILL);
}

PROCESS_TEST("process: a Process can be moved while it is waited for") {
  Process first = co_await create_subprocess_exec(shell("read line; exit 5"));
  auto waiting = coil::create_task(first.wait());
  co_await coil_test::settle();
  Process second = std::move(first);
  Process third = co_await create_subprocess_exec(Command("true"));
  third = std::move(second);
  third.stdin_().close();
  const int code = co_await waiting;
  CHECK(code == 5);
  CHECK(third.returncode() == 5);
}

PROCESS_TEST("process: one that was moved from says so") {
  Process process = co_await create_subprocess_exec(Command("true"));
  const Process moved = std::move(process);
  CHECK_THROWS_AS(process.pid(), std::logic_error);
  CHECK_THROWS_AS(static_cast<void>(process.wait()), std::logic_error);
  CHECK_THROWS_AS(process.returncode(), std::logic_error);
  CHECK_THROWS_AS(process.kill(), std::logic_error);
}

PROCESS_TEST("process: a stream that is not piped has no accessor") {
  Process process = co_await create_subprocess_exec(Command("true"));
  CHECK_THROWS_AS(process.stdin_(), std::logic_error);
  CHECK_THROWS_AS(process.stdout_(), std::logic_error);
  CHECK_THROWS_AS(process.stderr_(), std::logic_error);
  co_await process.wait();
}

// ---- Signals ---------------------------------------------------------------------------------------------

PROCESS_TEST("process: send_signal(), terminate() and kill() reach the child") {
  Process first = co_await coil_test::start_waiting();
  Process second = co_await coil_test::start_waiting();
  Process third = co_await coil_test::start_waiting();
  first.send_signal(SIGUSR2);
  second.terminate();
  third.kill();
  const int by_signal = co_await first.wait();
  const int terminated = co_await second.wait();
  const int killed = co_await third.wait();
  CHECK(by_signal == -SIGUSR2);
  CHECK(terminated == -SIGTERM);
  CHECK(killed == -SIGKILL);
}

PROCESS_TEST("process: a signal can be handled by the child") {
  Process process = co_await create_subprocess_exec(shell("trap 'echo caught; exit 9' HUP; echo ready; read line"));
  std::string said = co_await process.stdout_().read();
  REQUIRE(said == "ready\n");
  process.send_signal(SIGHUP);
  said = co_await process.stdout_().read_all();
  CHECK(said == "caught\n");
  const int code = co_await process.wait();
  CHECK(code == 9);
}

PROCESS_TEST("process: signals to an ended process do nothing") {
  Process process = co_await create_subprocess_exec(Command("true"));
  co_await process.wait();
  process.send_signal(SIGTERM);
  process.terminate();
  process.kill();
  CHECK(process.returncode() == 0);
}

PROCESS_TEST("process: signals to one that has ended but was not waited for do nothing") {
  Process process = co_await create_subprocess_exec(shell("exit 2"));
  co_await process.stdout_().read_all();
  siginfo_t found{};
  ::waitid(P_PID, static_cast<id_t>(process.pid()), &found, WEXITED | WNOWAIT);  // it is a zombie now
  process.kill();
  process.terminate();
  const int code = co_await process.wait();
  CHECK(code == 2);
}

PROCESS_TEST("process: kill() while somebody waits, and at the end of the child, in any order") {
  for (int round = 0; round < 50; ++round) {
    Process process = co_await create_subprocess_exec(shell("read line; exit 6"));
    auto waiting = coil::create_task(process.wait());
    co_await coil_test::settle();
    process.stdin_().close();  // it ends by itself about now
    for (int turn = 0; turn < round % 5; ++turn) co_await coil::yield();
    process.kill();
    const int code = co_await waiting;
    CHECK_MESSAGE((code == 6 || code == -SIGKILL), code);
  }
}

PROCESS_TEST("process: what is no signal is EINVAL") {
  Process process = co_await coil_test::start_waiting();
  try {
    process.send_signal(1000);
    FAIL_CHECK("nothing thrown");
  } catch (const std::system_error& error) {
    CHECK(error.code().value() == EINVAL);
    CHECK(std::string(error.what()).find("send_signal(process " + std::to_string(process.pid())) == 0);
  }
  process.kill();
  co_await process.wait();
}

PROCESS_TEST("process: signal_group() reaches grandchildren, also when the child has ended") {
  Command command = shell("sleep 1000 & echo x").process_group();
  Process process = co_await create_subprocess_exec(command);
  co_await process.wait();
  process.signal_group(SIGKILL);
  const std::string said = co_await process.stdout_().read_all();  // ends when the grandchild is gone
  CHECK(said == "x\n");
  process.signal_group(SIGKILL);  // nobody is left: nothing happens
}

// ---- Many ------------------------------------------------------------------------------------------------

PROCESS_TEST("process: ten concurrent wait()s all get the exit status, in arrival order") {
  Process process = co_await create_subprocess_exec(shell("read line; exit 8"));
  std::string order;
  auto wait_as = [&](char name) -> coil::Coro<int> {
    const int code = co_await process.wait();
    order += name;
    co_return code;
  };
  std::vector<coil::Task<int>> waiting;
  for (char name = 'a'; name <= 'j'; ++name) waiting.push_back(coil::create_task(wait_as(name)));
  co_await coil_test::settle();
  process.stdin_().close();
  const std::vector<int> codes = co_await coil::gather(waiting);
  CHECK(codes == std::vector<int>(10, 8));
  CHECK(order == "abcdefghij");
}

PROCESS_TEST("process: 200 children, one after the other, leave no zombie and no descriptor") {
  const auto before = coil_test::open_descriptors();
  for (int round = 0; round < 200; ++round) {
    Process process = co_await create_subprocess_exec(Command("true").stdout_(coil::piped));
    const int code = co_await process.wait();
    REQUIRE(code == 0);
    REQUIRE(!coil_test::has_child());
  }
  CHECK(coil_test::open_descriptors() == before);
}

PROCESS_TEST("process: 50 children at once") {
  auto run_one = [](int number) -> coil::Coro<int> {
    Process process = co_await create_subprocess_exec(shell("read line; exit " + std::to_string(number)));
    process.stdin_().close();
    const int code = co_await process.wait();
    co_return code;
  };
  std::vector<coil::Coro<int>> all;
  std::vector<int> expected;
  for (int number = 0; number < 50; ++number) {
    all.push_back(run_one(number));
    expected.push_back(number);
  }
  const std::vector<int> codes = co_await coil::gather(std::move(all));
  CHECK(codes == expected);
}

PROCESS_TEST("process: a child that is known to have ended costs no descriptor") {
  const auto before = coil_test::open_descriptors();
  std::vector<Process> ended;
  for (int number = 0; number < 4; ++number) {
    Command command("true");
    if (number % 2 != 0) command.process_group();
    ended.push_back(co_await create_subprocess_exec(command));
  }
  for (Process& process : ended) co_await process.wait();
  CHECK(coil_test::open_descriptors() == before);
  ended.push_back(co_await create_subprocess_exec(Command("true")));
  while (!ended.back().returncode()) continue;
  CHECK(coil_test::open_descriptors() == before);
}

PROCESS_TEST("process: other children of this program are left alone") {
  const pid_t own = ::fork();
  if (own == 0) ::_exit(44);
  Process process = co_await create_subprocess_exec(Command("true"));
  co_await process.wait();
  int status = 0;
  CHECK(::waitpid(own, &status, 0) == own);
  CHECK(WEXITSTATUS(status) == 44);
}
