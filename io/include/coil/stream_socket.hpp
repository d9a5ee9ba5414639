#pragma once
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include <coil/coro.hpp>
#include <coil/descriptor.hpp>
#include <coil/detail/acceptor.hpp>
#include <coil/endpoint.hpp>
#include <coil/fd.hpp>
#include <coil/socket_operations.hpp>

namespace coil {

/// A connected stream socket: what TcpStream and UnixStream have in common. Nothing is buffered; for that there is
/// Stream.
///
/// It may be closed, or go, while other tasks read or write: they end with ECANCELED.
/// Threads: loop thread. One reader at a time and one or more writers, who take turns.
class StreamSocket {
public:
  /// Reads up to `buffer.size()` bytes as soon as any arrive. 0 is the end of the stream.
  /// Errors: `std::system_error` with recv(2)'s errno, e.g. ECONNRESET.
  /// Cancellation: bytes that already arrived are returned; none are lost.
  [[nodiscard]] detail::RecvOperation read_some(std::span<std::byte> buffer) noexcept { return {fd_, buffer, 0}; }
  /// The same, by the name that File and Pipe have for it.
  [[nodiscard]] detail::RecvOperation read(std::span<std::byte> buffer) noexcept { return read_some(buffer); }
  /// As `coil::read_exactly`.
  [[nodiscard]] detail::ReadExactlyOperation read_exactly(std::span<std::byte> buffer,
                                                          std::size_t* progress = nullptr) noexcept {
    return coil::read_exactly(fd_, buffer, progress);
  }
  /// Writes some of `data`, at least one byte of it.
  /// Errors: `std::system_error` with send(2)'s errno, e.g. EPIPE.
  [[nodiscard]] detail::SendOperation write_some(std::span<const std::byte> data) noexcept { return {fd_, data, 0}; }
  [[nodiscard]] detail::SendOperation write_some(std::string_view text) noexcept { return coil::send(fd_, text); }
  [[nodiscard]] detail::SendOperation write(std::span<const std::byte> data) noexcept { return write_some(data); }
  [[nodiscard]] detail::SendOperation write(std::string_view text) noexcept { return write_some(text); }
  /// Writes all of `data`, not mixed with what others write. As `coil::send_all`.
  [[nodiscard]] detail::SendAllOperation write_all(std::span<const std::byte> data,
                                                   std::size_t* progress = nullptr) noexcept {
    return coil::send_all(fd_, data, progress);
  }
  [[nodiscard]] detail::SendAllOperation write_all(std::string_view text, std::size_t* progress = nullptr) noexcept {
    return coil::send_all(fd_, text, progress);
  }
  /// Tells the peer that nothing more is written, after what is being written. Reading goes on.
  [[nodiscard]] detail::ShutdownOperation write_eof() noexcept;

  /// Ends what other tasks wait for here, waits for it, and closes.
  /// Cancellation: it is closed all the same, when the kernel has let go.
  [[nodiscard]] Fd::CloseOperation close() noexcept { return fd_.close(); }
  /// Closes so that the peer is reset: what is on its way is thrown away.
  [[nodiscard]] Fd::CloseOperation abort() noexcept;

  bool is_open() const noexcept { return static_cast<bool>(fd_); }
  /// -1 once closed.
  int fd() const noexcept { return fd_.number(); }
  /// For operations that have no member here; it stays the stream's.
  const Fd& descriptor() const noexcept { return fd_; }
  /// Gives the descriptor up. Errors: `std::logic_error` while operations are under way.
  int release() { return fd_.release(); }
  /// Of the other side; none if there is none, as after a reset.
  Endpoint peer_name() const noexcept;
  /// Of this side.
  Endpoint sock_name() const noexcept;

protected:
  StreamSocket() noexcept = default;
  explicit StreamSocket(Fd fd) noexcept : fd_(std::move(fd)) {}
  StreamSocket(StreamSocket&&) noexcept = default;
  StreamSocket& operator=(StreamSocket&&) noexcept = default;
  ~StreamSocket() = default;

private:
  Fd fd_;
};

/// How a socket listens.
struct ListenOptions {
  int backlog = 1024;         ///< Connections that wait to be accepted; the kernel has a limit of its own.
  bool reuse_address = true;  ///< TCP: takes a port whose last connections are still ending.
  bool reuse_port = false;    ///< TCP: several processes listen, the kernel deals the connections out.
  unsigned mode = 0;          ///< Unix: permissions of the path; 0: as the umask says.
  /// Takes no connection in ahead: those that no `accept()` waits for stay in the kernel's queue.
  bool one_at_a_time = false;
};
static_assert(std::is_aggregate_v<ListenOptions> && std::is_trivially_destructible_v<ListenOptions>);

/// A socket that listens: what TcpListener and UnixListener have in common.
///
/// A connection that arrived is given to the `accept()` that waits longest, or kept for the next one, whatever is
/// cancelled meanwhile. Without descriptors `accept()` throws EMFILE, and the connection waits.
/// Threads: loop thread. Any number of tasks may wait in `accept()`.
class ListenSocket {
public:
  bool is_open() const noexcept { return static_cast<bool>(fd_); }
  /// -1 once closed.
  int fd() const noexcept { return fd_.number(); }
  /// Where it listens.
  const Endpoint& endpoint() const noexcept { return endpoint_; }
  const Endpoint& sock_name() const noexcept { return endpoint_; }

protected:
  ListenSocket() noexcept = default;
  ListenSocket(Fd fd, const Endpoint& endpoint, bool one_at_a_time = false);
  ListenSocket(ListenSocket&&) noexcept = default;
  ListenSocket& operator=(ListenSocket&&) noexcept = default;
  ~ListenSocket() = default;

  Fd fd_;
  detail::StateRef<detail::Acceptor> acceptor_;
  Endpoint endpoint_;
};

namespace detail {

/// Errors: `std::system_error` with socket(2)'s errno. Close-on-exec.
Fd make_socket(int family, int type);
/// Errors: `std::system_error` that names the call and the endpoint.
void bind_socket(const Fd& fd, const Endpoint& endpoint);
/// None where there is none.
Endpoint peer_name(int fd) noexcept;
Endpoint sock_name(int fd) noexcept;

}  // namespace detail
}  // namespace coil
