// Server: start_server, start_unix_server.
#include <coil/server.hpp>

#include "../support/net_test.hpp"
#include "../support/ring_shim.hpp"

#include <coil/open_connection.hpp>

#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil::Coro;
using coil::Endpoint;
using coil::Server;
using coil::Stream;
using coil_test::settle;

namespace {

Coro<void> echo(Stream stream) {
  for (;;) {
    const std::string_view text = co_await stream.peek();
    if (text.empty()) co_return;
    stream.write(text);
    stream.consume(text.size());
    co_await stream.drain();
  }
}

/// Reads to the end of the connection, and then takes its time.
Coro<void> hold(Stream stream) {
  co_await stream.read_all();
  co_await coil::sleep(coil_test::ages);
}

bool is_refused(const Endpoint& endpoint) {
  const coil_test::Fd client = coil_test::make_socket(endpoint);
  return ::connect(client, endpoint.address(), endpoint.size()) != 0 && errno == ECONNREFUSED;
}

/// Until `holds()`, for as long as the kernel takes to carry it over the loopback device.
template <class F>
Coro<void> until(F holds) {
  while (!holds()) co_await coil::yield();
}

Coro<std::string> ask(Stream& stream, std::string_view text) {
  stream.write(text);
  std::string answer = co_await stream.read_exactly(text.size());
  co_return answer;
}

}  // namespace

// ---- Serving ---------------------------------------------------------------------------------------------

NET_TEST("server: calls the handler with each connection") {
  Server server = co_await coil::start_server(echo, "127.0.0.1", 0);
  CHECK(server.port() != 0);
  REQUIRE(server.sockets().size() == 1);
  CHECK(server.sockets()[0].sock_name() == Endpoint("127.0.0.1", server.port()));
  CHECK(::fcntl(server.sockets()[0].fd, F_GETFD) == FD_CLOEXEC);
  int reuses = 0;
  socklen_t size = sizeof reuses;
  ::getsockopt(server.sockets()[0].fd, SOL_SOCKET, SO_REUSEADDR, &reuses, &size);
  CHECK(reuses == 1);
  CHECK(server.is_serving());
  std::vector<Stream> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(co_await coil::open_connection("127.0.0.1", server.port()));
  for (Stream& client : clients) {
    const std::string answer = co_await ask(client, "hello\n");
    CHECK(answer == "hello\n");
  }
  CHECK(server.connections() == 50);
  CHECK(clients[7].peer_name().port() == server.port());
  clients.clear();
  server.close();
  co_await server.wait_closed();
  CHECK(server.connections() == 0);
}

IO_TEST("server: a closure is kept until the last of its calls has ended") {
  auto counted = std::make_shared<int>(0);
  auto start = [counted]() -> Coro<Server> {
    auto count = [copy = counted](Stream stream) -> Coro<void> {
      co_await stream.read_all();
      ++*copy;
    };
    Server started = co_await coil::start_server(count, "127.0.0.1", 0);
    co_return std::move(started);
  };
  Server server = co_await start();
  Stream client = co_await coil::open_connection("127.0.0.1", server.port());
  co_await until([&] { return server.connections() == 1; });
  {
    const Server gone = std::move(server);
  }
  client.close();
  co_await until([&] { return *counted == 1; });
}

IO_TEST("server: ten thousand lines are echoed") {
  Server server = co_await coil::start_server(echo, "127.0.0.1", 0);
  Stream client = co_await coil::open_connection("127.0.0.1", server.port());
  std::string sent;
  for (int i = 0; i < 10000; ++i) sent += "line " + std::to_string(i) + "\n";
  auto reading = coil::create_task(client.read_exactly(sent.size()));
  client.write(sent);
  const std::string received = co_await reading;
  CHECK(received == sent);
}

IO_TEST("server: an empty host is all addresses, of both kinds, at one port") {
  Server server = co_await coil::start_server(echo, "", 0);
  CHECK(server.sockets().size() == 2);
  for (const char* host : {"127.0.0.1", "::1"}) {
    Stream client = co_await coil::open_connection(host, server.port());
    const std::string answer = co_await ask(client, "x");
    CHECK(answer == "x");
  }
}

IO_TEST("server: a port that is in use is named") {
  Server server = co_await coil::start_server(echo, "127.0.0.1", 0);
  const std::string port = std::to_string(server.port());
  CHECK_AWAIT_FAILS_WITH(coil::start_server(echo, "127.0.0.1", server.port()),
                         "bind(127.0.0.1:" + port + "): Address already in use");
}

NET_TEST("server: over a Unix socket, whose path goes with it") {
  const coil_test::TemporaryDirectory folder;
  const std::string path = folder / "socket";
  Server server = co_await coil::start_unix_server(echo, path);
  CHECK(server.port() == 0);
  Stream client = co_await coil::open_unix_connection(path);
  const std::string answer = co_await ask(client, "over a path");
  CHECK(answer == "over a path");
  server.close();
  CHECK(!std::filesystem::exists(path));
  CHECK_AWAIT_THROWS(coil::open_unix_connection(path), std::system_error);
}

IO_TEST("server: a handler that throws costs its own connection, and is reported") {
  auto fail_on_x = [](Stream stream) -> Coro<void> {
    const std::string text = co_await stream.read(1);
    stream.write("bye");
    if (text == "x") throw std::runtime_error("planned");
    co_await stream.read_all();
  };
  Server server = co_await coil::start_server(fail_on_x, "127.0.0.1", 0);
  Stream first = co_await coil::open_connection("127.0.0.1", server.port());
  Stream second = co_await coil::open_connection("127.0.0.1", server.port());
  first.write("x");
  second.write("y");
  const std::string all = co_await first.read_all();
  CHECK(all == "bye");
  const std::string other = co_await second.read_exactly(3);
  CHECK(other == "bye");
  const coil_test::Report report = reports.take();
  CHECK(report.error == "planned");
  CHECK(report.message ==
        "a connection's handler of the server at 127.0.0.1:" + std::to_string(server.port()) + " failed");
  CHECK(server.connections() == 1);
}

IO_TEST("server: a reset in the middle ends a connection and no other") {
  Server server = co_await coil::start_server(echo, "127.0.0.1", 0);
  Stream good = co_await coil::open_connection("127.0.0.1", server.port());
  Stream bad = co_await coil::open_connection("127.0.0.1", server.port());
  std::string answer = co_await ask(bad, "x");
  bad.abort();
  co_await until([&] { return server.connections() == 1; });
  CHECK(reports.take().error.find("Connection reset by peer") != std::string::npos);
  answer = co_await ask(good, "y");
  CHECK(answer == "y");
}

// ---- Limits ----------------------------------------------------------------------------------------------

// The kernel's part, EMFILE for a process that has no descriptors left, is tested with the listeners and the examples.
NET_TEST("server: out of descriptors it says so once a second, and accepts again when there are some") {
  bool none_left = true;
  int tries = 0;
  coil_test::RingShim shim;
  shim.submission = [&](io_uring_sqe& sqe) {
    if (sqe.opcode != IORING_OP_ACCEPT) return;
    ++tries;
    if (none_left) shim.answer(sqe, -EMFILE);
  };
  Server server = co_await coil::start_server(echo, "127.0.0.1", 0);
  Stream client = co_await coil::open_connection("127.0.0.1", server.port());
  client.write("x");
  co_await coil::sleep(900ms);
  const coil_test::Report report = reports.take();
  CHECK(report.error == "accept(fd " + std::to_string(server.sockets()[0].fd) + "): Too many open files");
  CHECK(report.message ==
        "the server at 127.0.0.1:" + std::to_string(server.port()) + " has nothing left to accept connections with");
  CHECK(tries == 4);
  co_await coil::sleep(1s);
  CHECK(reports.take().error == report.error);
  CHECK(tries == 8);
  none_left = false;
  const std::string_view answer = co_await client.peek();
  CHECK(answer == "x");
  CHECK(coil_test::elapsed() == 2s);
}

static Coro<void> resumes_early(coil_test::Reports& reports) {
  bool none_left = false;
  int tries = 0;
  coil_test::RingShim shim;
  shim.submission = [&](io_uring_sqe& sqe) {
    if (sqe.opcode != IORING_OP_ACCEPT) return;
    ++tries;
    if (none_left) shim.answer(sqe, -EMFILE);
  };
  Server server = co_await coil::start_server(echo, "127.0.0.1", 0);
  Stream first = co_await coil::open_connection("127.0.0.1", server.port());
  co_await ask(first, "x");
  none_left = true;
  Stream second = co_await coil::open_connection("127.0.0.1", server.port());
  co_await ask(second, "y");
  co_await until([&] { return tries == 3; });
  for (int turn = 0; turn < 20; ++turn) co_await coil::yield();
  CHECK(tries == 3);
  reports.take();
  none_left = false;
  second.close();
  co_await until([&] { return tries == 4; });
  CHECK(coil_test::elapsed() == 0s);
}
TEST_CASE("server: out of descriptors it accepts again as soon as a connection has ended") {
  coil_test::run_io_test(resumes_early, {.clock = coil::Clock::virtual_, .multishot = false});
}

// ---- Ending ----------------------------------------------------------------------------------------------

NET_TEST("server: closed, it refuses connections at once, and the handlers go on") {
  Server server = co_await coil::start_server(echo, "127.0.0.1", 0);
  const Endpoint endpoint = server.sockets()[0].sock_name();
  Stream client = co_await coil::open_connection("127.0.0.1", server.port());
  std::string answer = co_await ask(client, "before");
  server.close();
  co_await settle();
  CHECK(is_refused(endpoint));
  CHECK(!server.is_serving());
  CHECK(server.sockets().empty());
  CHECK(server.port() == endpoint.port());
  answer = co_await ask(client, "after");
  CHECK(answer == "after");
  auto waiting = coil::create_task(server.wait_closed());
  co_await settle();
  CHECK(!waiting.done());
  client.close();
  co_await waiting;
}

IO_TEST("server: a connection that came and was not accepted is closed with it") {
  Server server = co_await coil::start_server(echo, "127.0.0.1", 0);
  Stream client = co_await coil::open_connection("127.0.0.1", server.port());
  server.close();
  co_await settle();
  const auto outcome = co_await coil::as_result(ask(client, "x"));
  CHECK((outcome.exception() != nullptr || server.connections() == 1));
}

IO_TEST("server: close_clients lets handlers see the end, and sends what they wrote") {
  auto greet = [](Stream stream) -> Coro<void> {
    stream.write(std::string(3U << 20, 'g'));
    co_await stream.read_all();
  };
  Server server = co_await coil::start_server(greet, "127.0.0.1", 0);
  Stream client = co_await coil::open_connection("127.0.0.1", server.port());
  co_await until([&] { return server.connections() == 1; });
  server.close();
  server.close_clients();
  const std::string all = co_await client.read_all();
  CHECK(all == std::string(3U << 20, 'g'));
  co_await server.wait_closed();
}

IO_TEST("server: abort_clients drops what was not sent") {
  auto greet = [](Stream stream) -> Coro<void> {
    stream.write(std::string(16U << 20, 'g'));
    co_await stream.read_all();
  };
  Server server = co_await coil::start_server(greet, "127.0.0.1", 0);
  Stream client = co_await coil::open_connection("127.0.0.1", server.port());
  co_await until([&] { return server.connections() == 1; });
  server.close();
  server.abort_clients();
  co_await server.wait_closed();
  CHECK_AWAIT_THROWS(client.read_all(), std::system_error);
}

IO_TEST("server: stop lets connections end by themselves in time") {
  Server server = co_await coil::start_server(echo, "127.0.0.1", 0);
  Stream client = co_await coil::open_connection("127.0.0.1", server.port());
  co_await ask(client, "x");
  auto stopping = coil::create_task(server.stop(5s));
  co_await settle();
  CHECK(is_refused(Endpoint("127.0.0.1", server.port())));
  const std::string answer = co_await ask(client, "still served");
  CHECK(answer == "still served");
  client.close();
  co_await stopping;
  CHECK(coil_test::elapsed() < 5s);
}

IO_TEST("server: stop aborts those that are left when the time is over, and cancels their handlers") {
  Server server = co_await coil::start_server(hold, "127.0.0.1", 0);
  Stream client = co_await coil::open_connection("127.0.0.1", server.port());
  Stream quiet = co_await coil::open_connection("127.0.0.1", server.port());
  quiet.write_eof();
  co_await until([&] { return server.connections() == 2; });
  co_await server.stop(5s);
  CHECK(coil_test::elapsed() == 5s);
  CHECK(server.connections() == 0);
  CHECK_AWAIT_THROWS(client.read_all(), std::system_error);
}

IO_TEST("server: stop waits for what is still being sent after a handler has ended") {
  auto answer = [](Stream stream) -> Coro<void> {
    stream.write(std::string(16U << 20, 'a'));
    co_return;
  };
  Server server = co_await coil::start_server(answer, "127.0.0.1", 0);
  Stream client = co_await coil::open_connection("127.0.0.1", server.port());
  co_await until([&] { return server.connections() == 1; });
  auto stopping = coil::create_task(server.stop(5s));
  co_await settle();
  CHECK(!stopping.done());
  const std::string all = co_await client.read_all();
  CHECK(all.size() == 16U << 20);
  co_await stopping;
  CHECK(coil_test::elapsed() < 5s);
}

IO_TEST("server: serve_forever ends with close; cancelled, it ends the connections first") {
  Server server = co_await coil::start_server(hold, "127.0.0.1", 0);
  auto serving = coil::create_task(server.serve_forever());
  co_await settle();
  CHECK(!serving.done());
  server.close();
  co_await serving;

  Server other = co_await coil::start_server(hold, "127.0.0.1", 0);
  Stream client = co_await coil::open_connection("127.0.0.1", other.port());
  co_await until([&] { return other.connections() == 1; });
  serving = coil::create_task(other.serve_forever());
  co_await settle();
  serving.cancel("enough");
  CHECK_AWAIT_THROWS(serving, coil::CancelledError);
  CHECK(other.connections() == 0);
  CHECK(!other.is_serving());
  const std::string end = co_await client.read_all();
  CHECK(end.empty());
}

TEST_CASE("server: the end of the loop ends it and its connections") {
  const coil_test::LeakCheck leaks;
  auto main = []() -> Coro<void> {
    Server server = co_await coil::start_server(hold, "127.0.0.1", 0);
    coil::Task<Stream> client = coil::create_task(coil::open_connection("127.0.0.1", server.port()));
    co_await client;
    co_await settle();
  };
  coil::run(main);
}

IO_TEST("server: one that is none serves nobody") {
  Server none;
  none.close();
  none.close_clients();
  CHECK(none.sockets().empty());
  CHECK(none.connections() == 0);
  co_await none.wait_closed();
  co_await none.stop(1s);
  co_await none.serve_forever();
}
