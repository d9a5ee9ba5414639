// Finds the TCP ports that are open: tries to connect to each, up to 500 of them at the same time.
//
//   sh examples/run port_scan [HOST [FIRST-LAST]]     127.0.0.1 and 1-65535 by default
//   ss -ltn                                           shows what should be found
//
// Prints each open port as it is found; on a terminal also how far it is. Scan your own machines only.
#include <charconv>
#include <cstdio>

#include "progress.hpp"
#include "support.hpp"

namespace {

constexpr const char* usage_line = "port_scan [HOST [FIRST-LAST]]";
constexpr std::ptrdiff_t at_once = 500;
constexpr auto answer_time = std::chrono::seconds(1);  // a firewall may never answer

struct Ports {
  std::uint16_t first = 1;
  std::uint16_t last = 65535;
};

Ports parse_ports(std::string_view text) {
  const std::size_t dash = std::min(text.find('-'), text.size());
  const long first = example::parse_number(text.substr(0, dash), 65535, usage_line);
  const long last = dash == text.size() ? first : example::parse_number(text.substr(dash + 1), 65535, usage_line);
  if (first < 1 || last < first) example::usage(usage_line);
  return {static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last)};
}

coil::Coro<bool> is_open(coil::Endpoint endpoint) {
  try {
    const coil::TcpStream connection = co_await coil::wait_for(coil::TcpStream::connect(endpoint), answer_time);
    // The kernel may choose the very port that is tried for this end: then the connection is one to itself.
    co_return connection.sock_name() != endpoint;
  } catch (const coil::TimeoutError&) {
    // filtered
  } catch (const std::system_error& error) {
    const std::error_code code = error.code();
    if (code != std::errc::connection_refused && code != std::errc::host_unreachable && code != std::errc::timed_out)
      throw;
  }
  co_return false;
}

coil::Coro<int> scan(std::string host, Ports ports) {
  const coil::time_point start = coil::get_running_loop().time();
  const coil::Endpoint target = (co_await coil::resolve(host)).front();
  int found = 0;
  const int total = ports.last - ports.first + 1;
  {
    example::Progress progress(static_cast<std::size_t>(total), "ports");
    const auto try_port = [&](coil::Endpoint endpoint, coil::Semaphore::Permit) -> coil::Coro<void> {
      if (co_await is_open(endpoint)) {
        ++found;
        std::printf("%s%s is open\n", std::string(progress.line_start()).c_str(), endpoint.to_string().c_str());
        std::fflush(stdout);
      }
      progress.advance();
    };
    coil::Semaphore permits(at_once);
    const auto try_all = [&](coil::TaskGroup& group) -> coil::Coro<void> {
      for (int port = ports.first; port <= ports.last; ++port) {
        coil::Semaphore::Permit permit = co_await permits.scoped();
        group.create_task(try_port, target.with_port(static_cast<std::uint16_t>(port)), std::move(permit));
      }
    };
    co_await coil::task_group(try_all);
  }
  const std::chrono::duration<double> took = coil::get_running_loop().time() - start;
  std::printf("%d of %d ports are open, %.2f s\n", found, total, took.count());
  co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 2, usage_line);
  const Ports ports = argc > 2 ? parse_ports(argv[2]) : Ports();
  return example::run(scan(argc > 1 ? argv[1] : "127.0.0.1", ports), "port_scan: ");
}
