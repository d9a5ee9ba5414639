// Sends back what it gets, on epoll and without any library: what a careful C programmer writes.
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "../echo/listen.hpp"

namespace {

constexpr std::size_t buffer_size = 65536;
constexpr int events_max = 512;

/// What a connection's peer did not take yet.
struct Rest {
  std::vector<char> bytes;
  std::size_t sent = 0;
};

class Server {
public:
  void run() {
    watch(EPOLL_CTL_ADD, listener_, EPOLLIN);
    for (;;) {
      epoll_event events[events_max];
      const int count = ::epoll_wait(epoll_, events, events_max, -1);
      for (int i = 0; i < count; ++i) handle(events[i]);
    }
  }

private:
  void watch(int how, int fd, unsigned events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_, how, fd, &event) != 0) echo::fail("epoll_ctl");
  }
  Rest& rest_of(int fd) {
    const auto index = static_cast<std::size_t>(fd);
    if (index >= rests_.size()) rests_.resize(index + 1);
    return rests_[index];
  }
  void handle(const epoll_event& event) {
    const int fd = event.data.fd;
    if (fd == listener_)
      accept_all();
    else if ((event.events & EPOLLOUT) != 0)
      send_rest(fd);
    else
      receive(fd);
  }
  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
      if (fd < 0) return;
      rest_of(fd) = {};
      watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
  }
  void receive(int fd) {
    const ssize_t size = ::recv(fd, buffer_, sizeof buffer_, 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) {
      ::close(fd);
      return;
    }
    const ssize_t result = ::send(fd, buffer_, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    const ssize_t sent = result < 0 ? 0 : result;
    if (sent == size) return;
    rest_of(fd).bytes.assign(buffer_ + sent, buffer_ + size);
    watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
  }
  void send_rest(int fd) {
    Rest& rest = rest_of(fd);
    const ssize_t sent = ::send(fd, rest.bytes.data() + rest.sent, rest.bytes.size() - rest.sent, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) return;
    if (sent > 0) rest.sent += static_cast<std::size_t>(sent);
    if (sent > 0 && rest.sent != rest.bytes.size()) return;
    rest = {};
    watch(EPOLL_CTL_MOD, fd, EPOLLIN);  // where it failed, receiving tells
  }

  int listener_ = echo::listen_and_say(SOCK_STREAM | SOCK_NONBLOCK);
  int epoll_ = ::epoll_create1(0);
  std::vector<Rest> rests_;  // by descriptor
  char buffer_[buffer_size];
};

}  // namespace

int main() { (new Server)->run(); }
