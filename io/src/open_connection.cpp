#include <coil/open_connection.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <coil/resolve.hpp>
#include <coil/tcp.hpp>
#include <coil/unix_socket.hpp>

#include "connect_attempts.hpp"

namespace coil {

namespace {

Coro<Stream> connect_stream(std::string host, std::uint16_t port, std::optional<Endpoint> endpoint,
                            std::optional<Endpoint> local, std::chrono::nanoseconds delay, StreamOptions options) {
  std::vector<Endpoint> endpoints;
  if (endpoint)
    endpoints.push_back(*endpoint);
  else
    endpoints = co_await resolve(host, port);
  if (local) std::erase_if(endpoints, [&](const Endpoint& one) { return one.family() != local->family(); });
  if (endpoints.empty())
    throw std::system_error(EAFNOSUPPORT, std::system_category(), "connect(" + host + ") from " + local->to_string());
  if (endpoints.size() == 1) {
    const Endpoint only = endpoints.front();
    Coro<TcpStream> connecting = local ? TcpStream::connect(only, *local) : TcpStream::connect(only);
    co_return Stream(co_await std::move(connecting), options);
  }
  std::string name = host + ":" + std::to_string(port);
  Coro<TcpStream> connecting = detail::connect_to_any(std::move(name), std::move(endpoints), local, delay);
  co_return Stream(co_await std::move(connecting), options);
}

std::optional<Endpoint> local_of(const ConnectOptions& options) {
  if (!options.local_host.empty()) return Endpoint(options.local_host, options.local_port);
  return options.local_port != 0 ? std::optional(Endpoint("0.0.0.0", options.local_port)) : std::nullopt;
}

Coro<Stream> connect_unix(Endpoint endpoint, StreamOptions options) {
  co_return Stream(co_await UnixStream::connect(endpoint), options);
}

}  // namespace

Coro<Stream> open_connection(std::string host, std::uint16_t port, const ConnectOptions& options) {
  return connect_stream(std::move(host), port, std::nullopt, local_of(options), options.attempt_delay, options.stream);
}

Coro<Stream> open_connection(Endpoint endpoint, const ConnectOptions& options) {
  if (endpoint.family() == AF_UNIX) return connect_unix(endpoint, options.stream);
  return connect_stream(endpoint.host(), endpoint.port(), endpoint, local_of(options), options.attempt_delay,
                        options.stream);
}

Coro<Stream> open_unix_connection(std::string path, const StreamOptions& options) {
  return connect_unix(Endpoint::unix_path(path), options);
}

}  // namespace coil
