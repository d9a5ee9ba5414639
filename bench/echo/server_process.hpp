// A server that is measured, in a process of its own, and the cores that it and its client have.
#pragma once
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "../measure.hpp"

namespace echo {

[[noreturn]] inline void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

inline void keep_on(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(core), &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

struct Cores {
  int first = -1;
  int last = -1;
};
inline Cores cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  ::sched_getaffinity(0, sizeof set, &set);
  Cores found;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (!CPU_ISSET(static_cast<unsigned>(i), &set)) continue;
    if (found.first < 0) found.first = i;
    found.last = i;
  }
  return found;
}

/// Ends with this.
class ServerProcess {
public:
  ServerProcess(char** command, int core) {
    int ends[2];
    if (::pipe(ends) != 0) fail("pipe");
    pid_ = ::fork();
    if (pid_ < 0) fail("fork");
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      keep_on(core);
      ::dup2(ends[1], STDOUT_FILENO);
      ::close(ends[0]);
      ::close(ends[1]);
      ::execvp(command[0], command);
      fail(command[0]);
    }
    ::close(ends[1]);
    FILE* const output = ::fdopen(ends[0], "r");
    int port = 0;
    if (output == nullptr || std::fscanf(output, "%d", &port) != 1) {
      std::fprintf(stderr, "%s printed no port\n", command[0]);
      std::exit(1);
    }
    std::fclose(output);
    port_ = static_cast<std::uint16_t>(port);
    if (::clock_getcpuclockid(pid_, &clock_) != 0) fail("clock_getcpuclockid");
  }
  ServerProcess(const ServerProcess&) = delete;
  ~ServerProcess() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  std::uint16_t port() const noexcept { return port_; }
  pid_t pid() const noexcept { return pid_; }
  std::int64_t cpu_ns() const noexcept { return measure::read_clock(clock_); }

private:
  pid_t pid_ = 0;
  std::uint16_t port_ = 0;
  clockid_t clock_{};
};

}  // namespace echo
