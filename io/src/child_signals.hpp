#pragma once
#include <signal.h>

// For what a child process runs in its parent's memory: it shares the shadow memory of a sanitizer as well, which would
// take what is left on its stack for the parent's.
#define COIL_IN_CHILD __attribute__((no_sanitize("address", "undefined", "thread")))

namespace coil::detail {

/// Blocks all signals of this thread while it lives: a child process that is made meanwhile runs none of its handlers.
class SignalsBlocked {
public:
  SignalsBlocked() noexcept;
  ~SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

private:
  sigset_t before_;
};

/// In a child process with all signals blocked: handlers, which belong to what the parent does, give way to the
/// defaults, as does ignoring SIGPIPE; what else is ignored stays so. Then nothing is blocked.
/// Async-signal-safe, and free of sanitizers.
void reset_signals() noexcept;

}  // namespace coil::detail
