// The pipes of a child process, and communicate().
#include <coil/process.hpp>

#include "../support/process_test.hpp"

#include <signal.h>

#include <string>

using namespace std::chrono_literals;
using coil::Command;
using coil::create_subprocess_exec;
using coil::Process;
using coil_test::shell;

namespace {

std::string many(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i * 7 % 26);
  return text;
}

constexpr std::size_t more_than_a_pipe = std::size_t{3} << 20;

}  // namespace

PROCESS_TEST("process: what is written to stdin comes back from stdout") {
  Process process = co_await create_subprocess_exec(shell("cat"));
  co_await process.stdin_().write_all("hello");
  const std::string first = co_await process.stdout_().read();
  CHECK(first == "hello");
  process.stdin_().close();
  const std::string rest = co_await process.stdout_().read();
  CHECK(rest.empty());
  const int code = co_await process.wait();
  CHECK(code == 0);
}

PROCESS_TEST("process: a stream that was closed can still be waited for and asked") {
  Process process = co_await create_subprocess_exec(shell("cat"));
  process.stdin_().write("hello");
  process.stdin_().close();
  co_await process.stdin_().wait_closed();
  CHECK(process.stdin_().is_closing());
  const std::string text = co_await process.stdout_().read_all();
  CHECK(text == "hello");
  process.stdout_().close();
  CHECK(process.stdout_().at_eof());
  const Process::Output nothing = co_await process.communicate();
  CHECK(nothing.out.empty());
  CHECK(process.returncode() == 0);
}

PROCESS_TEST("process: stdout is readable to the last byte after the end") {
  Process process = co_await create_subprocess_exec(shell("printf 'out'; printf 'err' >&2"));
  co_await process.wait();
  const std::string out = co_await process.stdout_().read_all();
  const std::string err = co_await process.stderr_().read_all();
  CHECK(out == "out");
  CHECK(err == "err");
}

PROCESS_TEST("process: writing to a child that has ended is EPIPE") {
  Process process = co_await create_subprocess_exec(shell("exit 0"));
  co_await process.wait();
  CHECK_AWAIT_THROWS(process.stdin_().write_all("x"), std::system_error);
}

PROCESS_TEST("process: a cancelled read loses nothing") {
  Process process = co_await create_subprocess_exec(shell("cat"));
  auto reading = coil::create_task(process.stdout_().read());
  co_await coil_test::settle();
  reading.cancel();
  CHECK_AWAIT_THROWS(reading, coil::CancelledError);
  co_await process.stdin_().write_all("kept");
  const std::string text = co_await process.stdout_().read();
  CHECK(text == "kept");
  process.stdin_().close();
  co_await process.wait();
}

// ---- communicate -----------------------------------------------------------------------------------------

PROCESS_TEST("communicate: gives stdout and stderr, and waits") {
  Process process = co_await create_subprocess_exec(shell("echo out; echo err >&2; exit 3"));
  const Process::Output output = co_await process.communicate();
  CHECK(output.out == "out\n");
  CHECK(output.err == "err\n");
  CHECK(process.returncode() == 3);
}

PROCESS_TEST("communicate: writes the input, then closes stdin") {
  Process process = co_await create_subprocess_exec(shell("cat; echo end"));
  const Process::Output output = co_await process.communicate("input\n");
  CHECK(output.out == "input\nend\n");
}

PROCESS_TEST("communicate: more than the pipes hold goes both ways at once") {
  const std::string input = many(more_than_a_pipe);
  Process process = co_await create_subprocess_exec(shell("tee /dev/stderr"));
  const Process::Output output = co_await process.communicate(input);
  CHECK((output.out == input));
  CHECK((output.err == input));
  CHECK(process.returncode() == 0);
}

PROCESS_TEST("communicate: a child that does not read its input is no error") {
  const std::string input = many(more_than_a_pipe);
  Process process = co_await create_subprocess_exec(shell("head -c 3; exit 4"));
  const Process::Output output = co_await process.communicate(input);
  CHECK(output.out == input.substr(0, 3));
  CHECK(process.returncode() == 4);
}

PROCESS_TEST("communicate: input to a child that has ended is no error") {
  Process process = co_await create_subprocess_exec(shell("exit 5"));
  co_await process.wait();
  const Process::Output output = co_await process.communicate("x");
  CHECK(output.out.empty());
}

PROCESS_TEST("communicate: streams that are not piped give nothing") {
  Command command = Command("sh", "-c", "echo out; echo err >&2").stdout_(coil::devnull).stderr_(coil::piped);
  Process process = co_await create_subprocess_exec(command);
  const Process::Output output = co_await process.communicate();
  CHECK(output.out.empty());
  CHECK(output.err == "err\n");
}

PROCESS_TEST("communicate: without any pipe it waits") {
  Process process = co_await create_subprocess_exec(Command("sh", "-c", "exit 6"));
  const Process::Output output = co_await process.communicate();
  CHECK(output.out.empty());
  CHECK(process.returncode() == 6);
}

PROCESS_TEST("communicate: input without a pipe for it is a logic_error") {
  Process process = co_await create_subprocess_exec(Command("true"));
  CHECK_AWAIT_THROWS(process.communicate("x"), std::logic_error);
  co_await process.wait();
}

PROCESS_TEST("communicate: two at once are a logic_error") {
  Process process = co_await create_subprocess_exec(shell("cat"));
  auto first = coil::create_task(process.communicate("x"));
  co_await coil::yield();
  CHECK_AWAIT_THROWS(process.communicate(), std::logic_error);
  const Process::Output output = co_await first;
  CHECK(output.out == "x");
}

PROCESS_TEST("communicate: stops a child that gives more than is wanted") {
  Process process = co_await create_subprocess_exec(shell("exec cat /dev/zero"));
  CHECK_AWAIT_THROWS(process.communicate({}, 100000), std::length_error);
  const int code = co_await process.wait();  // it does not hang at a full pipe
  CHECK(code == -SIGPIPE);
  const Process::Output output = co_await process.communicate();
  CHECK(output.out == std::string(100000, '\0'));
}

PROCESS_TEST("communicate: exactly as much as is allowed is no error") {
  Process process = co_await create_subprocess_exec(shell("head -c 100000 /dev/zero"));
  const Process::Output output = co_await process.communicate({}, 100000);
  CHECK(output.out.size() == 100000);
  Process none = co_await create_subprocess_exec(shell(":"));
  const Process::Output nothing = co_await none.communicate({}, 0);
  CHECK(nothing.out.empty());
  Process unlimited = co_await create_subprocess_exec(shell("echo x"));
  const Process::Output text = co_await unlimited.communicate({}, SIZE_MAX);
  CHECK(text.out == "x\n");
}

PROCESS_TEST("communicate: waits for the end of the streams, whoever holds them") {
  Process process = co_await create_subprocess_exec(shell("(read line; echo late) <&0 & exit 0"));
  auto all = coil::create_task(process.communicate());
  co_await process.wait();
  const Process::Output output = co_await all;
  CHECK(output.out == "late\n");
}

PROCESS_TEST("communicate: cancelled, the child runs on, and the next call loses nothing") {
  const coil_test::TemporaryDirectory folder;
  const std::string fifo = folder / "go";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const std::string input = many(more_than_a_pipe);
  Command command("sh", "-c", "echo first; read go < " + fifo + "; cat; echo end");
  command.stdin_(coil::piped).stdout_(coil::piped);
  Process slow = co_await create_subprocess_exec(command);
  auto cut = coil::create_task(slow.communicate(input));
  co_await coil_test::until_pipe_holds(slow.stdin_().fd(), 65536);
  cut.cancel();
  CHECK_AWAIT_THROWS(cut, coil::CancelledError);
  CHECK(!slow.returncode());
  {
    const int go = co_await coil::openat(AT_FDCWD, fifo, O_WRONLY);
    coil_test::put(go, "go\n");
    co_await coil::close(go);
  }
  const Process::Output output = co_await slow.communicate(input);
  CHECK((output.out == "first\n" + input + "end\n"));
}

PROCESS_TEST("communicate: with a timeout, then kill, then the rest, as in Python") {
  Process process = co_await create_subprocess_exec(shell("echo some; exec sleep 1000"));
  co_await coil_test::until_pipe_holds(process.stdout_().fd(), 5);
  const auto body = [&] { return process.communicate(); };
  CHECK_AWAIT_THROWS(coil::timeout(0s, body), coil::TimeoutError);
  process.kill();
  const Process::Output output = co_await process.communicate();
  CHECK(output.out == "some\n");
  CHECK(process.returncode() == -SIGKILL);
}
