#include <coil/stream_socket.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <system_error>

namespace coil {

namespace {

Endpoint name_by(int (*call)(int, ::sockaddr*, ::socklen_t*), int fd) noexcept {
  ::sockaddr_storage address{};
  ::socklen_t size = Endpoint::size_max;
  auto* generic = reinterpret_cast<::sockaddr*>(&address);
  if (call(fd, generic, &size) != 0 || size > Endpoint::size_max) return {};
  return Endpoint::from_address(generic, size);
}

}  // namespace

detail::ShutdownOperation StreamSocket::write_eof() noexcept { return {fd_, SHUT_WR}; }

Fd::CloseOperation StreamSocket::abort() noexcept {
  const ::linger none{1, 0};
  ::setsockopt(fd_.number(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
  return fd_.close();
}

Endpoint StreamSocket::peer_name() const noexcept { return detail::peer_name(fd()); }
Endpoint StreamSocket::sock_name() const noexcept { return detail::sock_name(fd()); }

ListenSocket::ListenSocket(Fd fd, const Endpoint& endpoint, bool one_at_a_time)
    : fd_(std::move(fd)), endpoint_(endpoint) {
  acceptor_ = detail::StateRef<detail::Acceptor>(new detail::Acceptor(fd_, one_at_a_time));
}

namespace detail {

Fd make_socket(int family, int type) {
  const int fd = ::socket(family, type | SOCK_CLOEXEC, 0);
  if (fd < 0) throw std::system_error(errno, std::system_category(), "socket");
  return Fd(fd);
}

void bind_socket(const Fd& fd, const Endpoint& endpoint) {
  if (::bind(fd.number(), endpoint.address(), endpoint.size()) != 0)
    throw std::system_error(errno, std::system_category(), "bind(" + endpoint.to_string() + ")");
}

Endpoint peer_name(int fd) noexcept { return name_by(::getpeername, fd); }
Endpoint sock_name(int fd) noexcept { return name_by(::getsockname, fd); }

}  // namespace detail
}  // namespace coil
