// A key-value server that speaks the protocol of Redis (RESP2): redis-cli, redis-benchmark and the libraries for Redis
// talk to it. Strings with expiry, counters, publish and subscribe; FILE is an append-only file as Redis writes it.
//
//   sh examples/run kv_server [PORT [FILE]]     redis-cli -p PORT set greeting hello EX 60
#include <signal.h>

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "kv/connection.hpp"
#include "server.hpp"

using namespace std::chrono_literals;

namespace {

constexpr const char* usage_line = "kv_server [PORT [FILE]]";
constexpr std::uint16_t default_port = 6380;

using Connections = std::set<kv::Connection*>;

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

/// Closes connections as they have nothing under way and nothing comes from them.
coil::Coro<void> close_idle(Connections& connections) {
  for (kv::Connection* connection : connections) connection->note_idle();
  for (;;) {
    co_await coil::sleep(50ms);
    for (kv::Connection* connection : connections)
      if (connection->note_idle()) connection->close();
  }
}

coil::Coro<int> serve(std::uint16_t port, std::string path) {
  kv::Service service;
  service.facts.path = path;
  service.facts.started = kv::wall_ms();
  const auto log = path.empty() ? nullptr : std::make_unique<kv::LogFile>(path, service);
  service.facts.appends = log != nullptr;

  coil::Event expiring;
  if (!service.store.none_expires()) expiring.set();
  Connections connections;
  const auto handle = [&](coil::Stream stream) -> coil::Coro<void> {
    service.facts.port = stream.sock_name().port();
    kv::Connection connection(std::move(stream), service, log.get(), expiring);
    const auto place = connections.insert(&connection).first;
    const auto ended = co_await coil::as_result(connection.serve());
    connections.erase(place);
    ended.value();
  };

  std::optional<coil::Outcome<int>> status;
  const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(expire_keys(service, log.get(), expiring));
    coil::Task<void> writing;
    if (log) {
      writing = group.create_task(log->write_loop());
      group.create_task(log->sync_loop());
    }
    const auto drain = [&] { group.create_task(close_idle(connections)); };
    status.emplace(co_await coil::as_result(example::serve(handle, port, {}, drain)));
    if (log) {
      log->stop();
      co_await writing;
      co_await log->sync();
    }
    group.cancel();
  };
  co_await coil::task_group(body);
  co_return status->value();
}

}  // namespace

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 2, usage_line);
  const std::uint16_t port = example::parse_port(argc, argv, default_port, usage_line);
  ::signal(SIGXFSZ, SIG_IGN);  // a file that is too large is an error of write, not the end of the process
  return example::run(serve(port, argc > 2 ? argv[2] : ""), "kv_server: ");
}
