#include <coil/udp.hpp>

#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>
#include <vector>

#include <coil/poll.hpp>
#include <coil/stream_socket.hpp>

namespace coil {

namespace {

constexpr std::size_t batch_max = 1024;  // of one call, see sendmmsg(2)

void set_option(const Fd& fd, int option, const char* name) {
  const int on = 1;
  if (::setsockopt(fd.number(), SOL_SOCKET, option, &on, sizeof on) != 0)
    throw std::system_error(errno, std::system_category(), name);
}

/// What recvmmsg(2) and sendmmsg(2) work on.
struct Batch {
  explicit Batch(std::size_t count) : headers(count), pieces(count), addresses(count) {}
  void describe(std::size_t i, std::span<std::byte> data, void* address, std::size_t size) noexcept {
    pieces[i] = {data.data(), data.size()};
    ::msghdr& header = headers[i].msg_hdr;
    header.msg_iov = &pieces[i];
    header.msg_iovlen = 1;
    header.msg_name = size == 0 ? nullptr : address;
    header.msg_namelen = static_cast<::socklen_t>(size);
  }
  std::vector<::mmsghdr> headers;
  std::vector<::iovec> pieces;
  std::vector<::sockaddr_storage> addresses;
};

[[noreturn]] void throw_errno(const char* call, const detail::KeptFd& fd) {
  throw std::system_error(errno, std::system_category(),
                          std::string(call) + "(fd " + std::to_string(fd.number()) + ")");
}

// These two are tried at once and wait for readiness only if need be, so that a batch is one call of the system.
Coro<std::size_t> receive_batch(detail::KeptFd fd, std::span<Datagram> datagrams) {
  const std::size_t count = std::min(datagrams.size(), batch_max);
  if (count == 0) co_return count;
  Batch batch(count);
  for (std::size_t i = 0; i < count; ++i)
    batch.describe(i, datagrams[i].buffer, &batch.addresses[i], Endpoint::size_max);
  for (;;) {
    const int got = ::recvmmsg(fd.number(), batch.headers.data(), static_cast<unsigned>(count), MSG_DONTWAIT, nullptr);
    if (got < 0 && errno != EAGAIN && errno != EINTR) throw_errno("recvmmsg", fd);
    for (std::size_t i = 0; got > 0 && i < static_cast<std::size_t>(got); ++i) {
      const ::msghdr& header = batch.headers[i].msg_hdr;
      datagrams[i].size = batch.headers[i].msg_len;
      datagrams[i].truncated = (header.msg_flags & MSG_TRUNC) != 0;
      datagrams[i].peer = Endpoint::from_address(static_cast<const ::sockaddr*>(header.msg_name), header.msg_namelen);
    }
    if (got >= 0) co_return static_cast<std::size_t>(got);
    co_await coil::poll(fd, POLLIN);
  }
}

Coro<std::size_t> send_all_of(detail::KeptFd fd, std::span<const Datagram> datagrams, std::size_t* progress) {
  std::size_t own_count = 0;
  std::size_t& total = progress == nullptr ? own_count : *progress;
  total = 0;
  Batch batch(datagrams.size());
  for (std::size_t i = 0; i < datagrams.size(); ++i) {
    const Datagram& datagram = datagrams[i];
    batch.describe(i, datagram.buffer.first(datagram.size), const_cast<::sockaddr*>(datagram.peer.address()),
                   datagram.peer.size());
  }
  while (total < datagrams.size()) {
    const auto count = static_cast<unsigned>(std::min(datagrams.size() - total, batch_max));
    const int sent = ::sendmmsg(fd.number(), batch.headers.data() + total, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0)
      total += static_cast<std::size_t>(sent);
    else if (errno == EAGAIN)
      co_await coil::poll(fd, POLLOUT);
    else if (errno != EINTR && total != 0)
      break;
    else if (errno != EINTR)
      throw_errno("sendmmsg", fd);
  }
  co_return total;
}

}  // namespace

UdpSocket::UdpSocket(const Endpoint& local, const UdpOptions& options)
    : fd_(detail::make_socket(local.family(), SOCK_DGRAM)) {
  if (options.reuse_address) set_option(fd_, SO_REUSEADDR, "SO_REUSEADDR");
  if (options.reuse_port) set_option(fd_, SO_REUSEPORT, "SO_REUSEPORT");
  if (options.broadcast) set_option(fd_, SO_BROADCAST, "SO_BROADCAST");
  detail::bind_socket(fd_, local);
}

void UdpSocket::connect(const Endpoint& peer) {
  if (::connect(fd_.number(), peer.address(), peer.size()) != 0)
    throw std::system_error(errno, std::system_category(), "connect(" + peer.to_string() + ")");
}

Endpoint UdpSocket::sock_name() const noexcept { return detail::sock_name(fd()); }
Endpoint UdpSocket::peer_name() const noexcept { return detail::peer_name(fd()); }

Coro<std::size_t> UdpSocket::recv_batch(std::span<Datagram> datagrams) { return receive_batch(fd_, datagrams); }
Coro<std::size_t> UdpSocket::send_batch(std::span<const Datagram> datagrams, std::size_t* progress) {
  return send_all_of(fd_, datagrams, progress);
}

// ---- One datagram ----------------------------------------------------------------------------------------

::msghdr& detail::AddressedOperation::describe(std::span<const std::byte> data, void* address, unsigned size) noexcept {
  static_assert(sizeof header_ == sizeof(::msghdr) && sizeof piece_ == sizeof(::iovec));
  auto* header = ::new (static_cast<void*>(header_))::msghdr{};
  header->msg_iov = ::new (static_cast<void*>(piece_))::iovec{const_cast<std::byte*>(data.data()), data.size()};
  header->msg_iovlen = 1;
  header->msg_name = size == 0 ? nullptr : address;
  header->msg_namelen = size;
  return *header;
}

UdpSocket::ReceiveOperation::ReceiveOperation(FdRef fd, std::span<std::byte> buffer) noexcept
    : Operation("recvmsg", fd, POLLIN), buffer_(buffer) {}

void UdpSocket::ReceiveOperation::fill(io_uring_sqe& sqe) noexcept {
  io_uring_prep_recvmsg(&sqe, fd_, &describe(buffer_, address_, sizeof address_), 0);
}

Datagram UdpSocket::ReceiveOperation::await_resume() {
  const std::size_t size = take_value();
  const ::msghdr& header = *std::launder(reinterpret_cast<const ::msghdr*>(header_));
  const auto* address = reinterpret_cast<const ::sockaddr*>(address_);
  return {.buffer = buffer_,
          .size = size,
          .peer = Endpoint::from_address(address, header.msg_namelen),
          .truncated = (header.msg_flags & MSG_TRUNC) != 0};
}

UdpSocket::SendOperation::SendOperation(FdRef fd, std::span<const std::byte> data, const Endpoint& peer) noexcept
    : Operation("sendmsg", fd, POLLOUT), data_(data), peer_(peer) {}

void UdpSocket::SendOperation::fill(io_uring_sqe& sqe) noexcept {
  ::msghdr& message = describe(data_, const_cast<::sockaddr*>(peer_.address()), peer_.size());
  io_uring_prep_sendmsg(&sqe, fd_, &message, MSG_NOSIGNAL);
}

std::size_t UdpSocket::SendOperation::await_resume() {
  const std::int32_t result = take_result();
  if (result >= 0) return static_cast<std::size_t>(result);
  throw std::system_error(-result, std::system_category(), "send_to(" + peer_.to_string() + ")");
}

}  // namespace coil
