// Holds many connections to an echo server: `echo-hold CONNECTIONS SERVER [ARGUMENT...]` starts the server, which prints
// its port, makes the connections from as many addresses of the loopback device as it takes (a pair of addresses has
// 28,000 ports), sends a message on each, and prints what a connection that is idle then costs the server in memory of
// its own. For some seconds a hundredth of them is active at a time, in turns; what comes back late or wrong, or a
// connection that ended, is lost.
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "server_process.hpp"

namespace {

using echo::fail;

constexpr std::size_t size = 64;               // of a message
constexpr std::size_t of_an_address = 20'000;  // connections
constexpr std::int64_t active_ns = 3'000'000'000;
constexpr int patience_ms = 10'000;

class Crowd {
public:
  Crowd(std::uint16_t port, std::size_t connections) : port_(port) {
    sockets_.reserve(connections);
    while (sockets_.size() < connections) {
      connect();
      if (sockets_.size() % batch == 0 || sockets_.size() == connections) exchange(sockets_.size() - 1, 1, 1);
    }
  }
  std::size_t connections() const noexcept { return sockets_.size(); }
  long messages() const noexcept { return messages_; }
  long lost() const noexcept { return lost_; }

  /// One message there and back on every `step`th connection from `first` on, all at the same time.
  void exchange(std::size_t first, std::size_t step, std::size_t count) {
    char message[size];
    for (std::size_t i = 0; i < count; ++i) {
      fill(message, first + i * step);
      if (::send(sockets_[first + i * step], message, size, MSG_NOSIGNAL) != static_cast<ssize_t>(size)) ++lost_;
    }
    for (std::size_t i = 0; i < count; ++i) {
      fill(message, first + i * step);
      if (receive(sockets_[first + i * step], message))
        ++messages_;
      else
        ++lost_;
    }
  }
  /// Whether all are there, and none has anything to say.
  void expect_silence() {
    char byte = 0;
    for (const int fd : sockets_)
      if (::recv(fd, &byte, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN) ++lost_;
  }

private:
  static constexpr std::size_t batch = 256;

  void connect() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    ::sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + static_cast<std::uint32_t>(sockets_.size() / of_an_address));
    const int on = 1;
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (::bind(fd, reinterpret_cast<::sockaddr*>(&address), sizeof address) != 0) fail("bind");
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port_);
    if (::connect(fd, reinterpret_cast<::sockaddr*>(&address), sizeof address) != 0) fail("connect");
    sockets_.push_back(fd);
  }
  void fill(char (&message)[size], std::size_t index) const {
    std::memset(message, static_cast<int>('a' + (index + static_cast<std::size_t>(messages_ / 7)) % 26), size);
    std::memcpy(message, &index, sizeof index);
  }
  static bool receive(int fd, const char (&message)[size]) {
    char came[size];
    for (std::size_t all = 0; all < size;) {
      ::pollfd wait{fd, POLLIN, 0};
      if (::poll(&wait, 1, patience_ms) != 1) return false;
      const ssize_t part = ::recv(fd, came + all, size - all, MSG_DONTWAIT);
      if (part <= 0) return false;
      all += static_cast<std::size_t>(part);
    }
    return std::memcmp(came, message, sizeof(std::size_t)) == 0;
  }

  std::uint16_t port_;
  std::vector<int> sockets_;
  long messages_ = 0;
  long lost_ = 0;
};

/// For so many connections, in the client and in the server. Root may go past the hard limit.
bool raise_limit(std::size_t connections) {
  const rlim_t wanted = connections + 1000;
  ::rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_max < wanted) files.rlim_max = wanted;
  files.rlim_cur = files.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &files) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const long wanted = argc > 2 ? std::atol(argv[1]) : 0;
  if (wanted < 100 || wanted > 1'000'000) {
    std::fprintf(stderr, "usage: %s CONNECTIONS SERVER [ARGUMENT...], with 100 to 1000000 connections\n", argv[0]);
    return 2;
  }
  const auto connections = static_cast<std::size_t>(wanted);
  if (!raise_limit(connections)) {
    std::fprintf(stderr, "%zu connections take as many descriptors and more: ulimit -n\n", connections);
    return 1;
  }
  const echo::Cores available = echo::cores();
  const echo::ServerProcess server(argv + 2, available.last);
  echo::keep_on(available.first);
  char pid[16];
  std::snprintf(pid, sizeof pid, "%d", static_cast<int>(server.pid()));
  const long before = measure::proc_field_bytes(pid, "status", "RssAnon");
  Crowd crowd(server.port(), connections);
  const std::size_t part = connections / 100;
  for (std::size_t first = 0; first + part <= connections; first += part) crowd.exchange(first, 1, part);
  const long after = measure::proc_field_bytes(pid, "status", "RssAnon");
  measure::print("connections", static_cast<double>(after - before) / static_cast<double>(connections));

  const long done = crowd.messages();
  const std::int64_t cpu = server.cpu_ns();
  const measure::Stopwatch watch;
  for (std::size_t turn = 0; watch.wall() < active_ns; ++turn) crowd.exchange(turn % 100, 100, part);
  crowd.expect_silence();
  const auto count = static_cast<double>(crowd.messages() - done);
  measure::print("connections_cpu", static_cast<double>(server.cpu_ns() - cpu) / count);
  measure::print("connections_lost", static_cast<double>(crowd.lost()));
}
