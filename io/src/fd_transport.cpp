#include "fd_transport.hpp"

#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include <coil/stream_socket.hpp>

namespace coil::detail {

namespace {

constexpr std::size_t send_max = std::size_t{1} << 20;  // what the kernel copies at once keeps the loop waiting

}  // namespace

FdTransport::FdTransport(Kind kind, Fd in, Fd out) noexcept
    : kind_(kind), in_(std::move(in)), out_(std::move(out)), receive_(kind, in_), send_(kind, this->out()) {}

int FdTransport::end_sending() noexcept {
  if (kind_ == Kind::socket) return ::shutdown(in_.number(), SHUT_WR) == 0 ? 0 : errno;
  out_.close_now();
  return 0;
}

void FdTransport::close(bool reset) noexcept {
  if (reset && kind_ == Kind::socket) {
    const ::linger none{1, 0};
    ::setsockopt(in_.number(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
  }
  in_.close_now();
  out_.close_now();
}

Endpoint FdTransport::peer_name() const noexcept {
  return kind_ == Kind::socket ? detail::peer_name(in_.number()) : Endpoint();
}
Endpoint FdTransport::sock_name() const noexcept {
  return kind_ == Kind::socket ? detail::sock_name(in_.number()) : Endpoint();
}

// ---- Receiving -------------------------------------------------------------------------------------------

FdTransport::Receive::Receive(Kind kind, FdRef fd) noexcept
    : FdOperation(kind == Kind::socket ? "recv" : "read", fd, POLLIN), kind_(kind) {}

void FdTransport::Receive::begin(std::span<std::byte> room, Client& client) noexcept {
  room_ = room;
  client_ = &client;
  if (kind_ == Kind::file) plan_transfer(room.size(), Transfer::read);
  submit();
}

void FdTransport::Receive::fill(io_uring_sqe& sqe) noexcept {
  if (kind_ == Kind::file) {
    io_uring_prep_read(&sqe, fd_, room_.data(), static_cast<unsigned>(room_.size()), file_position);
    return;
  }
  io_uring_prep_recv(&sqe, fd_, room_.data(), room_.size(), 0);
  // What was emptied is waited for without looking at it first.
  if (!more_is_there_) sqe.ioprio |= IORING_RECVSEND_POLL_FIRST;
}

void FdTransport::Receive::complete(std::int32_t result, std::uint32_t flags, bool more) noexcept {
  more_is_there_ = (flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
  FdOperation::complete(result, flags, more);
}

void FdTransport::Receive::wake(FutureState*) noexcept {
  const std::int32_t result = cancelled_ ? -ECANCELED : result_;
  leave();
  client_->received(result);  // may be the end of this
}

// ---- Sending ---------------------------------------------------------------------------------------------

FdTransport::Send::Send(Kind kind, FdRef fd) noexcept
    : FdOperation(kind == Kind::socket ? "send" : "write", fd, POLLOUT), kind_(kind) {}

void FdTransport::Send::begin(std::span<const std::byte> data, Client& client) noexcept {
  data_ = data.first(std::min(data.size(), send_max));
  client_ = &client;
  if (kind_ == Kind::file) plan_transfer(data_.size(), Transfer::write);
  submit();
}

void FdTransport::Send::fill(io_uring_sqe& sqe) noexcept {
  if (kind_ == Kind::socket)
    io_uring_prep_send(&sqe, fd_, data_.data(), data_.size(), MSG_NOSIGNAL);
  else
    io_uring_prep_write(&sqe, fd_, data_.data(), static_cast<unsigned>(data_.size()), file_position);
}

bool FdTransport::Send::progress(std::int32_t result) noexcept {
  if (kind_ == Kind::file) repair_position(result, data_.size());
  return FdOperation::progress(result == 0 ? -EIO : result);  // what takes nothing would be asked for ever
}

void FdTransport::Send::wake(FutureState*) noexcept {
  const std::int32_t result = cancelled_ ? -ECANCELED : result_;
  leave();
  client_->sent(result);  // may be the end of this
}

}  // namespace coil::detail
