#pragma once
#include <coil/detail/fd_operation.hpp>

namespace coil {

namespace detail {

/// One poll(2) of one descriptor.
class PollOperation : public Operation<PollOperation, FdOperation> {
public:
  PollOperation(FdRef fd, short events) noexcept;
  int await_resume() { return static_cast<int>(take_value()); }

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  short events_;
};

class ReadinessOperation final : public PollOperation {
public:
  using PollOperation::PollOperation;
  void await_resume() { take_value(); }
};

}  // namespace detail

// For all of these:
// Errors: `std::system_error`, EBADF for a descriptor that is not open. An error of what it refers to is an event.
// Cancellation: nothing is lost.

/// Waits for `events` of poll(2) (POLLIN, POLLOUT, …) and gives those that came, with POLLERR and POLLHUP.
/// Regular files are always ready. POLLPRI that comes later is only seen together with POLLIN (Linux 6.18): ask for
/// both. The way in for any C library that has a descriptor.
[[nodiscard]] detail::PollOperation poll(FdRef fd, short events) noexcept;
/// Waits until reading `fd` would not wait.
[[nodiscard]] detail::ReadinessOperation readable(FdRef fd) noexcept;
/// Waits until writing to `fd` would not wait.
[[nodiscard]] detail::ReadinessOperation writable(FdRef fd) noexcept;

}  // namespace coil
