// A key-value server that speaks the protocol of Redis (RESP2): redis-cli, redis-benchmark and the libraries for Redis
// talk to it. Strings with expiry, counters, publish and subscribe; FILE is an append-only file as Redis writes it.
//
//   sh examples/run kv_server [PORT [FILE]]     redis-cli -p PORT set greeting hello EX 60
#include <fmt/core.h>
#include <signal.h>

#include <memory>
#include <set>
#include <string>

#include "kv/connection.hpp"
#include "support.hpp"

using namespace std::chrono_literals;

constexpr const char* usage = "kv_server [PORT [FILE]], PORT from 0 to 65535, 6380 by default";

/// Lets keys go whose time has come, also if nobody asks for them.
coil::Coro<void> expire_keys(kv::Service& service, kv::LogFile* log, coil::Event& expiring) {
  for (;;) {
    co_await expiring.wait();
    service.store.set_now(kv::wall_ms());
    const bool more = service.store.expire_due(1000);  // the others are served in between
    if (service.store.none_expires()) expiring.clear();
    if (log && service.log.size() != 0) log->write_soon();
    co_await coil::sleep(more ? 0ms : 100ms);
  }
}

coil::Coro<int> serve(std::uint16_t port, std::string path) {
  kv::Service service;
  service.facts.path = path;
  service.facts.started = kv::wall_ms();
  const auto log = path.empty() ? nullptr : std::make_unique<kv::LogFile>(path, service);
  service.facts.appends = log != nullptr;

  coil::Event expiring, stop;
  std::set<kv::Connection*> connections;
  const auto handle = [&](coil::Stream stream) -> coil::Coro<void> {
    kv::Connection connection(std::move(stream), service, log.get(), expiring);
    const auto place = connections.insert(&connection).first;
    const auto ended = co_await coil::as_result(connection.serve());
    connections.erase(place);
    static_cast<void>(ended.value());
  };
  coil::Server server = co_await coil::start_server(handle, "127.0.0.1", port);
  service.facts.port = server.port();
  for (const int number : {SIGINT, SIGTERM}) coil::get_running_loop().add_signal_handler(number, [&] { stop.set(); });
  auto expiry = coil::create_task(expire_keys(service, log.get(), expiring));
  auto writing = log ? coil::create_task(log->write_loop()) : coil::Task<void>();
  auto syncing = log ? coil::create_task(log->sync_loop()) : coil::Task<void>();
  if (!service.store.none_expires()) expiring.set();
  fmt::print("listening on 127.0.0.1:{}\n", server.port());
  std::fflush(stdout);

  co_await stop.wait();
  server.close();
  for (const int number : {SIGINT, SIGTERM}) coil::get_running_loop().add_signal_handler(number, [] { ::_exit(0); });
  for (int tick = 0; tick < 50 && !connections.empty(); ++tick) {
    co_await coil::sleep(100ms);
    for (kv::Connection* connection : connections)
      if (connection->is_idle()) connection->close();
  }
  for (kv::Connection* connection : connections) connection->abort();
  co_await server.wait_closed();
  if (log) {
    log->stop();
    co_await writing;
    co_await log->sync();
  }
  co_return 0;
}

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 2, usage);
  ::signal(SIGXFSZ, SIG_IGN);  // a file that is too large is an error of write, not the end of the process
  const long port = argc > 1 ? example::parse_number(argv[1], 65535, usage) : 6380;
  return example::run(serve(static_cast<std::uint16_t>(port), argc > 2 ? argv[2] : ""), "kv_server: ");
}
