// A conversation between a server and its client, cancelled at every one of its steps, once and twice: nothing is left.
// And what many connections hold while nothing comes.
#include <coil/server.hpp>

#include "../support/net_test.hpp"

#include <coil/open_connection.hpp>

#include <algorithm>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil::Coro;
using coil::Server;
using coil::Stream;

namespace {

Coro<void> echo_lines(Stream stream) {
  try {
    for (;;) {
      const std::string line = co_await stream.read_line();
      if (line.empty()) break;
      stream.write(line);
      co_await stream.drain();
    }
  } catch (const std::system_error&) {
    // The client was cut off with something unread.
  }
}

Coro<void> wait_for_input(Stream stream) {
  const std::string_view text = co_await stream.peek();
  stream.consume(text.size());
}

Coro<void> converse() {
  Server server = co_await coil::start_server(echo_lines, "127.0.0.1", 0);
  Stream client = co_await coil::open_connection("127.0.0.1", server.port());
  for (int i = 0; i < 3; ++i) {
    client.write(std::string(static_cast<std::size_t>(i) * 100000 % 65000, 'x') + "\n");
    co_await client.drain();
    co_await client.read_line();
  }
  client.write_eof();
  co_await client.read_all();
  co_await client.aclose();
  co_await server.stop(5s);
}

Coro<void> stop_with_a_client() {
  Server server = co_await coil::start_server(echo_lines, "127.0.0.1", 0, {.max_connections = 1});
  Stream first = co_await coil::open_connection("127.0.0.1", server.port());
  Stream second = co_await coil::open_connection("127.0.0.1", server.port());
  first.write("hello\n");
  co_await first.read_line();
  co_await server.stop(1s);
}

Coro<void> serve_until_cancelled() {
  Server server = co_await coil::start_server(echo_lines, "127.0.0.1", 0);
  Stream client = co_await coil::open_connection("127.0.0.1", server.port());
  client.write("hello\n");
  co_await client.read_line();
  co_await server.serve_forever();
}

/// True if `program` ended by itself before it was cancelled, after `steps` yields.
Coro<bool> cancel_after(Coro<void> (*program)(), int steps, int again) {
  const auto frames = coil::detail::live_frames();
  const auto open_before = coil_test::open_descriptors().size();
  bool cut_off = false;
  {
    auto task = coil::create_task(program());
    for (int i = 0; i < steps; ++i) co_await coil::yield();
    cut_off = task.cancel();
    for (int i = 0; i < again; ++i) co_await coil::yield();
    if (again > 0) task.cancel();
    const auto outcome = co_await coil::as_result(task);
    CHECK(outcome.exception() == nullptr);
    CHECK((outcome.has_value() || cut_off));
  }
  const auto is_clean = [&] {
    return coil_test::metrics().tasks == 1 && coil_test::metrics().operations_in_flight == 0 &&
           coil::detail::live_frames() == frames && coil_test::metrics().timers == 0;
  };
  for (int turn = 0; turn < 100 && !is_clean(); ++turn) co_await coil::yield();
  CHECK(is_clean());
  CHECK(coil_test::open_descriptors().size() == open_before);
  co_return !cut_off;
}

Coro<void> cancel_everywhere(Coro<void> (*program)(), int steps_max) {
  bool ended = false;
  for (int steps = 0; steps <= steps_max && !ended; ++steps) {
    CAPTURE(steps);
    for (int again = 0; again <= 3; ++again) ended = co_await cancel_after(program, steps, again);
  }
}

/// Until `holds()`, for as long as the kernel takes to carry it over the loopback device.
template <class F>
Coro<void> until(F holds) {
  while (!holds()) co_await coil::yield();
}

}  // namespace

NET_TEST("server: a conversation that is cancelled at any step leaves nothing behind") {
  co_await cancel_everywhere(converse, 100);
}
NET_TEST("server: a stop that is cancelled at any step leaves nothing behind") {
  co_await cancel_everywhere(stop_with_a_client, 60);
}
NET_TEST("server: serve_forever that is cancelled at any step leaves nothing behind") {
  co_await cancel_everywhere(serve_until_cancelled, 40);
}

TEST_CASE("server: a connection that waits holds no more than 900 bytes" * doctest::skip(coil_test::sanitized)) {
  constexpr std::size_t count = 1800;
  rlimit files{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &files) == 0);
  const rlimit enough{std::min<rlim_t>(files.rlim_max, 4096), files.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &enough) == 0);
  auto body = [&]() -> Coro<std::size_t> {
    Server server = co_await coil::start_server(wait_for_input, "127.0.0.1", 0);
    const coil::Endpoint endpoint = server.sockets()[0].endpoint;
    std::vector<coil_test::Fd> clients;
    const std::size_t before = coil::detail::frame_pool.slab_bytes();
    for (std::size_t i = 0; i < count; ++i) {
      clients.push_back(coil_test::make_socket(endpoint));
      REQUIRE(::connect(clients.back(), endpoint.address(), endpoint.size()) == 0);
      if (clients.size() % 500 == 0) co_await until([&] { return server.connections() == clients.size(); });
    }
    co_await until([&] { return server.connections() == count; });
    co_return coil::detail::frame_pool.slab_bytes() - before;
  };
  const std::size_t grown = coil::run(body());
  ::setrlimit(RLIMIT_NOFILE, &files);
  CHECK(grown <= count * 900);
}
