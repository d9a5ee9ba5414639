// What a Command makes of a child: arguments, folder, environment, streams, descriptors, signals; and what it refuses.
#include <coil/command.hpp>

#include "../support/disposition.hpp"
#include "../support/process_test.hpp"

#include <fcntl.h>
#include <signal.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

using coil::Command;
using coil::create_subprocess_exec;
using coil::Process;
using coil_test::shell;
using coil_test::TemporaryDirectory;

namespace {

/// Runs it and gives what it wrote to its stdout.
coil::Coro<std::string> output_of(Command command) {
  command.stdout_(coil::piped);
  Process process = co_await create_subprocess_exec(command);
  Process::Output output = co_await process.communicate();
  CHECK(process.returncode() == 0);
  co_return output.out;
}

/// The line of /proc/PID/status that a child is to have. Who started the tests may have ignored some, too.
std::string line_of_ignored_signals() {
  unsigned long long ignored = 0;
  for (int signal = 1; signal <= 64; ++signal)
    if (signal != SIGPIPE && coil_test::goes_to(signal, SIG_IGN)) ignored |= 1ULL << (signal - 1);
  char line[40];
  std::snprintf(line, sizeof line, "SigIgn:\t%016llx\n", ignored);
  return line;
}

}  // namespace

PROCESS_TEST("command: arguments go to the program as they are") {
  const std::string output =
      co_await output_of(Command("printf", "%s|", "a b", "", "*", "$HOME", "-n", "'\"\\\n", "\xff\xc3"));
  CHECK(output == "a b||*|$HOME|-n|'\"\\\n|\xff\xc3|");
}

PROCESS_TEST("command: args() takes a range, arg() one more") {
  const std::vector<std::string> first = {"%s,", "1", "2"};
  const std::array<const char*, 2> second = {"3", "4"};
  const std::string output = co_await output_of(Command("printf").args(first).args(second).arg("5"));
  CHECK(output == "1,2,3,4,5,");
}

PROCESS_TEST("command: every text may be a literal, a string, a view or a path") {
  const std::string_view program = std::string_view("printf!").substr(0, 6);
  const std::string_view view = std::string_view("view!").substr(0, 4);
  const std::string text = "text";
  const std::vector<std::string_view> views = {view, "more"};
  const std::string_view list[] = {"array"};
  Command command(program, "%s,", view, text, std::string("moved"), std::filesystem::path("a/path"));
  command.args(views).args(list).args({"braces", view}).arg(view).arg(text);
  const std::string output = co_await output_of(std::move(command));
  CHECK(output == "view,text,moved,a/path,view,more,array,braces,view,view,text,");

  const std::string_view folder = std::string_view("/usr!").substr(0, 4);
  const std::string_view name = std::string_view("NAME!").substr(0, 4);
  Command shown("sh", "-c", "pwd; echo $NAME; echo $OTHER");
  shown.cwd(folder).env(name, view).env("OTHER", text);
  const std::string there = co_await output_of(std::move(shown));
  CHECK(there == "/usr\nview\ntext\n");
}

PROCESS_TEST("command: a name without a slash is looked for in the PATH that the child will have") {
  const TemporaryDirectory folder;
  const std::string program = folder.file("own-program", "#!/bin/sh\necho own\n");
  REQUIRE(::chmod(program.c_str(), 0700) == 0);
  std::string output = co_await output_of(Command("own-program").env("PATH", "/nowhere:" + folder.path() + ":/bin"));
  CHECK(output == "own\n");
  output = co_await output_of(Command("sh", "-c", "echo default").clear_env());
  CHECK(output == "default\n");
}

PROCESS_TEST("command: empty entries of PATH do not mean the current folder") {
  const TemporaryDirectory folder;
  const std::string program = folder.file("own-program", "#!/bin/sh\necho own\n");
  REQUIRE(::chmod(program.c_str(), 0700) == 0);
  for (const char* path : {":", "::/bin", "/bin:", ""})
    CHECK_AWAIT_FAILS_WITH(create_subprocess_exec(Command("own-program").cwd(folder.path()).env("PATH", path)),
                           "exec(own-program): No such file or directory");
}

PROCESS_TEST("command: a relative program is looked for from the child's folder") {
  const TemporaryDirectory folder;
  const std::string program = folder.file("own-program", "#!/bin/sh\npwd\n");
  REQUIRE(::chmod(program.c_str(), 0700) == 0);
  const std::string output = co_await output_of(Command("./own-program").cwd(folder.path()));
  CHECK(output == std::filesystem::canonical(folder.path()).string() + "\n");
}

PROCESS_TEST("command: cwd() is the child's folder, not this process's") {
  const auto before = std::filesystem::current_path();
  const std::string output = co_await output_of(Command("pwd").cwd("/"));
  CHECK(output == "/\n");
  CHECK(std::filesystem::current_path() == before);
}

PROCESS_TEST("command: env() sets a variable beside those that are there") {
  ::setenv("COIL_TEST_KEPT", "kept", 1);
  ::setenv("COIL_TEST_CHANGED", "old", 1);
  ::setenv("COIL_TEST_GONE", "gone", 1);
  Command command = Command::shell("echo $COIL_TEST_KEPT,$COIL_TEST_CHANGED,$COIL_TEST_ADDED,${COIL_TEST_GONE-unset}");
  command.env("COIL_TEST_CHANGED", "first").env("COIL_TEST_ADDED", "a=b").env("COIL_TEST_CHANGED", "new");
  command.unset_env("COIL_TEST_GONE");
  const std::string output = co_await output_of(command);
  CHECK(output == "kept,new,a=b,unset\n");
  for (const char* name : {"COIL_TEST_KEPT", "COIL_TEST_CHANGED", "COIL_TEST_GONE"}) ::unsetenv(name);
}

PROCESS_TEST("command: clear_env() starts from nothing") {
  const std::string output = co_await output_of(Command("/usr/bin/env").clear_env().env("ONLY", "this"));
  CHECK(output == "ONLY=this\n");
}

PROCESS_TEST("command: shell() takes a script as it is") {
  std::string output = co_await output_of(Command::shell("x='a b'; printf '%s' \"$x\" | tr a c"));
  CHECK(output == "c b");
  Process process = co_await coil::create_subprocess_shell("-e 2>/dev/null; exit 3");  // no option of sh
  const int code = co_await process.wait();
  CHECK(code == 3);
}

// ---- Streams ---------------------------------------------------------------------------------------------

PROCESS_TEST("command: devnull reads as empty and takes everything") {
  Command command = Command("sh", "-c", "cat; echo out; echo err >&2").stdin_(coil::devnull).stderr_(coil::devnull);
  const std::string output = co_await output_of(command);
  CHECK(output == "out\n");
}

PROCESS_TEST("command: stderr can go where stdout goes") {
  const std::string output = co_await output_of(Command::shell("echo out; echo err >&2").stderr_(coil::to_stdout));
  CHECK(output == "out\nerr\n");

  const TemporaryDirectory folder;
  coil_test::Fd file = folder.open("both", "");
  Process process = co_await create_subprocess_exec(
      Command::shell("echo out; echo err >&2").stdout_(static_cast<int>(file)).stderr_(coil::to_stdout));
  co_await process.wait();
  CHECK(coil_test::content_of(folder / "both") == "out\nerr\n");
}

PROCESS_TEST("command: stderr goes to an inherited stdout as well") {
  const coil_test::Ends pipe = coil_test::make_pipe();
  const coil_test::Fd saved(::fcntl(1, F_DUPFD_CLOEXEC, 3));
  ::dup2(pipe.in, 1);
  Process process = co_await create_subprocess_exec(Command::shell("echo err >&2").stderr_(coil::to_stdout));
  ::dup2(saved, 1);
  co_await process.wait();
  CHECK(coil_test::take_all(pipe.out) == "err\n");
}

PROCESS_TEST("command: descriptors of this process can be the streams") {
  const TemporaryDirectory folder;
  const coil_test::Fd in = folder.open("in", "from a file");
  const coil_test::Fd out = folder.open("out", "");
  Command command = Command("cat").stdin_(static_cast<int>(in)).stdout_(static_cast<int>(out));
  Process process = co_await create_subprocess_exec(command);
  co_await process.wait();
  CHECK(coil_test::content_of(folder / "out") == "from a file");
}

PROCESS_TEST("command: the streams of this process can change places") {
  const coil_test::Ends pipe = coil_test::make_pipe();
  const coil_test::Ends other = coil_test::make_pipe();
  const coil_test::Fd saved_out(::fcntl(1, F_DUPFD_CLOEXEC, 3));
  const coil_test::Fd saved_err(::fcntl(2, F_DUPFD_CLOEXEC, 3));
  ::dup2(pipe.in, 1);
  ::dup2(other.in, 2);
  Process process = co_await create_subprocess_exec(Command::shell("echo out; echo err >&2").stdout_(2).stderr_(1));
  ::dup2(saved_out, 1);
  ::dup2(saved_err, 2);
  co_await process.wait();
  CHECK(coil_test::take_all(pipe.out) == "err\n");
  CHECK(coil_test::take_all(other.out) == "out\n");
}

PROCESS_TEST("command: only stderr can go where stdout goes") {
  CHECK_THROWS_AS(Command("true").stdin_(coil::to_stdout), std::invalid_argument);
  CHECK_THROWS_AS(Command("true").stdout_(coil::to_stdout), std::invalid_argument);
  co_await coil::yield();
}

// ---- What a child gets -----------------------------------------------------------------------------------

PROCESS_TEST("command: a child gets no descriptor but 0 to 2") {
  const coil_test::Ends with_flag = coil_test::make_pipe();
  int without_flag[2];
  REQUIRE(::pipe(without_flag) == 0);
  REQUIRE(::dup2(without_flag[0], 200) == 200);
  Process beside = co_await coil_test::start_waiting();
  const std::string output = co_await output_of(Command::shell("for fd in /proc/$$/fd/*; do echo ${fd##*/}; done"));
  std::string expected = "0\n1\n2\n";
  // dash opens one for the folder that it lists, or none.
  CHECK_MESSAGE((output == expected || output == expected + "3\n"), output);
  const std::string listed = co_await output_of(Command("ls", "/proc/self/fd"));
  CHECK(listed == "0\n1\n2\n3\n");  // 3 is the folder
  for (const int fd : {without_flag[0], without_flag[1], 200}) ::close(fd);
  beside.kill();
  co_await beside.wait();
}

PROCESS_TEST("command: what was passed on purpose comes under its number") {
  const TemporaryDirectory folder;
  const coil_test::Fd first = folder.open("first", "1");
  const coil_test::Fd second = folder.open("second", "2");
  std::string output = co_await output_of(
      Command::shell("cat <&" + std::to_string(first) + "; ls /proc/self/fd | wc -l").pass_fd(first));
  CHECK(output == "15\n");  // the file's "1", then five: 0 to 2, it, and the folder
  // Each under the other's number.
  ::lseek(first, 0, SEEK_SET);
  Command swapped = Command::shell("cat <&" + std::to_string(first) + "; cat <&" + std::to_string(second));
  output = co_await output_of(swapped.pass_fd(first, second).pass_fd(second, first));
  CHECK(output == "21");
}

PROCESS_TEST("command: what is no descriptor is EBADF, and no child is left") {
  CHECK_AWAIT_FAILS_WITH(create_subprocess_exec(Command("true").pass_fd(999)), "dup2(fd 999): Bad file descriptor");
  CHECK_AWAIT_FAILS_WITH(create_subprocess_exec(Command("true").stdin_(999)), "dup2(fd 999): Bad file descriptor");
  CHECK_THROWS_AS(Command("true").pass_fd(-1), std::invalid_argument);
  CHECK_THROWS_AS(Command("true").pass_fd(5, 2), std::invalid_argument);
  CHECK_THROWS_AS(Command("true").stdout_(-1), std::invalid_argument);
}

PROCESS_TEST("command: a child has no signal blocked, SIGPIPE as by default, and what is ignored stays so") {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const coil_test::Disposition ignored(SIGHUP, SIG_IGN);
  const coil_test::Disposition handled(SIGUSR1, [](int) {});
  const std::string expected =
      "\nSigBlk:\t0000000000000000\n" + line_of_ignored_signals() + "SigCgt:\t0000000000000000\n";
  const std::string output = co_await output_of(Command("cat", "/proc/self/status"));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  CHECK_MESSAGE(output.find(expected) != std::string::npos, output);
}

PROCESS_TEST("command: SIGPIPE ends a child whose output nobody reads") {
  Process process = co_await create_subprocess_exec(shell("exec cat /dev/zero"));
  process.stdout_().close();
  const int code = co_await process.wait();
  CHECK(code == -SIGPIPE);
}

PROCESS_TEST("command: new_session() and process_group()") {
  // Fields 5 and 6 of stat are the process group and the session.
  const char* script = "cut -d' ' -f5,6 /proc/$$/stat";
  Process session = co_await create_subprocess_exec(shell(script).new_session());
  Process group = co_await create_subprocess_exec(shell(script).process_group());
  const std::string in_session = co_await session.stdout_().read_all();
  const std::string in_group = co_await group.stdout_().read_all();
  CHECK(in_session == std::to_string(session.pid()) + " " + std::to_string(session.pid()) + "\n");
  CHECK(in_group == std::to_string(group.pid()) + " " + std::to_string(::getsid(0)) + "\n");
  co_await session.wait();
  co_await group.wait();
  CHECK_AWAIT_FAILS_WITH(create_subprocess_exec(Command("true").process_group(1)),
                         "setpgid(1): Operation not permitted");
}

// ---- What is refused -------------------------------------------------------------------------------------

PROCESS_TEST("command: a NUL byte in any text is refused") {
  using std::string_literals::operator""s;
  CHECK_THROWS_AS(Command("tr\0ue"s), std::invalid_argument);
  CHECK_THROWS_AS(Command("true", "a\0b"s), std::invalid_argument);
  CHECK_THROWS_AS(Command("true").cwd("/\0"s), std::invalid_argument);
  CHECK_THROWS_AS(Command("true").env("A\0"s, "b"), std::invalid_argument);
  CHECK_THROWS_AS(Command("true").env("A", "b\0"s), std::invalid_argument);
  CHECK_THROWS_AS(Command::shell("true\0"s), std::invalid_argument);
  co_await coil::yield();
}

PROCESS_TEST("command: the name of a variable is not empty and has no '='") {
  CHECK_THROWS_AS(Command("true").env("", "x"), std::invalid_argument);
  CHECK_THROWS_AS(Command("true").env("A=B", "x"), std::invalid_argument);
  CHECK_THROWS_AS(Command("true").unset_env("A=B"), std::invalid_argument);
  co_await coil::yield();
}
