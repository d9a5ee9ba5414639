#include "child_signals.hpp"

#include <pthread.h>

#include <cerrno>

namespace coil::detail {

SignalsBlocked::SignalsBlocked() noexcept {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before_);
}

// Leaves errno to the call that was made meanwhile.
SignalsBlocked::~SignalsBlocked() {
  const int saved = errno;
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  errno = saved;
}

COIL_IN_CHILD void reset_signals() noexcept {
  struct sigaction to_default{};
  to_default.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction current{};
    if (::sigaction(signal, nullptr, &current) != 0) continue;  // the C library's own
    const bool is_handled = current.sa_handler != SIG_DFL && current.sa_handler != SIG_IGN;
    if (is_handled || (signal == SIGPIPE && current.sa_handler == SIG_IGN)) ::sigaction(signal, &to_default, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace coil::detail
