// Measures an echo server: `echo-client SIZExCONNECTIONSxDEPTH COUNT SERVER [ARGUMENT...]` starts the server, which
// prints its port, keeps DEPTH messages of SIZE bytes on their way on each of the connections until COUNT came back,
// looks at each byte that comes back, and prints what a message cost the server in CPU time, and how many there were a
// second. The server has the last core for itself, the client the first one.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "../measure.hpp"
#include "server_process.hpp"

namespace {

using echo::Cores;
using echo::cores;
using echo::fail;
using echo::keep_on;
using echo::ServerProcess;

constexpr std::size_t period = 251;  // of the bytes that are sent: no power of two
constexpr std::size_t piece_max = 65536;
constexpr int events_max = 512;

struct Connection {
  std::size_t to_send = 0;  // bytes that may be sent now
  std::size_t sent = 0;     // bytes since the beginning
  std::size_t received = 0;
  bool blocked = false;  // until the kernel takes more
};

class Client {
public:
  Client(std::uint16_t port, std::size_t size, std::size_t connections, std::size_t depth)
      : port_(port), size_(size), depth_(depth), connections_(connections), pattern_(piece_max + period) {
    for (std::size_t i = 0; i < pattern_.size(); ++i) pattern_[i] = static_cast<char>(i % period);
    for (std::size_t i = 0; i < connections; ++i) connect();
  }
  /// Until `count` messages came back, since the beginning.
  void run(long count) {
    if (received_ == 0) {
      for (std::size_t i = 0; i < connections_.size(); ++i) {
        connections_[i].to_send = size_ * depth_;
        send(i);
      }
    }
    while (received_ < count) {
      epoll_event events[events_max];
      const int found = ::epoll_wait(epoll_, events, events_max, -1);
      for (int i = 0; i < found; ++i) handle(events[i]);
    }
  }
  long received() const noexcept { return received_; }

private:
  void connect() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    ::sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd, reinterpret_cast<::sockaddr*>(&address), sizeof address) != 0) fail("connect");
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(EPOLL_CTL_ADD, sockets_.size(), fd, EPOLLIN);
    sockets_.push_back(fd);
  }
  void watch(int how, std::size_t index, int fd, unsigned events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = index;
    if (::epoll_ctl(epoll_, how, fd, &event) != 0) fail("epoll_ctl");
  }
  void handle(const epoll_event& event) {
    if ((event.events & EPOLLIN) != 0) receive(event.data.u64);
    if ((event.events & EPOLLOUT) != 0) send(event.data.u64);
    if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) fail("a connection ended");
  }
  void receive(std::size_t index) {
    Connection& connection = connections_[index];
    const ssize_t result = ::recv(sockets_[index], buffer_, sizeof buffer_, MSG_DONTWAIT);
    if (result < 0 && errno == EAGAIN) return;
    if (result <= 0) fail("recv");
    const auto size = static_cast<std::size_t>(result);
    if (connection.received + size > connection.sent ||
        std::memcmp(buffer_, pattern_.data() + connection.received % period, size) != 0) {
      std::fprintf(stderr, "what came back is not what was sent\n");
      std::exit(1);
    }
    const std::size_t whole = (connection.received + size) / size_ - connection.received / size_;
    connection.received += size;
    received_ += static_cast<long>(whole);
    connection.to_send += whole * size_;
    if (connection.to_send != 0 && !connection.blocked) send(index);
  }
  void send(std::size_t index) {
    Connection& connection = connections_[index];
    while (connection.to_send != 0) {
      const std::size_t size = connection.to_send < piece_max ? connection.to_send : piece_max;
      const ssize_t sent =
          ::send(sockets_[index], pattern_.data() + connection.sent % period, size, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) fail("send");
      if (sent < 0) break;
      connection.sent += static_cast<std::size_t>(sent);
      connection.to_send -= static_cast<std::size_t>(sent);
    }
    const bool blocked = connection.to_send != 0;
    if (blocked != connection.blocked)
      watch(EPOLL_CTL_MOD, index, sockets_[index], blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
    connection.blocked = blocked;
  }

  std::uint16_t port_;
  std::size_t size_;
  std::size_t depth_;
  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<int> sockets_;
  std::vector<Connection> connections_;
  std::vector<char> pattern_;
  long received_ = 0;
  char buffer_[piece_max];
};

}  // namespace

int main(int argc, char** argv) {
  unsigned size = 0;
  unsigned connections = 0;
  unsigned depth = 0;
  const long count = argc > 3 ? std::atol(argv[2]) : 0;
  if (count <= 0 || std::sscanf(argv[1], "%ux%ux%u", &size, &connections, &depth) != 3 ||
      size * connections * depth == 0) {
    std::fprintf(stderr, "usage: %s SIZExCONNECTIONSxDEPTH COUNT SERVER [ARGUMENT...]\n", argv[0]);
    return 2;
  }
  ::rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);  // the server gets it too
  const Cores available = cores();
  const ServerProcess server(argv + 3, available.last);
  keep_on(available.first);
  auto* const client = new Client(server.port(), size, connections, depth);
  client->run(count / 10 + static_cast<long>(connections) * depth);  // until buffers have their sizes
  const long before = client->received();
  const std::int64_t cpu = server.cpu_ns();
  const measure::Stopwatch watch;
  client->run(before + count);
  const auto done = static_cast<double>(client->received() - before);
  measure::print("echo", static_cast<double>(server.cpu_ns() - cpu) / done);
  measure::print("echo_rate", done * 1e9 / static_cast<double>(watch.wall()));
}
