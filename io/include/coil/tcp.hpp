#pragma once
#include <cstdint>
#include <utility>

#include <coil/stream_socket.hpp>

namespace coil {

/// A TCP connection, closed at its end. Small writes are sent at once (TCP_NODELAY).
class TcpStream final : public StreamSocket {
public:
  TcpStream() noexcept = default;
  /// Takes over a connected socket.
  explicit TcpStream(Fd fd) noexcept : StreamSocket(std::move(fd)) {}

  /// Errors: `std::system_error` that names the endpoint, e.g. ECONNREFUSED.
  /// Cancellation: the socket is closed; the peer may have seen a connection that ends at once.
  [[nodiscard]] static Coro<TcpStream> connect(Endpoint endpoint);
  /// The same from a local address, whose port may be 0.
  [[nodiscard]] static Coro<TcpStream> connect(Endpoint endpoint, Endpoint local);

  void set_nodelay(bool on);
};

/// A TCP port that is listened on, free again when this is closed.
class TcpListener final : public ListenSocket {
public:
  TcpListener() noexcept = default;
  /// Listens on an address; with port 0 on any free one, see `port()`. An IPv6 address takes IPv6 only.
  /// Errors: `std::system_error` that names the endpoint, e.g. EADDRINUSE.
  explicit TcpListener(const Endpoint& endpoint, const ListenOptions& options = {});
  /// Takes over a socket that listens.
  explicit TcpListener(Fd fd);

  std::uint16_t port() const noexcept { return endpoint_.port(); }
  /// Waits for a connection.
  /// Errors: `std::system_error` with accept(2)'s errno; ECANCELED when the listener is closed.
  /// Cancellation: a connection that had arrived is returned, or kept for the next one.
  [[nodiscard]] detail::AcceptStream<TcpStream> accept() noexcept { return detail::AcceptStream<TcpStream>(acceptor_); }
  /// Ends the accepts that wait, and closes. The port is free then.
  [[nodiscard]] Coro<void> close();
};

}  // namespace coil
