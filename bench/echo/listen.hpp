// How the hand-written echo servers begin: they listen at any port of 127.0.0.1, and print it.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>

namespace echo {

[[noreturn]] inline void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

/// `type`: SOCK_STREAM, with SOCK_NONBLOCK or without.
inline int listen_and_say(int type) {
  const int fd = ::socket(AF_INET, type, 0);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // what is accepted has it too
  ::sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<::sockaddr*>(&address);
  if (::bind(fd, generic, size) != 0 || ::listen(fd, 1024) != 0) fail("listen");
  if (::getsockname(fd, generic, &size) != 0) fail("getsockname");
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return fd;
}

}  // namespace echo
