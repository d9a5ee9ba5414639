// TcpListener and TcpStream.
#include <coil/tcp.hpp>

#include "../support/net_test.hpp"

#include <netinet/tcp.h>

#include <span>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil::Endpoint;
using coil::TcpListener;
using coil::TcpStream;
using coil_test::GuardedBuffer;
using coil_test::put;
using coil_test::settle;
using coil_test::take_all;

namespace {

const Endpoint any_port("127.0.0.1", 0);

struct Connection {
  TcpStream server;
  TcpStream client;
};

coil::Coro<Connection> connect_to(TcpListener& listener) {
  Connection made;
  made.client = co_await TcpStream::connect(listener.endpoint());
  made.server = co_await listener.accept();
  co_return std::move(made);
}

coil::Coro<Connection> make_connection() {
  TcpListener listener(any_port);
  Connection made = co_await connect_to(listener);
  co_await listener.close();
  co_return std::move(made);
}

coil::Coro<std::string> read_some(TcpStream& stream, std::size_t max = 64) {
  const GuardedBuffer buffer(max);
  const std::size_t size = co_await stream.read_some(buffer.bytes());
  co_return buffer.text(size);
}

bool is_refused(const Endpoint& endpoint) {
  const coil_test::Fd client = coil_test::make_socket(endpoint);
  return ::connect(client, endpoint.address(), endpoint.size()) != 0 && errno == ECONNREFUSED;
}

int option_of(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  coil_test::check_call(::getsockopt(fd, level, option, &value, &size), "getsockopt");
  return value;
}

}  // namespace

// ---- Listening and connecting ----------------------------------------------------------------------------

NET_TEST("tcp: connections are accepted, and named at both ends") {
  TcpListener listener(any_port);
  CHECK(listener.port() != 0);
  CHECK(listener.endpoint() == Endpoint("127.0.0.1", listener.port()));
  Connection made = co_await connect_to(listener);
  CHECK(made.client.peer_name() == listener.endpoint());
  CHECK(made.server.sock_name() == listener.endpoint());
  CHECK(made.server.peer_name() == made.client.sock_name());
  CHECK(made.client.is_open());
}

NET_TEST("tcp: read and write are names as those of a File") {
  TcpListener listener(any_port);
  CHECK(listener.sock_name() == listener.endpoint());
  Connection made = co_await connect_to(listener);
  const std::size_t written = co_await made.client.write("text");
  CHECK(written == 4);
  const GuardedBuffer buffer(64);
  const std::size_t size = co_await made.server.read(buffer.bytes());
  CHECK(buffer.text(size) == "text");
  const std::size_t back = co_await made.server.write(std::span<const std::byte>(buffer.bytes()).first(size));
  CHECK(back == 4);
  const std::string text = co_await read_some(made.client);
  CHECK(text == "text");
}

NET_TEST("tcp: over IPv6, where a listener takes IPv6 only") {
  TcpListener listener(Endpoint("::1", 0));
  Connection made = co_await connect_to(listener);
  CHECK(made.client.peer_name() == listener.endpoint());
  // First over IPv4, where other programs have more of the ports: what is free there is so over IPv6.
  TcpListener all(Endpoint("0.0.0.0", 0));
  TcpListener same_port(Endpoint("::", all.port()));
}

IO_TEST("tcp: all descriptors are close-on-exec, and small writes are sent at once") {
  TcpListener listener(any_port);
  Connection made = co_await connect_to(listener);
  for (const int fd : {listener.fd(), made.client.fd(), made.server.fd()}) CHECK(::fcntl(fd, F_GETFD) == FD_CLOEXEC);
  for (const int fd : {made.client.fd(), made.server.fd()}) CHECK(option_of(fd, IPPROTO_TCP, TCP_NODELAY) == 1);
  made.client.set_nodelay(false);
  CHECK(option_of(made.client.fd(), IPPROTO_TCP, TCP_NODELAY) == 0);
}

IO_TEST("tcp: a port that is listened on is EADDRINUSE, and named") {
  TcpListener listener(any_port);
  CHECK_THROWS_WITH(TcpListener(listener.endpoint()),
                    ("bind(" + listener.endpoint().to_string() + "): Address already in use").c_str());
  co_await listener.close();
}

IO_TEST("tcp: with reuse_port two listen on one port") {
  TcpListener first(any_port, {.reuse_port = true});
  TcpListener second(first.endpoint(), {.reuse_port = true});
  CHECK(first.port() == second.port());
  co_await first.close();
}

IO_TEST("tcp: an address that is not of this machine is EADDRNOTAVAIL") {
  CHECK_THROWS_AS(TcpListener(Endpoint("192.0.2.1", 0)), std::system_error);
  co_await coil::yield();
}

IO_TEST("tcp: a connection that is refused names the endpoint") {
  TcpListener listener(any_port);
  const Endpoint endpoint = listener.endpoint();
  co_await listener.close();
  CHECK_AWAIT_FAILS_WITH(TcpStream::connect(endpoint), "connect(" + endpoint.to_string() + "): Connection refused");
}

IO_TEST("tcp: a connection may come from a local address that is chosen") {
  TcpListener listener(any_port);
  TcpStream client = co_await TcpStream::connect(listener.endpoint(), Endpoint("127.0.0.2", 0));
  CHECK(client.sock_name().host() == "127.0.0.2");
}

IO_TEST("tcp: a connect that is cancelled closes its socket, and no connection comes of it") {
  coil_test::SilentPeer silent;
  auto connecting = coil::create_task(TcpStream::connect(silent.endpoint()));
  co_await settle();
  CHECK(!connecting.done());
  const auto open_before = coil_test::open_descriptors().size();
  connecting.cancel();
  CHECK_AWAIT_THROWS(connecting, coil::CancelledError);
  CHECK(coil_test::open_descriptors().size() == open_before - 1);
  silent.accept_all();
  CHECK(silent.accept_all() == 0);
}

// ---- Accepting -------------------------------------------------------------------------------------------

NET_TEST("tcp: several accepts take a connection each, in the order in which they wait") {
  TcpListener listener(any_port);
  std::vector<coil::Task<TcpStream>> accepting;
  for (int i = 0; i < 3; ++i) accepting.push_back(coil::create_task(listener.accept()));
  co_await settle();
  for (const auto& task : accepting) {
    TcpStream client = co_await TcpStream::connect(listener.endpoint());
    TcpStream server = co_await task;
    CHECK(server.peer_name() == client.sock_name());
  }
}

NET_TEST("tcp: connections that nobody waits for are kept for the next accepts, in the order in which they came") {
  const auto open_before = coil_test::open_descriptors().size();
  TcpListener listener(any_port);
  std::vector<TcpStream> clients;
  auto first = coil::create_task(listener.accept());
  for (int i = 0; i < 200; ++i) clients.push_back(co_await TcpStream::connect(listener.endpoint()));
  TcpStream server = co_await first;
  CHECK(server.peer_name() == clients[0].sock_name());
  co_await settle();
  // Some ahead, the rest stays in the kernel's queue, which has a bound.
  CHECK(coil_test::open_descriptors().size() <= open_before + 1 + clients.size() + 100);
  for (std::size_t i = 1; i < clients.size(); ++i) {
    server = co_await listener.accept();
    REQUIRE(server.peer_name() == clients[i].sock_name());
  }
}

NET_TEST("tcp: an accept that is cancelled loses no connection") {
  TcpListener listener(any_port);
  for (int round = 0; round < 8; ++round) {
    auto cancelled = coil::create_task(listener.accept());
    if (round % 2 == 0) co_await settle();
    TcpStream client;
    if (round < 4) client = co_await TcpStream::connect(listener.endpoint());
    cancelled.cancel();
    auto outcome = co_await coil::as_result(cancelled);
    if (round >= 4) client = co_await TcpStream::connect(listener.endpoint());
    TcpStream server;
    if (outcome.cancelled())
      server = co_await listener.accept();
    else
      server = std::move(outcome).value();
    CHECK(server.peer_name() == client.sock_name());
  }
}

NET_TEST("tcp: without descriptors accept is EMFILE for one who waits, and the connection is taken later") {
  TcpListener listener(any_port);
  auto first = coil::create_task(listener.accept());
  co_await settle();
  TcpStream client = co_await TcpStream::connect(listener.endpoint());
  TcpStream other = co_await TcpStream::connect(listener.endpoint());
  TcpStream server = co_await first;
  const std::string text = "accept(fd " + std::to_string(listener.fd()) + "): Too many open files";
  {
    // One connection is left that may be kept already: it is taken before the limit counts.
    TcpStream kept = co_await listener.accept();
    TcpStream third = co_await TcpStream::connect(listener.endpoint());
    auto waiting = coil::create_task(listener.accept());
    const coil_test::DescriptorLimit none_left(0);
    auto outcome = co_await coil::as_result(waiting);
    const auto submissions = coil_test::metrics().submissions;
    if (!outcome.has_value()) CHECK(coil_test::text_of(outcome.exception()) == text);
    for (int i = 0; i < 100; ++i) co_await coil::yield();
    CHECK(coil_test::metrics().submissions == submissions);
  }
}

NET_TEST("tcp: close() ends the accepts that wait with ECANCELED, and the port is free at once") {
  TcpListener listener(any_port);
  const Endpoint endpoint = listener.endpoint();
  const int number = listener.fd();
  auto first = coil::create_task(listener.accept());
  auto second = coil::create_task(listener.accept());
  co_await settle();
  co_await listener.close();
  CHECK(is_refused(endpoint));
  const TcpListener again(endpoint);
  CHECK_AWAIT_FAILS_WITH(first, "accept(fd " + std::to_string(number) + "): Operation canceled");
  CHECK_AWAIT_FAILS_WITH(second, "accept(fd " + std::to_string(number) + "): Operation canceled");
  CHECK_AWAIT_THROWS(listener.accept(), std::system_error);
}

NET_TEST("tcp: a listener that goes while accepts wait ends them, and the port is free") {
  Endpoint endpoint;
  coil::Task<TcpStream> accepting;
  {
    TcpListener listener(any_port);
    endpoint = listener.endpoint();
    accepting = coil::create_task(listener.accept());
    co_await settle();
  }
  CHECK_AWAIT_THROWS(accepting, std::system_error);
  CHECK(is_refused(endpoint));
}

TEST_CASE("tcp: a listener outlives the loop that accepted with it, and is used by the next") {
  coil_test::LeakCheck leaks;
  for (const bool multishot : {true, false}) {
    const coil::RunOptions options{.clock = coil::Clock::virtual_, .multishot = multishot};
    TcpListener listener(any_port);
    for (int round = 0; round < 3; ++round) {
      auto main = [&]() -> coil::Coro<void> {
        auto late = coil::create_task(listener.accept());
        const TcpStream client = co_await TcpStream::connect(listener.endpoint());
        const TcpStream server = co_await late;
        CHECK(server.peer_name() == client.sock_name());
        coil::create_task(listener.accept());
        co_await settle();
      };
      coil::run(main, options);
    }
  }
}

NET_TEST("tcp: connections that were kept are closed with their listener") {
  TcpListener listener(any_port);
  auto accepting = coil::create_task(listener.accept());
  co_await settle();
  std::vector<TcpStream> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(co_await TcpStream::connect(listener.endpoint()));
  const TcpStream server = co_await accepting;
  co_await listener.close();
  for (std::size_t i = 1; i < clients.size(); ++i) {
    auto outcome = co_await coil::as_result(read_some(clients[i]));
    CHECK((!outcome.has_value() || outcome.value().empty()));
  }
}

NET_TEST("tcp: a connection that was reset before it is accepted does not disturb the accept") {
  TcpListener listener(any_port);
  TcpStream gone = co_await TcpStream::connect(listener.endpoint());
  co_await gone.abort();
  TcpStream client = co_await TcpStream::connect(listener.endpoint());
  TcpStream first = co_await listener.accept();
  TcpStream second = co_await listener.accept();
  CHECK(first.peer_name() == Endpoint());
  CHECK_AWAIT_THROWS(read_some(first), std::system_error);
  CHECK(second.peer_name() == client.sock_name());
}

// ---- Reading and writing ---------------------------------------------------------------------------------

IO_TEST("tcp: bytes pass both ways, and half a connection may be closed") {
  Connection made = co_await make_connection();
  co_await made.client.write_all("question");
  co_await made.client.write_eof();
  const std::string question = co_await read_some(made.server);
  const std::string end = co_await read_some(made.server);
  const std::size_t size = co_await made.server.write_some("answer");
  const GuardedBuffer answer(6);
  co_await made.client.read_exactly(answer.bytes());
  CHECK(question == "question");
  CHECK(end == "");
  CHECK(size == 6);
  CHECK(answer.text() == "answer");
}

IO_TEST("tcp: close() ends a read and a write of other tasks with ECANCELED, and the peer sees the end") {
  Connection made = co_await make_connection();
  coil_test::fill_up(made.server.fd());
  const int number = made.server.fd();
  auto reading = coil::create_task(read_some(made.server));
  auto writing = coil::create_task(made.server.write_all("more"));
  co_await settle();
  co_await made.server.close();
  CHECK(!made.server.is_open());
  CHECK_AWAIT_FAILS_WITH(reading, "recv(fd " + std::to_string(number) + "): Operation canceled");
  CHECK_AWAIT_FAILS_WITH(writing, "send(fd " + std::to_string(number) + "): Operation canceled");
  std::size_t rest = 0;
  for (std::string part; !(part = co_await read_some(made.client, 65536)).empty();) rest += part.size();
  CHECK(rest > 0);
}

IO_TEST("tcp: the peer sees the end one turn after a stream that another task reads is closed") {
  Connection made = co_await make_connection();
  auto reading = coil::create_task(read_some(made.server));
  co_await settle();
  auto closing = coil::create_task([&]() -> coil::Coro<void> { co_await made.server.close(); });
  co_await coil::yield();
  co_await coil::yield();
  char byte = 0;
  CHECK(::recv(made.client.fd(), &byte, 1, MSG_DONTWAIT) == 0);
  co_await closing;
  CHECK_AWAIT_THROWS(reading, std::system_error);
}

IO_TEST("tcp: abort() resets the peer") {
  Connection made = co_await make_connection();
  co_await made.server.write_all("never read");
  co_await made.server.abort();
  co_await settle();
  const std::string rest = co_await coil_test::recv_text(made.client.fd(), 64, MSG_DONTWAIT | MSG_PEEK);
  static_cast<void>(rest);
  CHECK_AWAIT_THROWS(made.client.write_all("x"), std::system_error);
}

IO_TEST("tcp: release() gives the socket up") {
  Connection made = co_await make_connection();
  const coil_test::Fd released(made.server.release());
  CHECK(!made.server.is_open());
  put(released, "still open");
  const std::string text = co_await read_some(made.client);
  CHECK(text == "still open");
}
