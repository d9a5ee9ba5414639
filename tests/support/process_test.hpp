// PROCESS_TEST("sentence about behaviour") { body }: an IO_TEST that runs by the real clock, because children do, and
// that also fails if a child process is left, running or not. It runs twice, with and without the ring's waitid.
//
// Nothing here sleeps: what must come before what is settled through pipes.
#pragma once
#include "io_test.hpp"

#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <coil/process.hpp>

#include "child_process.hpp"
#include "interrupt.hpp"

namespace coil_test {

/// Whether this process has a child, running or a zombie.
inline bool has_child() {
  siginfo_t found{};
  return ::waitid(P_ALL, 0, &found, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

inline constexpr coil::RunOptions real_time{.clock = coil::Clock::real};

inline void run_process_test(coil::Coro<void> (*body)(Reports&)) {
  for (const bool with_waitid : {true, false}) {
    CAPTURE(with_waitid);
    coil::detail::ChildProcess::may_use_waitid = with_waitid;
    REQUIRE(!has_child());
    run_io_test(body, real_time);
    CHECK_MESSAGE(!has_child(), "a child process is left");
  }
  coil::detail::ChildProcess::may_use_waitid = true;
}

/// `script` for /bin/sh, with all its streams piped.
inline coil::Command shell(std::string script) {
  return coil::Command::shell(std::move(script)).stdin_(coil::piped).stdout_(coil::piped).stderr_(coil::piped);
}

/// A child that has said "ready" on its stdout and then runs until it is killed.
inline coil::Coro<coil::Process> start_waiting() {
  coil::Process process = co_await coil::create_subprocess_exec(shell("echo ready; exec sleep 1000"));
  std::string said;
  while (said != "ready\n") said += co_await process.stdout_().read(1);
  co_return process;
}

/// Waits until a pipe holds this much, seen from either end. Keeps the loop busy.
inline coil::Coro<void> until_pipe_holds(int fd, int size) {
  for (int found = 0; found < size; co_await coil::yield()) check_call(::ioctl(fd, FIONREAD, &found), "ioctl");
}

}  // namespace coil_test

#define COIL_TEST_PROCESS_TEST(body, sentence)               \
  static coil::Coro<void> body(coil_test::Reports& reports); \
  TEST_CASE(sentence) { coil_test::run_process_test(body); } \
  static coil::Coro<void> body([[maybe_unused]] coil_test::Reports& reports)
#define PROCESS_TEST(sentence) COIL_TEST_PROCESS_TEST(DOCTEST_ANONYMOUS(process_test_body_), sentence)
