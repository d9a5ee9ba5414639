#pragma once
#include <chrono>

#include <coil/process.hpp>

namespace coil::detail {

/// What is done in a child. Gives its exit status.
class ForkJob {
public:
  virtual int run() noexcept = 0;

protected:
  ~ForkJob() = default;
};

/// Copies this process by fork(2). The child, with its signals in order, waits at its end of a pair of sockets until
/// this process is ready for it, runs `job`, writes what stdio has buffered, and exits.
/// Errors: `std::system_error`. Then there is no child, and `job` was not run.
ChildRef fork_child(ForkJob& job, int their_end, int our_end, std::chrono::nanoseconds grace);

}  // namespace coil::detail
