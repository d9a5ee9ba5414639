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
#include <utility>
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
  Crowd(std::uint16_t port, std::size_t connections, std::size_t first_address)
      : port_(port), first_address_(static_cast<std::uint32_t>(first_address)) {
    sockets_.reserve(connections);
    while (sockets_.size() < connections) {
      connect();
      if (sockets_.size() % batch == 0 || sockets_.size() == connections) exchange(sockets_.size() - 1, 1, 1);
    }
  }
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
    address.sin_addr.s_addr =
        htonl(INADDR_LOOPBACK + 1 + first_address_ + static_cast<std::uint32_t>(sockets_.size() / of_an_address));
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
  std::uint32_t first_address_;
  std::vector<int> sockets_;
  long messages_ = 0;
  long lost_ = 0;
};

/// What one server and its client found.
struct Found {
  double bytes = 0;  // of all connections
  double cpu_ns = 0;
  double messages = 0;
  double lost = 0;
};

/// Several that go on at the same time: each says when all its connections are there, and then waits for the others.
class Meeting {
public:
  Meeting() {
    if (::pipe(arrived_) != 0 || ::pipe(go_) != 0) fail("pipe");
  }
  void arrive_and_wait() {
    char byte = 0;
    if (::write(arrived_[1], &byte, 1) != 1 || ::read(go_[0], &byte, 1) != 1) std::exit(1);
  }
  void wait_for(std::size_t count) {
    if (arrived_[1] >= 0) ::close(std::exchange(arrived_[1], -1));  // of those that fail nothing is waited for
    char byte = 0;
    for (std::size_t i = 0; i < count; ++i)
      if (::read(arrived_[0], &byte, 1) != 1) std::exit(1);
    for (std::size_t i = 0; i < count; ++i)
      if (::write(go_[1], &byte, 1) != 1) std::exit(1);
  }

private:
  int arrived_[2];
  int go_[2];
};

Found hold(std::size_t connections, std::size_t first_address, char** command, Meeting& meeting) {
  const echo::Cores available = echo::cores();
  const echo::ServerProcess server(command, available.last);
  echo::keep_on(available.first);
  char pid[16];
  std::snprintf(pid, sizeof pid, "%d", static_cast<int>(server.pid()));
  const long before = measure::proc_field_bytes(pid, "status", "RssAnon");
  Crowd crowd(server.port(), connections, first_address);
  const std::size_t part = connections / 100;
  for (std::size_t first = 0; first + part <= connections; first += part) crowd.exchange(first, 1, part);
  meeting.arrive_and_wait();
  Found found;
  found.bytes = static_cast<double>(measure::proc_field_bytes(pid, "status", "RssAnon") - before);
  const long done = crowd.messages();
  const std::int64_t cpu = server.cpu_ns();
  const measure::Stopwatch watch;
  for (std::size_t turn = 0; watch.wall() < active_ns; ++turn) crowd.exchange(turn % 100, 100, part);
  found.cpu_ns = static_cast<double>(server.cpu_ns() - cpu);
  meeting.arrive_and_wait();  // all are held until all have ended
  crowd.expect_silence();
  found.messages = static_cast<double>(crowd.messages() - done);
  found.lost = static_cast<double>(crowd.lost());
  return found;
}

/// How many connections a process may have, with all the descriptors that it may ask for.
std::size_t connections_max() {
  ::rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);  // the server gets it too
  return files.rlim_cur < 2000 ? 0 : files.rlim_cur - 1000;
}

}  // namespace

int main(int argc, char** argv) {
  const long wanted = argc > 2 ? std::atol(argv[1]) : 0;
  const std::size_t most = connections_max();
  if (wanted < 100 || wanted > 1'000'000 || most == 0) {
    std::fprintf(stderr, "usage: %s CONNECTIONS SERVER [ARGUMENT...], 100 to 1000000, with ulimit -n 2000 or more\n",
                 argv[0]);
    return 2;
  }
  const auto connections = static_cast<std::size_t>(wanted);
  const std::size_t pairs = (connections + most - 1) / most;
  Meeting meeting;
  int results[2];
  if (::pipe(results) != 0) fail("pipe");
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    const pid_t child = ::fork();
    if (child < 0) fail("fork");
    if (child != 0) continue;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const std::size_t its = connections / pairs + (pair < connections % pairs ? 1 : 0);
    const Found found = hold(its, pair * (most / of_an_address + 1), argv + 2, meeting);
    return ::write(results[1], &found, sizeof found) == sizeof found ? 0 : 1;
  }
  ::close(results[1]);
  meeting.wait_for(pairs);
  meeting.wait_for(pairs);
  Found all;
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    Found found;
    if (::read(results[0], &found, sizeof found) != sizeof found) return 1;
    all.bytes += found.bytes;
    all.cpu_ns += found.cpu_ns;
    all.messages += found.messages;
    all.lost += found.lost;
  }
  measure::print("connections", all.bytes / static_cast<double>(connections));
  measure::print("connections_cpu", all.cpu_ns / all.messages);
  measure::print("connections_lost", all.lost);
}
