// Passes TCP connections on to another server, in both directions at once, and says at the end of each how much went
// through it.
//
//   sh examples/run echo_server
//   sh examples/run tcp_proxy [PORT [HOST:PORT [SECONDS]]]     7009, 127.0.0.1:7007 and 600; port 0 for any free one
//   sh examples/run echo_client 7009, or with another target: curl http://127.0.0.1:7009/
//
// When one side says that it has sent everything, the other one is told, and may go on; when one side breaks off, so does
// the other. Each side is read from only as fast as the other one takes it. When nothing has gone through in either
// direction for SECONDS, it breaks off both, or clients that are gone without a word would stay for ever. Log: stderr.
#include <sys/resource.h>

#include <cstdio>

#include "server.hpp"

namespace {

constexpr const char* usage_line = "tcp_proxy [PORT [HOST:PORT [SECONDS]]]";
constexpr std::uint16_t default_port = 7009;
constexpr const char* default_target = "127.0.0.1:7007";
constexpr auto default_idle_time = std::chrono::seconds(600);
constexpr long idle_seconds_max = 7 * 24 * 3600;
constexpr auto connect_time = std::chrono::seconds(10);
constexpr std::size_t other_descriptors = 16;  // the program's own

struct Target {
  std::string host;
  std::uint16_t port = 0;
  std::chrono::seconds idle_time = default_idle_time;  // of both directions together
};

/// HOST is a name, an IPv4 address, or an IPv6 address in brackets.
Target parse_target(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) example::usage(usage_line);
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const long port = example::parse_number(text.substr(colon + 1), 65535, usage_line);
  if (host.empty() || port == 0) example::usage(usage_line);
  return {std::string(host), static_cast<std::uint16_t>(port)};
}

/// Something has gone through: the time that a connection may be idle begins again.
void note_activity(coil::Timeout& idle, std::chrono::seconds idle_time) {
  if (!idle.expired()) idle.reschedule(coil::get_running_loop().time() + idle_time);
}

/// Passes on what comes from `from` to its end, and then the end. Counts the bytes that `to` was given.
coil::Coro<void> pass_on(coil::Stream& from, coil::Stream& to, std::uint64_t& bytes, coil::Timeout& idle,
                         std::chrono::seconds idle_time) {
  for (;;) {
    const std::string_view data = co_await from.peek();
    if (data.empty()) break;
    note_activity(idle, idle_time);
    to.write(data);
    bytes += data.size();
    from.consume(data.size());
    co_await to.drain();
    note_activity(idle, idle_time);
  }
  to.write_eof();
  co_await to.flush();
}

coil::Coro<void> serve_client(const Target& target, coil::Stream client) {
  const coil::time_point start = coil::get_running_loop().time();
  const std::string name = client.peer_name().to_string();
  std::uint64_t there = 0;
  std::uint64_t back = 0;
  std::string end = "closed";
  coil::Stream server;
  bool idles = false;  // not before it is connected
  try {
    server = co_await coil::wait_for(coil::open_connection(target.host, target.port), connect_time);
    const auto pass_on_both = [&](coil::Timeout& idle) -> coil::Coro<void> {
      co_await coil::gather(pass_on(client, server, there, idle, target.idle_time),
                            pass_on(server, client, back, idle, target.idle_time));
    };
    idles = true;
    co_await coil::timeout(target.idle_time, pass_on_both);
  } catch (const std::exception& error) {
    const bool is_timeout = dynamic_cast<const coil::TimeoutError*>(&error) != nullptr;
    end = idles && is_timeout ? "idle for " + std::to_string(target.idle_time.count()) + " s" : error.what();
    client.abort();  // or they would take this for the end of all data
    server.abort();
  }
  const std::chrono::duration<double> took = coil::get_running_loop().time() - start;
  std::fprintf(stderr, "%s: %llu bytes there, %llu bytes back, %.2f s, %s\n", name.c_str(),
               static_cast<unsigned long long>(there), static_cast<unsigned long long>(back), took.count(),
               end.c_str());
}

/// As many as there are descriptors for, two for each; more clients wait until one of these has gone.
std::size_t connections_max() {
  struct ::rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return (std::max<std::size_t>(limit.rlim_cur, other_descriptors + 2) - other_descriptors) / 2;
}

coil::Coro<int> tcp_proxy(std::uint16_t port, Target target) {
  const auto serve = [&](coil::Stream client) { return serve_client(target, std::move(client)); };
  const coil::ServerOptions options{.max_connections = connections_max()};
  co_return co_await example::serve(serve, port, options);
}

}  // namespace

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 3, usage_line);
  const std::uint16_t port = example::parse_port(argc, argv, default_port, usage_line);
  Target target = parse_target(argc > 2 ? argv[2] : default_target);
  if (argc > 3) target.idle_time = std::chrono::seconds(example::parse_number(argv[3], idle_seconds_max, usage_line));
  if (target.idle_time.count() == 0) example::usage(usage_line);
  return example::run([port, target] { return tcp_proxy(port, target); }, "tcp_proxy: ");
}
