#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include <coil/coro.hpp>
#include <coil/endpoint.hpp>
#include <coil/fd.hpp>
#include <coil/socket_operations.hpp>

namespace coil {

/// A datagram in a buffer of the caller's.
struct Datagram {
  std::span<std::byte> buffer;  ///< To receive into, or what holds what is sent.
  std::size_t size = 0;         ///< Of what was received, or is sent: the first bytes of `buffer`.
  Endpoint peer = {};           ///< Who sent it, or shall get it; none for a connected socket's peer.
  bool truncated = false;       ///< It was longer than `buffer`; the rest is gone.
};
static_assert(std::is_trivially_destructible_v<Datagram>);

/// How a UDP socket is bound.
struct UdpOptions {
  bool reuse_address = false;
  bool reuse_port = false;  ///< Several sockets on one port, the kernel deals the datagrams out.
  bool broadcast = false;   ///< May send to broadcast addresses.
};
static_assert(std::is_aggregate_v<UdpOptions> && std::is_trivially_destructible_v<UdpOptions>);

/// A UDP socket, closed at its end. An empty datagram is a datagram.
///
/// Errors: that a peer does not listen is reported to a connected socket only, as ECONNREFUSED of a later call; the
///   socket goes on.
/// Threads: loop thread. Any number of tasks may send and receive.
class UdpSocket {
public:
  class ReceiveOperation;
  class SendOperation;

  UdpSocket() noexcept = default;
  /// Takes over a datagram socket.
  explicit UdpSocket(Fd fd) noexcept : fd_(std::move(fd)) {}
  /// At a local address; port 0 takes any free one, see `sock_name()`.
  /// Errors: `std::system_error` that names the endpoint, e.g. EADDRINUSE.
  explicit UdpSocket(const Endpoint& local, const UdpOptions& options = {});

  /// From now on sends to and receives from `peer` only. Does not wait.
  void connect(const Endpoint& peer);

  /// Sends one datagram. Errors: `std::system_error` with sendmsg(2)'s errno, e.g. EMSGSIZE.
  [[nodiscard]] SendOperation send_to(std::span<const std::byte> data, const Endpoint& peer) noexcept;
  [[nodiscard]] SendOperation send_to(std::string_view text, const Endpoint& peer) noexcept;
  /// Sends one to the connected peer.
  [[nodiscard]] detail::SendOperation send(std::span<const std::byte> data) noexcept { return {fd_, data, 0}; }
  [[nodiscard]] detail::SendOperation send(std::string_view text) noexcept { return coil::send(fd_, text); }
  /// Receives one datagram and says who sent it.
  /// Cancellation: a datagram that already arrived is returned; none is lost.
  [[nodiscard]] ReceiveOperation recv_from(std::span<std::byte> buffer) noexcept;
  /// The same without the sender. An empty datagram gives 0, and so does an empty buffer, at once.
  [[nodiscard]] detail::RecvOperation recv(std::span<std::byte> buffer) noexcept { return {fd_, buffer, 0}; }

  /// Receives as many as there are, at least one, with one call; gives how many, the first ones of `datagrams`.
  /// Cancellation: what arrived is returned; none is lost.
  [[nodiscard]] Coro<std::size_t> recv_batch(std::span<Datagram> datagrams);
  /// Sends all, with as few calls as possible; gives how many: fewer if one failed, which the next call then reports.
  /// Cancellation: the first ones may be sent; `*progress`, if given, says how many.
  [[nodiscard]] Coro<std::size_t> send_batch(std::span<const Datagram> datagrams, std::size_t* progress = nullptr);

  /// Ends what other tasks wait for here with ECANCELED, waits for it, and closes.
  [[nodiscard]] Fd::CloseOperation close() noexcept { return fd_.close(); }
  bool is_open() const noexcept { return static_cast<bool>(fd_); }
  /// -1 once closed.
  int fd() const noexcept { return fd_.number(); }
  const Fd& descriptor() const noexcept { return fd_; }
  Endpoint sock_name() const noexcept;
  /// None unless connected.
  Endpoint peer_name() const noexcept;

private:
  Fd fd_;
};

namespace detail {

/// One recvmsg(2) or sendmsg(2) of one buffer with an address.
class AddressedOperation : public FdOperation {
public:
  AddressedOperation(const char* call, FdRef fd, short readiness) noexcept : FdOperation(call, fd, readiness) {}

protected:
  AddressedOperation(const AddressedOperation& other) noexcept = default;
  ~AddressedOperation() = default;
  /// Describes `data` and the address in `header_`, which the kernel reads and writes until it has answered.
  ::msghdr& describe(std::span<const std::byte> data, void* address, unsigned size) noexcept;

  alignas(8) std::byte header_[56];
  alignas(8) std::byte piece_[16];
};

}  // namespace detail

class UdpSocket::ReceiveOperation final : public detail::Operation<ReceiveOperation, detail::AddressedOperation> {
public:
  ReceiveOperation(FdRef fd, std::span<std::byte> buffer) noexcept;
  Datagram await_resume();

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  std::span<std::byte> buffer_;
  alignas(8) std::byte address_[Endpoint::size_max];
};

class UdpSocket::SendOperation final : public detail::Operation<SendOperation, detail::AddressedOperation> {
public:
  SendOperation(FdRef fd, std::span<const std::byte> data, const Endpoint& peer) noexcept;
  std::size_t await_resume();

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  std::span<const std::byte> data_;
  Endpoint peer_;
};

inline UdpSocket::ReceiveOperation UdpSocket::recv_from(std::span<std::byte> buffer) noexcept { return {fd_, buffer}; }
inline UdpSocket::SendOperation UdpSocket::send_to(std::span<const std::byte> data, const Endpoint& peer) noexcept {
  return {fd_, data, peer};
}
inline UdpSocket::SendOperation UdpSocket::send_to(std::string_view text, const Endpoint& peer) noexcept {
  return {fd_, detail::bytes_of(text), peer};
}

}  // namespace coil
