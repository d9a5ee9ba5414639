// accept and connect.
#include <coil/socket_operations.hpp>

#include "../support/net_test.hpp"

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil_test::Fd;
using coil_test::put;
using coil_test::recv_text;
using coil_test::settle;

namespace {

std::string at(const char* call, int fd) { return std::string(call) + "(fd " + std::to_string(fd) + "): "; }

}  // namespace

// ---- accept, connect -------------------------------------------------------------------------------------

IO_TEST("accept and connect: over TCP, IPv6 and Unix sockets") {
  for (const coil::Endpoint& where : {coil::Endpoint("127.0.0.1", 0), coil::Endpoint("::1", 0),
                                      coil::Endpoint::abstract_name("coil-test-" + std::to_string(::getpid()))}) {
    const coil_test::Listener listener(where);
    const Fd client = coil_test::make_socket(where);
    auto accepting = coil::create_task(coil::accept(listener.fd));
    const int connected = co_await coil::connect(client, listener.endpoint);
    CHECK(connected == 0);
    const Fd server(co_await accepting);
    CHECK(::fcntl(server, F_GETFD) == FD_CLOEXEC);
    put(client, "text");
    const std::string text = co_await recv_text(server);
    CHECK(text == "text");
  }
}

IO_TEST("accept: takes the flags of accept4, and SOCK_CLOEXEC in any case") {
  const coil_test::Listener listener(coil::Endpoint("127.0.0.1", 0));
  const Fd client = coil_test::make_socket(listener.endpoint);
  co_await coil::connect(client, listener.endpoint.address(), listener.endpoint.size());
  const Fd server(co_await coil::accept(listener.fd, SOCK_NONBLOCK));
  CHECK((::fcntl(server, F_GETFL) & O_NONBLOCK) != 0);
  CHECK(::fcntl(server, F_GETFD) == FD_CLOEXEC);
}

IO_TEST("accept: a cancelled one takes no connection, the next one does") {
  const coil_test::Listener listener(coil::Endpoint("127.0.0.1", 0));
  auto accepting = coil::create_task(coil::accept(listener.fd));
  co_await settle();
  accepting.cancel();
  CHECK_AWAIT_THROWS(accepting, coil::CancelledError);
  const Fd client = coil_test::make_socket(listener.endpoint);
  co_await coil::connect(client, listener.endpoint);
  const Fd server(co_await coil::accept(listener.fd));
  put(client, "x");
  CHECK(coil_test::take_all(server) == "x");
}

IO_TEST("accept: several at once take a connection each, in the order in which they came") {
  const coil_test::Listener listener(coil::Endpoint("127.0.0.1", 0));
  std::vector<coil::Task<int>> accepting;
  for (int i = 0; i < 3; ++i) accepting.push_back(coil::create_task(coil::accept(listener.fd)));
  co_await settle();
  for (const auto& task : accepting) {
    const Fd client = coil_test::make_socket(listener.endpoint);
    co_await coil::connect(client, listener.endpoint);
    const Fd server(co_await task);
    put(client, "x");
    const std::string text = co_await recv_text(server);
    CHECK(text == "x");
  }
}

IO_TEST("accept: without descriptors is EMFILE, and the connection waits") {
  const coil_test::Listener listener(coil::Endpoint("127.0.0.1", 0));
  const Fd client = coil_test::make_socket(listener.endpoint);
  co_await coil::connect(client, listener.endpoint);
  {
    const coil_test::DescriptorLimit none_left(0);
    CHECK_AWAIT_FAILS_WITH(coil::accept(listener.fd), at("accept", listener.fd) + "Too many open files");
  }
  const Fd server(co_await coil::accept(listener.fd));
  CHECK(server >= 0);
}

IO_TEST("connect: to a port where nobody listens is ECONNREFUSED, and names where") {
  coil_test::Listener listener(coil::Endpoint("127.0.0.1", 0));
  listener.fd.close();
  const Fd client = coil_test::make_socket(listener.endpoint);
  CHECK_AWAIT_FAILS_WITH(
      coil::connect(client, listener.endpoint),
      "connect(fd " + std::to_string(client) + ", " + listener.endpoint.to_string() + "): Connection refused");
  const Fd unix_client = coil_test::make_socket(coil::Endpoint::unix_path("/nowhere"));
  CHECK_AWAIT_FAILS_WITH(coil::connect(unix_client, coil::Endpoint::unix_path("/nowhere")),
                         "connect(fd " + std::to_string(unix_client) + ", /nowhere): No such file or directory");
}

IO_TEST("connect: with a socket that is not blocking waits until it is connected, or refused") {
  coil_test::Listener listener(coil::Endpoint("127.0.0.1", 0));
  const Fd client = coil_test::make_socket(listener.endpoint);
  coil_test::set_nonblocking(client);
  co_await coil::connect(client, listener.endpoint);
  put(client, "x");
  listener.fd.close();
  const Fd refused = coil_test::make_socket(listener.endpoint);
  coil_test::set_nonblocking(refused);
  CHECK_AWAIT_THROWS(coil::connect(refused, listener.endpoint), std::system_error);
}

IO_TEST("connect: of a Unix socket waits while the listener's queue is full, and is cancelled there") {
  const auto name = coil::Endpoint::abstract_name("coil-test-" + std::to_string(::getpid()));
  const coil_test::Listener listener(name, 0);
  const Fd first = coil_test::make_socket(name);
  co_await coil::connect(first, name);
  const Fd second = coil_test::make_socket(name);
  auto connecting = coil::create_task(coil::connect(second, name));
  co_await settle();
  CHECK(!connecting.done());
  connecting.cancel();
  CHECK_AWAIT_THROWS(connecting, coil::CancelledError);
  coil_test::set_nonblocking(second);
  CHECK_AWAIT_THROWS(coil::connect(second, name), std::system_error);
}

IO_TEST("connect: one that waits for a silent peer is cancelled, by a timeout that fires at once in virtual time") {
  const coil_test::SilentPeer silent;
  const Fd client = coil_test::make_socket(silent.endpoint());
  CHECK_AWAIT_THROWS(coil::wait_for(coil::connect(client, silent.endpoint()), 1h), coil::TimeoutError);
  CHECK(coil_test::elapsed() == 1h);
}

IO_TEST("accept: does not hold the virtual clock") {
  const coil_test::Listener listener(coil::Endpoint("127.0.0.1", 0));
  CHECK_AWAIT_THROWS(coil::wait_for(coil::accept(listener.fd), 1h), coil::TimeoutError);
  CHECK(coil_test::elapsed() == 1h);
}
