#pragma once
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <coil/clock.hpp>
#include <coil/coro.hpp>
#include <coil/detail/child.hpp>
#include <coil/stream.hpp>

namespace coil {

/// Options of `start_server` and `start_unix_server`.
struct ServerOptions {
  int backlog = 1024;  ///< Connections that wait to be accepted; the kernel has a limit of its own.
  /// With so many no handler is started until one ends; further connections wait in the kernel's queue, but for one at
  /// each socket after the first (IPv4 and IPv6), which is taken in and waits here. 0: no limit.
  std::size_t max_connections = 0;
  bool reuse_port = false;  ///< TCP: several processes listen, the kernel deals the connections out.
  unsigned mode = 0;        ///< Unix: permissions of the path; 0: as the umask says.
  StreamOptions stream = {};
};
static_assert(std::is_aggregate_v<ServerOptions> && std::is_trivially_destructible_v<ServerOptions>);

namespace detail {

class ServerCore;

/// What is called with each connection.
class ConnectionHandler {
public:
  virtual ~ConnectionHandler() = default;
  virtual Coro<void> handle(Stream stream) = 0;
};

template <class A>
Coro<void> await_and_drop(A awaitable) {
  static_cast<void>(co_await std::move(awaitable));
}

template <class F>
class ConnectionHandlerOf final : public ConnectionHandler {
public:
  explicit ConnectionHandlerOf(F function) : function_(std::move(function)) {}
  Coro<void> handle(Stream stream) override {
    if constexpr (std::same_as<std::invoke_result_t<F&, Stream>, Coro<void>>)
      return function_(std::move(stream));
    else
      return await_and_drop(function_(std::move(stream)));
  }

private:
  F function_;
};

}  // namespace detail

/// One of the sockets at which a server listens.
struct ServerSocket {
  int fd;  ///< It stays the server's.
  Endpoint endpoint;
  const Endpoint& sock_name() const noexcept { return endpoint; }
};

/// Accepts connections and calls a handler with each, in a task of its own. Made by `start_server`.
///
/// A connection counts until its handler has ended and its stream is closed. A handler that throws costs its own
/// connection, and the exception handler is told. When there are no descriptors left (EMFILE, ENFILE), accepting pauses
/// until a connection ends, for a quarter of a second at the most, and the exception handler is told, once a second at
/// the most; the connections wait in the kernel's queue.
/// It accepts in a task for each socket, named "coil::Server": who cancels one of these closes the server.
/// Lifetime: the destructor is `close()`; handlers go on, and keep what they were made with.
/// Threads: loop thread.
class Server {
public:
  /// None: listens nowhere.
  Server() noexcept;
  Server(Server&&) noexcept;
  Server& operator=(Server&& other) noexcept;
  ~Server();

  /// Where it listens; nothing any more once it is closed.
  std::vector<ServerSocket> sockets() const;
  /// The TCP port, also of one that was closed; 0 for a Unix socket.
  std::uint16_t port() const noexcept;
  bool is_serving() const noexcept;
  /// How many there are.
  std::size_t connections() const noexcept;

  /// Waits until the server is closed.
  /// Cancellation: closes it and its connections, cancels their handlers, and waits for them first.
  [[nodiscard]] Coro<void> serve_forever();
  /// Refuses new connections from now on. The handlers go on.
  void close() noexcept;
  /// Waits until the server is closed and all connections have ended.
  [[nodiscard]] Coro<void> wait_closed();
  /// Closes all connections: handlers that read see the end, what was written is still sent.
  void close_clients() noexcept;
  /// The same, dropping what was not sent.
  void abort_clients() noexcept;
  /// Closes the server, lets connections end by themselves for `grace`, then aborts those that are left and cancels
  /// their handlers, and waits for them.
  template <class Rep, class Period>
  [[nodiscard]] Coro<void> stop(std::chrono::duration<Rep, Period> grace) {
    return stop_within(detail::to_nanoseconds(grace));
  }
  /// `close()` and `wait_closed()`.
  [[nodiscard]] Coro<void> aclose();

private:
  friend class detail::ServerCore;
  explicit Server(detail::StateRef<detail::ServerCore> core) noexcept;
  Coro<void> stop_within(std::chrono::nanoseconds grace);

  detail::StateRef<detail::ServerCore> core_;
};

namespace detail {

Coro<Server> start_tcp_server(Owner<ConnectionHandler> handler, std::string host, std::uint16_t port,
                              ServerOptions options);
Coro<Server> start_server_at(Owner<ConnectionHandler> handler, Endpoint endpoint, ServerOptions options);

template <class F>
Owner<ConnectionHandler> make_handler(F&& on_connection) {
  refuse_temporary_closure<F>();
  return Owner<ConnectionHandler>(new ConnectionHandlerOf<std::decay_t<F>>(std::forward<F>(on_connection)));
}

}  // namespace detail

/// Listens at `host`, by name or by number, and calls `on_connection(Stream)` with each connection.
///
/// An empty host is all addresses, of IPv4 and IPv6; a name is all of its addresses. With port 0 it is any free one, the
/// same at all of them, see `Server::port()`. Connections can be made once it has returned.
/// Errors: `std::system_error` that names the endpoint, e.g. EADDRINUSE, or as `resolve`.
/// Lifetime: `on_connection` is kept until the last of its calls has ended.
template <class F>
  requires detail::AsyncCallable<std::decay_t<F>&, Stream>
[[nodiscard]] Coro<Server> start_server(F&& on_connection, std::string host, std::uint16_t port,
                                        const ServerOptions& options = {}) {
  return detail::start_tcp_server(detail::make_handler(std::forward<F>(on_connection)), std::move(host), port, options);
}
/// Listens at an endpoint, of TCP or a Unix socket.
template <class F>
  requires detail::AsyncCallable<std::decay_t<F>&, Stream>
[[nodiscard]] Coro<Server> start_server(F&& on_connection, Endpoint endpoint, const ServerOptions& options = {}) {
  return detail::start_server_at(detail::make_handler(std::forward<F>(on_connection)), endpoint, options);
}
/// Listens at a path, which is removed when the server is closed.
/// Errors: `std::system_error` that names the path; `std::invalid_argument` for one that is too long.
template <class F>
  requires detail::AsyncCallable<std::decay_t<F>&, Stream>
[[nodiscard]] Coro<Server> start_unix_server(F&& on_connection, std::string path, const ServerOptions& options = {}) {
  return detail::start_server_at(detail::make_handler(std::forward<F>(on_connection)), Endpoint::unix_path(path),
                                 options);
}

}  // namespace coil
