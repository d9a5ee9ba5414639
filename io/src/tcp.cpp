#include <coil/tcp.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

namespace coil {

namespace {

void set_option(const Fd& fd, int level, int option, int value, const char* name) {
  if (::setsockopt(fd.number(), level, option, &value, sizeof value) != 0)
    throw std::system_error(errno, std::system_category(), name);
}

Coro<TcpStream> connect_socket(Fd fd, Endpoint endpoint) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
  co_await coil::connect(fd, endpoint);
  co_return TcpStream(std::move(fd));
}

// What is accepted has TCP_NODELAY from the listener.
Fd listening_socket(const Endpoint& endpoint, const ListenOptions& options) {
  Fd fd = detail::make_socket(endpoint.family(), SOCK_STREAM);
  if (options.reuse_address) set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
  if (options.reuse_port) set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT");
  if (endpoint.family() == AF_INET6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY");
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
  detail::bind_socket(fd, endpoint);
  if (::listen(fd.number(), options.backlog) != 0)
    throw std::system_error(errno, std::system_category(), "listen(" + endpoint.to_string() + ")");
  return fd;
}

}  // namespace

Coro<TcpStream> TcpStream::connect(Endpoint endpoint) {
  Coro<TcpStream> connecting = connect_socket(detail::make_socket(endpoint.family(), SOCK_STREAM), endpoint);
  co_return co_await std::move(connecting);
}

Coro<TcpStream> TcpStream::connect(Endpoint endpoint, Endpoint local) {
  Fd fd = detail::make_socket(endpoint.family(), SOCK_STREAM);
  detail::bind_socket(fd, local);
  Coro<TcpStream> connecting = connect_socket(std::move(fd), endpoint);
  co_return co_await std::move(connecting);
}

void TcpStream::set_nodelay(bool on) { set_option(descriptor(), IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0, "TCP_NODELAY"); }

TcpListener::TcpListener(Fd fd) : ListenSocket(std::move(fd), {}) { endpoint_ = detail::sock_name(fd_.number()); }

TcpListener::TcpListener(const Endpoint& endpoint, const ListenOptions& options)
    : ListenSocket(listening_socket(endpoint, options), {}, options.one_at_a_time) {
  endpoint_ = detail::sock_name(fd_.number());
}

Coro<void> TcpListener::close() {
  if (acceptor_) acceptor_->drop_ready();
  co_await fd_.close();
}

}  // namespace coil
