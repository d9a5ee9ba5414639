// What the servers among the examples share: the port, the first line, and how they end.
#pragma once
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include <coil/coil.hpp>

#include "support.hpp"

namespace example {

/// How long what is in progress may take after SIGTERM or SIGINT.
inline constexpr auto drain_time = std::chrono::seconds(5);

/// The port that is given as an argument, or `otherwise`.
inline std::uint16_t parse_port(int argc, char** argv, std::uint16_t otherwise, const char* line) {
  return argc > 1 ? static_cast<std::uint16_t>(parse_number(argv[1], 65535, line)) : otherwise;
}

/// SIGTERM and SIGINT, of which the first ends a server in order and the second at once.
class EndSignals {
public:
  EndSignals() = default;
  EndSignals(const EndSignals&) = delete;
  ~EndSignals() {
    if (second_ != coil::Task<void>()) second_.cancel();
  }

  coil::Coro<void> first() {
    co_await signals_.wait();
    second_ = coil::create_task(end_at_next());
  }

private:
  coil::Coro<void> end_at_next() {
    const int signal = co_await signals_.wait();
    std::_Exit(128 + signal);
  }
  coil::SignalSet signals_{SIGTERM, SIGINT};
  coil::Task<void> second_;
};

/// Says that connections are accepted at `port`, to whoever reads the standard output.
inline void say_listening(std::uint16_t port) {
  std::printf("listening on 127.0.0.1:%u\n", static_cast<unsigned>(port));
  std::fflush(stdout);
}

/// Starts a server at 127.0.0.1. Errors: `std::runtime_error` that says "port N is in use".
template <class F>
coil::Coro<coil::Server> listen(F& on_connection, std::uint16_t port, const coil::ServerOptions& options = {}) {
  try {
    coil::Server server = co_await coil::start_server(on_connection, "127.0.0.1", port, options);
    co_return std::move(server);
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::address_in_use) throw;
  }
  throw std::runtime_error("port " + std::to_string(port) + " is in use");
}

/// Serves until SIGTERM or SIGINT: then no more connections are taken, `drain()` is called, which may hurry them up, and
/// what lasts longer than `drain_time` is aborted.
template <class F, class Drain>
coil::Coro<int> serve(F on_connection, std::uint16_t port, coil::ServerOptions options, Drain drain) {
  EndSignals signals;
  coil::Server server = co_await listen(on_connection, port, options);
  say_listening(server.port());
  co_await signals.first();
  server.close();
  drain();
  co_await server.stop(drain_time);
  co_return 0;
}
template <class F>
coil::Coro<int> serve(F on_connection, std::uint16_t port, coil::ServerOptions options = {}) {
  return serve(std::move(on_connection), port, options, [] {});
}

}  // namespace example
