#include <coil/poll.hpp>

#include <liburing.h>
#include <poll.h>

namespace coil {

namespace detail {

PollOperation::PollOperation(FdRef fd, short events) noexcept : Operation("poll", fd, 0), events_(events) {}

void PollOperation::fill(io_uring_sqe& sqe) noexcept {
  io_uring_prep_poll_add(&sqe, fd_, static_cast<unsigned>(events_) & 0xffffU);
}

}  // namespace detail

detail::PollOperation poll(FdRef fd, short events) noexcept { return {fd, events}; }
detail::ReadinessOperation readable(FdRef fd) noexcept { return {fd, POLLIN}; }
detail::ReadinessOperation writable(FdRef fd) noexcept { return {fd, POLLOUT}; }

}  // namespace coil
