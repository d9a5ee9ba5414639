#include "fd_transport.hpp"

#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include <coil/stream_socket.hpp>

#include "multishot.hpp"
#include "receive_buffers.hpp"

namespace coil::detail {

namespace {

constexpr std::size_t send_max = std::size_t{1} << 20;  // what the kernel copies at once keeps the loop waiting

}  // namespace

FdTransport::FdTransport(Kind kind, Fd in, Fd out) noexcept
    : in_(std::move(in)), out_(std::move(out)), receive_(kind, in_) {}

int FdTransport::end_sending() noexcept {
  if (is_socket()) return ::shutdown(in_.number(), SHUT_WR) == 0 ? 0 : errno;
  out_.close_now();
  return 0;
}

void FdTransport::close(bool reset) noexcept {
  if (reset && is_socket()) {
    const ::linger none{1, 0};
    ::setsockopt(in_.number(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
  }
  in_.close_now();
  out_.close_now();
}

Endpoint FdTransport::peer_name() const noexcept { return is_socket() ? detail::peer_name(in_.number()) : Endpoint(); }
Endpoint FdTransport::sock_name() const noexcept { return is_socket() ? detail::sock_name(in_.number()) : Endpoint(); }

// ---- Receiving -------------------------------------------------------------------------------------------

FdTransport::Receive::Receive(Kind kind, FdRef fd) noexcept
    : FdOperation(kind == Kind::socket ? "recv" : "read", fd, POLLIN), kind_(kind) {}

void FdTransport::Receive::begin(std::span<std::byte> room, Client& client) noexcept {
  room_ = room.data();
  room_size_ = static_cast<std::uint32_t>(room.size());
  buffers_ = nullptr;
  client_ = &client;
  if (kind_ == Kind::file)
    plan_transfer(room.size(), Transfer::read);
  else
    polls_first_ = !more_is_there_ && can_poll_first();
  submit();
}

bool FdTransport::Receive::begin_many(Client& client) noexcept {
  if (kind_ == Kind::file || (buffers_ = ReceiveBuffers::of_loop()) == nullptr) return false;
  client_ = &client;
  polls_first_ = !more_is_there_;
  submit();
  return true;
}

void FdTransport::Receive::fill(io_uring_sqe& sqe) noexcept {
  if (kind_ == Kind::file) {
    io_uring_prep_read(&sqe, fd_, room_, room_size_, file_position);
    return;
  }
  if (buffers_ != nullptr) {
    io_uring_prep_recv_multishot(&sqe, fd_, nullptr, 0, 0);
    sqe.flags |= IOSQE_BUFFER_SELECT;
    sqe.buf_group = ReceiveBuffers::group;
  } else {
    io_uring_prep_recv(&sqe, fd_, room_, room_size_, 0);
  }
  // What was emptied is waited for without looking at it first.
  if (polls_first_) sqe.ioprio |= IORING_RECVSEND_POLL_FIRST;
}

void FdTransport::Receive::complete(std::int32_t result, std::uint32_t flags, bool more) noexcept {
  more_is_there_ = (flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
  if ((flags & IORING_CQE_F_BUFFER) != 0) {
    const auto number = static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT);
    if (result > 0) client_->arrived(buffers_->buffer(number).first(static_cast<std::size_t>(result)));
    buffers_->give_back(number);
  }
  if (!more) FdOperation::complete(result, flags, false);
}

void FdTransport::Receive::wake(FutureState*) noexcept {
  // What came last of a receive that went on was told of already.
  const std::int32_t result = cancelled_ || (buffers_ != nullptr && result_ > 0) ? -ECANCELED : result_;
  if (buffers_ != nullptr && result == -ENOBUFS) buffers_->grow();
  leave();
  client_->received(result);  // may be the end of this
}

// ---- Sending ---------------------------------------------------------------------------------------------

bool FdTransport::send(std::span<const std::byte> data, Client& client) noexcept {
  Send* sending = nullptr;
  try {
    sending = new Send(receive_.kind(), out(), data, client);
  } catch (...) {
    return false;
  }
  sends_by_itself_ = sending->needs_no_peer();
  sending->begin();
  return true;
}

FdTransport::Send::Send(Kind kind, FdRef fd, std::span<const std::byte> data, Client& client) noexcept
    : FdOperation(kind == Kind::socket ? "send" : "write", fd, POLLOUT),
      kind_(kind),
      size_(static_cast<std::uint32_t>(std::min(data.size(), send_max))),
      data_(data.data()),
      client_(client) {
  if (kind == Kind::file) plan_transfer(size_, Transfer::write);
}

void FdTransport::Send::fill(io_uring_sqe& sqe) noexcept {
  if (kind_ == Kind::socket)
    io_uring_prep_send(&sqe, fd_, data_, size_, MSG_NOSIGNAL);
  else
    io_uring_prep_write(&sqe, fd_, data_, size_, file_position);
}

bool FdTransport::Send::progress(std::int32_t result) noexcept {
  if (kind_ == Kind::file) repair_position(result, size_);
  return FdOperation::progress(result == 0 ? -EIO : result);  // what takes nothing would be asked for ever
}

void FdTransport::Send::wake(FutureState*) noexcept {
  const std::int32_t result = cancelled_ ? -ECANCELED : result_;
  Client& client = client_;
  leave();
  delete this;
  client.sent(result);
}

}  // namespace coil::detail
