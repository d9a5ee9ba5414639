#include "fork_child.hpp"

#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include <coil/detail/loop_core.hpp>

#include "child_process.hpp"
#include "child_signals.hpp"
#include "interrupt.hpp"

namespace coil::detail {

namespace {

[[noreturn]] void begin_child(ForkJob& job, int their_end) noexcept {
  this_loop = nullptr;
  reset_signals();
  restore_timer_slack();
  char go = 0;
  ssize_t size = 0;
  do {
    size = ::recv(their_end, &go, 1, 0);
  } while (size < 0 && errno == EINTR);
  if (size != 1) ::_exit(127);
  const int code = job.run();
  std::fflush(nullptr);
  ::_exit(code);
}

}  // namespace

// The parent knows the child by a pidfd, which it can open only once there is a child. The child waits for that: it has
// done nothing if the pidfd cannot be had, and its number cannot be somebody else's by then.
ChildRef fork_child(ForkJob& job, int their_end, int our_end, std::chrono::nanoseconds grace) {
  const ChildRef child(new ChildProcess(grace));
  std::fflush(nullptr);
  pid_t pid = -1;
  {
    const SignalsBlocked blocked;
    pid = ::fork();
    if (pid == 0) begin_child(job, their_end);
  }
  if (pid < 0) throw std::system_error(errno, std::system_category(), "fork");
  OwnedFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const char go = 1;
  if (!pidfd || ::send(our_end, &go, 1, MSG_NOSIGNAL) != 1) {
    const int error = errno;
    ::kill(pid, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    throw std::system_error(error, std::system_category(), "pidfd_open of a forked process");
  }
  child->begin(pid, std::move(pidfd));
  return child;
}

}  // namespace coil::detail
