// Server: how many connections there may be.
#include <coil/server.hpp>

#include "../support/net_test.hpp"

#include <coil/open_connection.hpp>

#include <string_view>
#include <utility>
#include <vector>

using coil::Coro;
using coil::Server;
using coil::Stream;

namespace {

Coro<void> echo(Stream stream) {
  for (;;) {
    const std::string_view text = co_await stream.peek();
    if (text.empty()) co_return;
    stream.move_to(stream);
    co_await stream.drain();
  }
}

/// Until `holds()`, for as long as the kernel takes to carry it over the loopback device.
template <class F>
Coro<void> until(F holds) {
  while (!holds()) co_await coil::yield();
}

}  // namespace

NET_TEST("server: with max_connections no more are served until one ends") {
  Server server = co_await coil::start_server(echo, "127.0.0.1", 0, {.max_connections = 2});
  std::vector<Stream> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(co_await coil::open_connection("127.0.0.1", server.port()));
  for (Stream& client : clients) client.write("x");
  for (int i = 0; i < 2; ++i) co_await clients[static_cast<std::size_t>(i)].peek();
  auto third = coil::create_task(clients[2].peek());
  for (int i = 0; i < 20; ++i) co_await coil::yield();
  CHECK(!third.done());
  CHECK(server.connections() == 2);
  clients[0].close();
  const std::string_view answer = co_await third;
  CHECK(answer == "x");
  CHECK(server.connections() == 2);
}

IO_TEST("server: with max_connections those beyond it are not accepted, but wait in the kernel's queue") {
  const auto descriptors = [] { return coil_test::open_descriptors().size(); };
  int accepted = 0;
  auto count = [&](Stream stream) {
    ++accepted;
    return echo(std::move(stream));
  };
  Server server = co_await coil::start_server(count, "127.0.0.1", 0, {.max_connections = 3});
  std::vector<coil_test::Fd> clients;
  const coil::Endpoint there("127.0.0.1", server.port());
  const std::size_t before = descriptors();
  for (int i = 0; i < 200; ++i) {
    clients.push_back(coil_test::make_socket(there));
    coil_test::check_call(::connect(clients.back(), there.address(), there.size()), "connect");
  }
  co_await until([&] { return accepted == 3; });
  co_await coil_test::settle();
  CHECK(server.connections() == 3);
  CHECK(descriptors() == before + 200 + 3);
  for (int ended = 1; ended <= 50; ++ended) {
    clients[static_cast<std::size_t>(ended - 1)].close();
    co_await until([&] { return accepted == 3 + ended; });
    CHECK(server.connections() == 3);
    CHECK(descriptors() == before + 200 - static_cast<std::size_t>(ended) + 3);
  }
}

NET_TEST("server: whoever cancels the task that accepts has closed it, and nobody waits for ever") {
  coil::Server server = co_await coil::start_server(echo, "127.0.0.1", 0);
  const std::uint16_t port = server.port();
  coil::Stream client = co_await coil::open_connection("127.0.0.1", port);
  for (coil::TaskRef& task : coil::all_tasks())
    if (task.name() == "coil::Server") task.cancel();
  client.write_eof();
  co_await server.wait_closed();
  CHECK(!server.is_serving());
  CHECK_AWAIT_THROWS(coil::open_connection("127.0.0.1", port), std::system_error);
  co_await client.aclose();
}
