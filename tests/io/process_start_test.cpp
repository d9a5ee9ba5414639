// A child process that cannot be started: the error names what is wrong, and nothing is left.
#include <coil/process.hpp>

#include "../support/process_test.hpp"

#include <signal.h>
#include <sys/resource.h>

#include <string>

using coil::Command;
using coil::create_subprocess_exec;
using coil::Process;
using coil_test::shell;
using coil_test::TemporaryDirectory;

namespace {

/// The errno and text with which starting fails; 0 if it does not.
coil::Coro<std::pair<int, std::string>> failure_of(Command command) {
  command.stdin_(coil::piped).stdout_(coil::piped).stderr_(coil::piped);
  std::pair<int, std::string> failure(0, "");
  try {
    const Process process = co_await create_subprocess_exec(command);
  } catch (const std::system_error& error) {
    failure = {error.code().value(), error.what()};
    CHECK(error.code().category() == std::system_category());
  }
  CHECK(!coil_test::has_child());
  co_return failure;
}

}  // namespace

PROCESS_TEST("process: a missing command is ENOENT and named") {
  const auto searched = co_await failure_of(Command("no-such-command", "-l").env("PATH", "/usr/bin:/bin"));
  CHECK(searched.first == ENOENT);
  CHECK(searched.second == "exec(no-such-command): No such file or directory");
  const auto direct = co_await failure_of(Command("/no/such/command"));
  CHECK(direct.first == ENOENT);
  CHECK(direct.second == "exec(/no/such/command): No such file or directory");
  const auto empty = co_await failure_of(Command(""));
  CHECK(empty.first == ENOENT);
}

PROCESS_TEST("process: a file that is not executable is EACCES and named") {
  const TemporaryDirectory folder;
  const std::string path = folder.file("text", "no program");
  const auto direct = co_await failure_of(Command(path));
  CHECK(direct.first == EACCES);
  CHECK(direct.second == "exec(" + path + "): Permission denied");
  // Found in PATH, where a later entry has none.
  const auto searched = co_await failure_of(Command("text").env("PATH", folder.path() + ":/nowhere"));
  CHECK(searched.first == EACCES);
  const auto is_folder = co_await failure_of(Command(folder.path()));
  CHECK(is_folder.first == EACCES);
}

PROCESS_TEST("process: a later entry of PATH counts if an earlier one is not executable") {
  const TemporaryDirectory folder;
  folder.file("true", "no program");
  Process process = co_await create_subprocess_exec(Command("true").env("PATH", folder.path() + ":/usr/bin:/bin"));
  const int code = co_await process.wait();
  CHECK(code == 0);
}

PROCESS_TEST("process: a file that is no program is ENOEXEC") {
  const TemporaryDirectory folder;
  const std::string path = folder.file("text", "no program");
  REQUIRE(::chmod(path.c_str(), 0700) == 0);
  const auto failure = co_await failure_of(Command(path));
  CHECK(failure.first == ENOEXEC);
}

PROCESS_TEST("process: a missing cwd is named") {
  const auto missing = co_await failure_of(Command("true").cwd("/no/such/folder"));
  CHECK(missing.first == ENOENT);
  CHECK(missing.second == "chdir(/no/such/folder): No such file or directory");
  const auto file = co_await failure_of(Command("true").cwd("/etc/passwd"));
  CHECK(file.first == ENOTDIR);
}

PROCESS_TEST("process: too long a list of arguments is E2BIG") {
  const auto failure = co_await failure_of(Command("true", std::string(std::size_t{4} << 20, 'x')));
  CHECK(failure.first == E2BIG);
  CHECK(failure.second == "exec(true): Argument list too long");
}

PROCESS_TEST("process: 200 failures leave no zombie and no descriptor") {
  const auto before = coil_test::open_descriptors();
  for (int round = 0; round < 200; ++round) {
    const auto failure = co_await failure_of(Command("no-such-command").env("PATH", "/usr/bin:/bin"));
    REQUIRE(failure.first == ENOENT);
  }
  CHECK(coil_test::open_descriptors() == before);
}

PROCESS_TEST("process: out of descriptors, at any of those that are needed, nothing is left") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const auto open_before = coil_test::open_descriptors();
  // The sanitizer that checks types needs descriptors for one it has not seen yet.
  CHECK_THROWS_AS(throw std::system_error(EMFILE, std::system_category(), ""), std::system_error);
  int started = 0;
  for (rlim_t more = 0; more < 12; ++more) {
    const int next = ::fcntl(0, F_DUPFD_CLOEXEC, 3);  // the lowest that is free
    ::close(next);
    const rlimit low{static_cast<rlim_t>(next) + more, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
    std::optional<Process> process;
    std::exception_ptr failure;  // looked at later
    try {
      process = Process::start(shell("exit 0"));
      ++started;
    } catch (...) {
      failure = std::current_exception();
    }
    ::setrlimit(RLIMIT_NOFILE, &before);
    if (process) co_await process->wait();
    process.reset();
    const std::string text = coil_test::text_of(failure);
    CHECK_MESSAGE(
        (text.empty() || text.find("Too many open files") != text.npos || text.find("Invalid argument") != text.npos),
        text);
    CHECK(!coil_test::has_child());
    CHECK(coil_test::open_descriptors() == open_before);
  }
  CHECK(started > 0);
  CHECK(started < 8);
}

PROCESS_TEST("process: a user who may have no more processes gets EAGAIN") {
  if (::geteuid() == 0) {
    MESSAGE("root may have any number");
    co_await coil::yield();
    co_return;
  }
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NPROC, &before) == 0);
  const rlimit none{0, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NPROC, &none) == 0);
  const auto failure = co_await failure_of(Command("true"));
  ::setrlimit(RLIMIT_NPROC, &before);
  CHECK(failure.first == EAGAIN);
  CHECK(failure.second == "clone(true): Resource temporarily unavailable");
}

TEST_CASE("process: Process::start() needs no loop, and neither does the end") {
  const auto before = coil_test::open_descriptors();
  {
    const Process waits = Process::start(shell("exec sleep 1000"));
    Process ends = Process::start(shell("exit 3"));
    std::optional<int> code;
    while (!code) code = ends.returncode();
    CHECK(code == 3);
  }
  CHECK(!coil_test::has_child());
  CHECK(coil_test::open_descriptors() == before);
}
