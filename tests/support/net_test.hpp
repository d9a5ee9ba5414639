// Sockets to try things on, beside those of io_test.hpp.
//
// NET_TEST("sentence about behaviour") { body }: an IO_TEST that is run twice, with operations that go on by themselves
// and, as on a kernel that lacks them, without.
#pragma once
#include "io_test.hpp"

#include <sys/resource.h>
#include <coil/endpoint.hpp>
#include <coil/socket_operations.hpp>

#include <vector>

namespace coil_test {

inline Fd make_socket(const coil::Endpoint& endpoint, int type = SOCK_STREAM) {
  return Fd(::socket(endpoint.family(), type | SOCK_CLOEXEC, 0));
}

/// A socket that listens, made without coil.
struct Listener {
  explicit Listener(const coil::Endpoint& where, int backlog = 128) : fd(make_socket(where)) {
    check_call(::bind(fd, where.address(), where.size()), "bind");
    check_call(::listen(fd, backlog), "listen");
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    check_call(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
    endpoint = coil::Endpoint::from_address(reinterpret_cast<sockaddr*>(&address), size);
  }
  Fd fd;
  coil::Endpoint endpoint;
};

/// A TCP port that never answers: its queue is full, so that the kernel drops what asks for a connection.
class SilentPeer {
public:
  SilentPeer() : listener_(coil::Endpoint("127.0.0.1", 0), 0) {
    for (int i = 0; i < 2; ++i) {
      fillers_.push_back(Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
      ::connect(fillers_.back(), listener_.endpoint.address(), listener_.endpoint.size());
    }
  }
  const coil::Endpoint& endpoint() const { return listener_.endpoint; }
  /// Takes the connections that wait, and those that come then; gives how many.
  int accept_all() {
    int count = 0;
    set_nonblocking(listener_.fd);
    for (int fd = -1; (fd = ::accept4(listener_.fd, nullptr, nullptr, SOCK_CLOEXEC)) >= 0; ++count) ::close(fd);
    return count;
  }

private:
  Listener listener_;
  std::vector<Fd> fillers_;
};

/// Leaves room for `more` descriptors beside those that are open.
class DescriptorLimit {
public:
  explicit DescriptorLimit(int more) {
    check_call(::getrlimit(RLIMIT_NOFILE, &before_), "getrlimit");
    std::vector<Fd> probes;
    for (int i = 0; i <= more; ++i) probes.emplace_back(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
    const rlimit few{static_cast<rlim_t>(int{probes.back()}), before_.rlim_max};
    check_call(::setrlimit(RLIMIT_NOFILE, &few), "setrlimit");
  }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;
  ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
  rlimit before_{};
};

/// One recv into a guarded buffer, as text.
inline coil::Coro<std::string> recv_text(int fd, std::size_t max = 64, int flags = 0) {
  const GuardedBuffer buffer(max);
  const std::size_t size = co_await coil::recv(fd, buffer.bytes(), flags);
  co_return buffer.text(size);
}

}  // namespace coil_test

#define COIL_TEST_NET_TEST(body, sentence)                                                    \
  static coil::Coro<void> body(coil_test::Reports& reports);                                  \
  TEST_CASE(sentence) {                                                                       \
    for (const bool multishot : {true, false}) {                                              \
      CAPTURE(multishot);                                                                     \
      coil_test::run_io_test(body, {.clock = coil::Clock::virtual_, .multishot = multishot}); \
    }                                                                                         \
  }                                                                                           \
  static coil::Coro<void> body([[maybe_unused]] coil_test::Reports& reports)
#define NET_TEST(sentence) COIL_TEST_NET_TEST(DOCTEST_ANONYMOUS(net_test_body_), sentence)
