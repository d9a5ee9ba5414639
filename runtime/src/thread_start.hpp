#pragma once
#include <pthread.h>
#include <signal.h>

#include <string>

namespace coil::detail {

/// While it lives, threads are started with all signals blocked: they stay with those threads that are there for
/// them, also where one waits for a signal through a descriptor and must be the only one not to have it blocked.
class SignalsBlocked {
public:
  SignalsBlocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
  sigset_t before_;
};

/// "PREFIX-NUMBER", as debuggers and top show it. Of a long prefix the beginning: the kernel keeps 15 characters.
inline void name_this_thread(std::string name, unsigned number) noexcept {
  constexpr std::size_t kept_max = 15;
  const std::string suffix = "-" + std::to_string(number);
  if (name.size() + suffix.size() > kept_max) name.resize(kept_max - suffix.size());
  ::pthread_setname_np(::pthread_self(), (name + suffix).c_str());
}

}  // namespace coil::detail
