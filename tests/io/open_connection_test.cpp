// open_connection, open_unix_connection and resolve.
#include <coil/open_connection.hpp>

#include "../support/net_test.hpp"

#include <netdb.h>

#include <coil/resolve.hpp>
#include <coil/tcp.hpp>

#include <string>
#include <vector>

#include "connect_attempts.hpp"

using namespace std::chrono_literals;
using coil::Coro;
using coil::Endpoint;
using coil::Stream;
using coil::TcpListener;
using coil_test::settle;

namespace {

const Endpoint any_port("127.0.0.1", 0);

template <class... Endpoints>
Coro<coil::TcpStream> connect_to_any(Endpoints... endpoints) {
  return coil::detail::connect_to_any("host:80", std::vector<Endpoint>{endpoints...}, std::nullopt, 250ms);
}

}  // namespace

// ---- resolve ---------------------------------------------------------------------------------------------

IO_TEST("resolve: a numeric address needs no thread") {
  const auto v4 = co_await coil::resolve("192.0.2.7", "80");
  CHECK(v4 == std::vector<Endpoint>{Endpoint("192.0.2.7", 80)});
  const auto v6 = co_await coil::resolve("2001:db8::1", 443);
  CHECK(v6 == std::vector<Endpoint>{Endpoint("2001:db8::1", 443)});
  const auto no_port = co_await coil::resolve("192.0.2.7");
  CHECK(no_port == std::vector<Endpoint>{Endpoint("192.0.2.7", 0)});
  CHECK(std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}) == 1);
}

IO_TEST("resolve: names of hosts and services, each address once") {
  const auto local = co_await coil::resolve("localhost", "http");
  REQUIRE(!local.empty());
  for (const Endpoint& endpoint : local) {
    CHECK(endpoint.port() == 80);
    CHECK((endpoint.host() == "127.0.0.1" || endpoint.host() == "::1"));
  }
  CHECK(local.size() <= 2);
  const auto all = co_await coil::resolve("", 8000);
  CHECK(all.size() == 2);
}

IO_TEST("resolve: what cannot be found is an error that names it") {
  int code = 0;
  std::string text;
  try {
    co_await coil::resolve("no-such-host.invalid", 80);
  } catch (const std::system_error& error) {
    CHECK(error.code().category() == coil::resolve_category());
    code = error.code().value();
    text = error.what();
  }
  CHECK((code == EAI_NONAME || code == EAI_AGAIN));
  CHECK(text.find("resolve(no-such-host.invalid:80): ") == 0);
  CHECK_AWAIT_THROWS(coil::resolve("127.0.0.1", "no-such-service"), std::system_error);
  CHECK_AWAIT_THROWS(coil::resolve("127.0.0.1", "99999"), std::system_error);
  CHECK_AWAIT_THROWS(coil::resolve(std::string("a\0b", 3)), std::invalid_argument);
}

// ---- open_connection -------------------------------------------------------------------------------------

IO_TEST("open_connection: to a numeric address, from one that is chosen") {
  TcpListener listener(any_port);
  Stream client = co_await coil::open_connection("127.0.0.1", listener.port(), {.local_host = "127.0.0.5"});
  Stream server(co_await listener.accept());
  CHECK(client.sock_name().host() == "127.0.0.5");
  CHECK(server.peer_name() == client.sock_name());
  CHECK(::fcntl(client.fd(), F_GETFD) == FD_CLOEXEC);
  client.write("hello\n");
  const std::string line = co_await server.read_line();
  CHECK(line == "hello\n");
  CHECK_AWAIT_THROWS(coil::open_connection("::1", listener.port(), {.local_host = "127.0.0.5"}), std::system_error);
}

IO_TEST("open_connection: an address that refuses is followed by the next one at once") {
  TcpListener refusing(any_port);
  TcpListener listener(Endpoint("::1", 0));
  const Endpoint refused = refusing.endpoint();
  co_await refusing.close();
  coil::TcpStream client = co_await connect_to_any(refused, listener.endpoint());
  CHECK(client.peer_name() == listener.endpoint());
  CHECK(coil_test::elapsed() == 0ms);
}

IO_TEST(
    "open_connection: one that does not answer is joined by the next one after a while, and closed when that wins") {
  coil_test::SilentPeer silent;
  TcpListener listener(any_port);
  const auto open_before = coil_test::open_descriptors().size();
  {
    coil::TcpStream client = co_await connect_to_any(silent.endpoint(), silent.endpoint(), listener.endpoint());
    CHECK(client.peer_name() == listener.endpoint());
    CHECK(coil_test::elapsed() == 500ms);
  }
  co_await settle();
  CHECK(coil_test::open_descriptors().size() == open_before);
  silent.accept_all();
  CHECK(silent.accept_all() == 0);
}

IO_TEST("open_connection: the kinds of addresses are tried in turns") {
  coil_test::SilentPeer silent;
  TcpListener listener(Endpoint("::1", 0));
  const Endpoint never = silent.endpoint();
  coil::TcpStream client = co_await connect_to_any(never, never, never, listener.endpoint());
  CHECK(client.peer_name() == listener.endpoint());
  CHECK(coil_test::elapsed() == 250ms);
}

IO_TEST("open_connection: an error says how each address has failed") {
  TcpListener first(any_port);
  TcpListener second(Endpoint("::1", 0));
  const Endpoint one = first.endpoint();
  const Endpoint two = second.endpoint();
  co_await first.close();
  co_await second.close();
  CHECK_AWAIT_FAILS_WITH(connect_to_any(one, two), "connect(host:80) tried " + one.to_string() +
                                                       ": Connection refused; " + two.to_string() +
                                                       ": Connection refused: Connection refused");
}

IO_TEST("open_connection: cancelled with several under way, it leaves nothing open") {
  coil_test::SilentPeer silent;
  const auto open_before = coil_test::open_descriptors().size();
  auto connecting = coil::create_task(connect_to_any(silent.endpoint(), silent.endpoint()));
  co_await coil::sleep(1s);
  CHECK(coil_test::open_descriptors().size() == open_before + 2);
  connecting.cancel();
  CHECK_AWAIT_THROWS(connecting, coil::CancelledError);
  CHECK(coil_test::open_descriptors().size() == open_before);
}

IO_TEST("open_connection: to a host by its name") {
  TcpListener listener(any_port);
  Stream client = co_await coil::open_connection("localhost", listener.port());
  CHECK(client.peer_name() == listener.endpoint());
}

IO_TEST("open_connection: refused by a single address, it names that") {
  TcpListener listener(any_port);
  const std::uint16_t port = listener.port();
  co_await listener.close();
  CHECK_AWAIT_FAILS_WITH(coil::open_connection("127.0.0.1", port),
                         "connect(127.0.0.1:" + std::to_string(port) + "): Connection refused");
}

IO_TEST("open_connection: cancelled, it leaves nothing open") {
  const coil_test::SilentPeer silent;
  auto connecting = coil::create_task(coil::open_connection(silent.endpoint()));
  co_await settle();
  const auto open_before = coil_test::open_descriptors().size();
  connecting.cancel();
  CHECK_AWAIT_THROWS(connecting, coil::CancelledError);
  CHECK(coil_test::open_descriptors().size() == open_before - 1);
}

IO_TEST("open_unix_connection: to a path; none there is an error that names it") {
  const coil_test::TemporaryDirectory folder;
  const std::string path = folder / "socket";
  CHECK_AWAIT_FAILS_WITH(coil::open_unix_connection(path), "connect(" + path + "): No such file or directory");
  coil::UnixListener listener(Endpoint::unix_path(path));
  Stream client = co_await coil::open_unix_connection(path);
  Stream server(co_await listener.accept());
  client.write("x");
  const std::string text = co_await server.read(1);
  CHECK(text == "x");
  CHECK_THROWS_AS(static_cast<void>(coil::open_unix_connection(std::string(200, 'p'))), std::invalid_argument);
}
