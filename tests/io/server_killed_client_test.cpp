// Server: clients that are processes of their own, and are killed in whatever they are doing.
#include <coil/server.hpp>

#include "../support/net_test.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <coil/coil.hpp>

#include <functional>
#include <string>

using coil::Coro;
using coil::Server;
using coil::Stream;

namespace {

constexpr std::size_t large = std::size_t{16} << 20;  // more than the kernel takes of one who does not read

/// Echoes lines; to "large" it answers with a lot.
Coro<void> serve(Stream stream) {
  try {
    for (;;) {
      const std::string line = co_await stream.read_line();
      if (line.empty()) co_return;
      const std::string answer = line == "large\n" ? std::string(large, 'x') : line;
      co_await stream.write_all(answer);
    }
  } catch (const std::system_error&) {
    // The client is gone.
  } catch (const coil::LimitOverrunError&) {
  }
}

/// A process that connects, does `act(socket)`, says so, and then nothing any more.
class Client {
public:
  template <class F>
  Client(const coil::Endpoint& there, F act) : ready_(coil_test::make_pipe()) {
    pid_ = ::fork();
    if (pid_ != 0) return;
    const int socket = ::socket(there.family(), SOCK_STREAM, 0);
    if (::connect(socket, there.address(), there.size()) == 0) {
      act(socket);
      coil_test::put(ready_.in, "x");
    }
    for (;;) ::pause();
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { kill(); }

  Coro<void> ready() { co_await coil_test::read_text(ready_.out, 1); }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

private:
  coil_test::Ends ready_;
  pid_t pid_ = -1;
};

void send_text(int socket, std::string_view text) {
  if (::send(socket, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) ::_exit(1);
}

/// Sends lines until nothing is taken any more: the server waits for this one to read.
void send_until_full(int socket) {
  const std::string lines(1024, '\n');
  const timeval patience{0, 100'000};
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  while (::send(socket, lines.data(), lines.size(), MSG_NOSIGNAL) > 0) {
  }
}

struct State {
  const char* name;
  void (*act)(int socket);
};
constexpr State states[] = {
    {"just connected", [](int) {}},
    {"in the middle of a message", [](int socket) { send_text(socket, "half a li"); }},
    {"not reading, with all buffers full", send_until_full},
    {"half-closed, with an answer under way",
     [](int socket) {
       send_text(socket, "large\n");
       ::shutdown(socket, SHUT_WR);
     }},
    {"not reading its answer",
     [](int socket) {
       char byte = 0;
       send_text(socket, "large\n");
       ::recv(socket, &byte, 1, 0);
     }},
    {"idle after an exchange",
     [](int socket) {
       char answer[6];
       send_text(socket, "hello\n");
       ::recv(socket, answer, sizeof answer, MSG_WAITALL);
     }},
};

Coro<bool> is_served(Stream& client) {
  client.write("still there\n");
  const std::string answer = co_await client.read_line();
  co_return answer == "still there\n";
}

template <class F>
Coro<void> until(F holds) {
  while (!holds()) co_await coil::yield();
}

struct Holding {
  std::size_t descriptors = coil_test::open_descriptors().size();
  std::size_t tasks = coil_test::metrics().tasks;
  std::size_t operations = coil_test::metrics().operations_in_flight;
  std::int64_t frames = coil::detail::live_frames();
  bool operator==(const Holding&) const = default;
};

}  // namespace

NET_TEST("server: of a client that is killed nothing stays, whatever it was doing, and the others are served") {
  Server server = co_await coil::start_server(serve, "127.0.0.1", 0);
  const coil::Endpoint there("127.0.0.1", server.port());
  Stream other = co_await coil::open_connection(there);
  bool served = co_await is_served(other);
  CHECK(served);
  co_await coil_test::settle();
  const Holding before;
  for (const State& state : states) {
    CAPTURE(state.name);
    {
      Client client(there, state.act);
      co_await client.ready();
      co_await until([&] { return server.connections() == 2; });
      served = co_await is_served(other);
      CHECK(served);
      client.kill();
      co_await until([&] { return server.connections() == 1; });
    }
    served = co_await is_served(other);
    CHECK(served);
    co_await coil_test::settle();
    CHECK(before == Holding());
  }
}

NET_TEST("server: clients that are killed while they wait to be accepted cost those behind them nothing") {
  Server server = co_await coil::start_server(serve, "127.0.0.1", 0, {.max_connections = 1});
  const coil::Endpoint there("127.0.0.1", server.port());
  Stream first = co_await coil::open_connection(there);
  bool served = co_await is_served(first);
  CHECK(served);
  for (int i = 0; i < 5; ++i) {
    Client client(there, states[static_cast<std::size_t>(i % 2)].act);
    co_await client.ready();
    client.kill();
  }
  Stream last = co_await coil::open_connection(there);
  CHECK(server.connections() == 1);
  first.close();
  served = co_await is_served(last);
  CHECK(served);
  CHECK(server.connections() == 1);
}
