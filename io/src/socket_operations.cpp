#include <coil/socket_operations.hpp>

#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>

namespace coil::detail {

namespace {

constexpr std::size_t transfer_max = 0x7ffff000;  // of one call, see read(2)

/// What to poll for if the call would block: nothing if the caller does not want to wait.
short readiness(short events, int flags) noexcept { return (flags & MSG_DONTWAIT) != 0 ? short{0} : events; }

}  // namespace

RecvOperation::RecvOperation(FdRef fd, std::span<std::byte> buffer, int flags) noexcept
    : Operation("recv", fd, readiness(POLLIN, flags)), buffer_(buffer), flags_(flags) {}

void RecvOperation::fill(io_uring_sqe& sqe) noexcept {
  io_uring_prep_recv(&sqe, fd_, buffer_.data(), std::min(buffer_.size(), transfer_max), flags_);
}

SendOperation::SendOperation(FdRef fd, std::span<const std::byte> data, int flags) noexcept
    : Operation("send", fd, readiness(POLLOUT, flags)), data_(data), flags_(flags) {
  takes_turns_ = true;
}

void SendOperation::fill(io_uring_sqe& sqe) noexcept {
  io_uring_prep_send(&sqe, fd_, data_.data(), std::min(data_.size(), transfer_max), flags_ | MSG_NOSIGNAL);
}

// ---- Until all is sent -----------------------------------------------------------------------------------

SendAllOperation::SendAllOperation(FdRef fd, std::span<const std::byte> data, std::size_t* progress) noexcept
    : Operation("send", fd, POLLOUT), data_(data), reported_(progress) {
  takes_turns_ = true;
}

void SendAllOperation::start() noexcept {
  done_ = 0;
  if (reported_ != nullptr) *reported_ = 0;
  submit();
}

// With MSG_WAITALL the kernel goes on by itself when there is room; it may fall short all the same.
void SendAllOperation::fill(io_uring_sqe& sqe) noexcept {
  const std::span<const std::byte> rest = data_.subspan(done_);
  io_uring_prep_send(&sqe, fd_, rest.data(), std::min(rest.size(), transfer_max), MSG_WAITALL | MSG_NOSIGNAL);
}

bool SendAllOperation::progress(std::int32_t result) noexcept {
  result_ = result;
  if (result < 0) return true;
  done_ += static_cast<std::size_t>(result);
  if (reported_ != nullptr) *reported_ = done_;
  return done_ == data_.size();
}

std::size_t SendAllOperation::await_resume() {
  take_value();
  return data_.size();
}

// ---- Messages --------------------------------------------------------------------------------------------

MessageOperation::MessageOperation(Direction direction, FdRef fd, ::msghdr& message, int flags) noexcept
    : Operation(direction == Direction::receive ? "recvmsg" : "sendmsg", fd,
                readiness(direction == Direction::receive ? POLLIN : POLLOUT, flags)),
      direction_(direction),
      flags_(flags),
      message_(&message) {
  takes_turns_ = direction == Direction::send;
}

void MessageOperation::fill(io_uring_sqe& sqe) noexcept {
  if (direction_ == Direction::receive)
    io_uring_prep_recvmsg(&sqe, fd_, message_, static_cast<unsigned>(flags_ | MSG_CMSG_CLOEXEC));
  else
    io_uring_prep_sendmsg(&sqe, fd_, message_, static_cast<unsigned>(flags_ | MSG_NOSIGNAL));
}

// ---- Connections -----------------------------------------------------------------------------------------

AcceptOperation::AcceptOperation(FdRef fd, int flags) noexcept : Operation("accept", fd, POLLIN), flags_(flags) {}

void AcceptOperation::fill(io_uring_sqe& sqe) noexcept {
  io_uring_prep_accept(&sqe, fd_, nullptr, nullptr, flags_ | SOCK_CLOEXEC);
}

ConnectOperation::ConnectOperation(FdRef fd, const Endpoint& endpoint) noexcept
    : Operation("connect", fd, endpoint.family() == AF_UNIX ? 0 : POLLOUT), endpoint_(endpoint) {
  may_wait_ = endpoint.family() == AF_UNIX;
}

void ConnectOperation::fill(io_uring_sqe& sqe) noexcept {
  io_uring_prep_connect(&sqe, fd_, endpoint_.address(), endpoint_.size());
}

// Of a Unix socket EAGAIN says that the listener's queue is full; it is not to be polled for.
// A second connect(2) of a socket that has connected meanwhile succeeds, or says what went wrong.
bool ConnectOperation::progress(std::int32_t result) noexcept {
  return result == -EINPROGRESS || result == -EALREADY ? wait_until_ready() : FdOperation::progress(result);
}

int ConnectOperation::await_resume() {
  const std::int32_t result = take_result();
  if (result >= 0) return result;
  const std::string who = held_ ? "" : "fd " + std::to_string(fd_) + ", ";
  throw std::system_error(-result, std::system_category(), "connect(" + who + endpoint_.to_string() + ")");
}

ShutdownOperation::ShutdownOperation(FdRef fd, int how) noexcept : Operation("shutdown", fd, 0), how_(how) {
  self_finishing_ = true;
  takes_turns_ = how == SHUT_WR;
}

void ShutdownOperation::fill(io_uring_sqe& sqe) noexcept { io_uring_prep_shutdown(&sqe, fd_, how_); }

}  // namespace coil::detail
