// Sends back what it gets, with a thread for each connection. Prints its port; ends when it is killed.
#include <unistd.h>

#include <thread>
#include <vector>

#include "../echo/listen.hpp"

namespace {

constexpr std::size_t buffer_size = 65536;

bool send_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(fd, data, size, MSG_NOSIGNAL);
    if (sent < 0) return false;
    data += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

void serve(int fd) {
  std::vector<char> buffer(buffer_size);
  ssize_t size = 0;
  do {
    size = ::recv(fd, buffer.data(), buffer.size(), 0);
  } while (size > 0 && send_all(fd, buffer.data(), static_cast<std::size_t>(size)));
  ::close(fd);
}

}  // namespace

int main() {
  const int listener = echo::listen_and_say(SOCK_STREAM);
  for (;;) {
    const int fd = ::accept(listener, nullptr, nullptr);
    if (fd >= 0) std::thread(serve, fd).detach();
  }
}
