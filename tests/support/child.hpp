// Runs a part of a test in a child process, for what ends a process or changes it for good: signals, the default
// exception handler's output.
#pragma once
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace coil_test {

/// How a child process ended.
struct ChildResult {
  int status = 0;      // as waitpid gives it
  std::string output;  // what it wrote to stdout and stderr

  bool exited_with(int code) const { return WIFEXITED(status) && WEXITSTATUS(status) == code; }
  bool killed_by(int signal) const { return WIFSIGNALED(status) && WTERMSIG(status) == signal; }
  bool said(const std::string& text) const { return output.find(text) != std::string::npos; }
};

/// A child hangs no longer than this: SIGALRM ends it.
inline constexpr unsigned child_seconds_max = 120;

/// Exit status of a child whose body threw.
inline constexpr int child_threw = 99;

/// Calls `body` in a child process, whose exit status is what it returns. `while_running(pid, first)` is called in this
/// process each time the child has written something, with its output so far.
/// No doctest assertion inside `body`: this process would not hear of it.
template <class Body, class Observer>
ChildResult in_child(Body body, Observer while_running) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("pipe");
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    for (const int signal : {SIGINT, SIGTERM, SIGPIPE, SIGALRM, SIGABRT, SIGSEGV})
      ::signal(signal, SIG_DFL);  // not doctest's
    ::alarm(child_seconds_max);
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    int code = child_threw;
    try {
      code = body();
    } catch (...) {
    }
    std::fflush(nullptr);
    ::_exit(code);
  }
  ::close(ends[1]);
  ChildResult result;
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(ends[0], buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    result.output.append(buffer, static_cast<std::size_t>(got));
    while_running(child, std::as_const(result.output));
  }
  ::close(ends[0]);
  while (::waitpid(child, &result.status, 0) < 0 && errno == EINTR) {
  }
  return result;
}

template <class Body>
ChildResult in_child(Body body) {
  return in_child(std::move(body), [](pid_t, const std::string&) {});
}

/// Writes a line that the parent sees at once.
inline void tell_parent(const std::string& line) {
  const std::string text = line + "\n";
  if (::write(STDOUT_FILENO, text.data(), text.size()) < 0) std::perror("write");
}

}  // namespace coil_test
