// Connections by the thousand: one in twenty is reset, one in a hundred is left half-open by its client. 5,000 of them,
// with COIL_LONG in the environment 1,000,000, or as many as COIL_CHURN says. Nothing stays of any.
//
// Three in four are TCP, to 250 addresses of the loopback device, so that the ports of those that were closed, which the
// kernel keeps for a minute, are not all there are; one in four is a Unix socket.
#include <coil/server.hpp>

#include "../support/count.hpp"
#include "../support/net_test.hpp"

#include <coil/coil.hpp>

#include <array>
#include <cstdio>
#include <iostream>
#include <string>

using namespace std::chrono_literals;
using coil::Coro;
using coil::Stream;

namespace {

/// How a client goes. Its first byte tells the server, whose handler puts a limit on the wait where none will come.
enum class Going : char { closes = 'c', resets_at_once = 'r', resets_midway = 'm', stays_silent = 's' };

Going going_of(std::uint64_t number) {
  if (number % 100 == 50) return Going::stays_silent;
  if (number % 40 == 7) return Going::resets_at_once;
  if (number % 40 == 27) return Going::resets_midway;
  return Going::closes;
}

constexpr auto silence_max = 50ms;
constexpr int clients_at_once = 64;
constexpr std::uint64_t every_unix = 4;
constexpr std::uint64_t addresses = 250;

struct Counts {
  std::uint64_t echoed = 0;
  std::uint64_t reset = 0;
  std::uint64_t silent = 0;      // left half-open, for the server to end
  std::uint64_t vanished = 0;    // of which there is no client any more, and no segment said so
  std::uint64_t lost = 0;        // clients that got no answer
  std::uint64_t next = 0;        // number of the next client
  std::uint64_t reset_seen = 0;  // by handlers
  std::uint64_t silent_seen = 0;
};

Coro<void> serve(Stream stream, Counts& counts) {
  try {
    const std::string first = co_await stream.read(1);
    if (first.empty()) co_return;
    co_await stream.write_all(first);
    const auto ends = [&]() -> Coro<void> { co_await stream.read(1); };
    if (first[0] == static_cast<char>(Going::stays_silent))
      co_await coil::timeout(silence_max, ends);
    else
      co_await ends();
  } catch (const coil::TimeoutError&) {
    ++counts.silent_seen;
    stream.abort();
  } catch (const std::system_error&) {
    ++counts.reset_seen;
  }
}

Coro<Stream> connect(std::uint64_t number, std::uint16_t port, const std::string& path) {
  if (number % every_unix == 0) return coil::open_unix_connection(path);
  return coil::open_connection("127.0.0." + std::to_string(number % addresses + 1), port);
}

void reset(Stream& stream) {
  const linger at_once{1, 0};
  ::setsockopt(stream.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  stream.abort();
}

/// Closes a TCP socket as a machine does that loses its power: the peer hears nothing. Only for who may administer the
/// network.
bool vanish(Stream& stream) {
  const int on = 1;
  if (::setsockopt(stream.fd(), IPPROTO_TCP, TCP_REPAIR, &on, sizeof on) != 0) return false;
  stream.abort();
  return true;
}

Coro<void> be_client(std::uint64_t number, Stream stream, Counts& counts) {
  const Going going = going_of(number);
  if (going == Going::resets_at_once) {
    ++counts.reset;
    co_return reset(stream);
  }
  const std::string_view byte(reinterpret_cast<const char*>(&going), 1);
  co_await stream.write_all(byte);
  const std::string answer = co_await stream.read(1);
  ++(answer == byte ? counts.echoed : counts.lost);
  if (going == Going::resets_midway) {
    ++counts.reset;
    co_return reset(stream);
  }
  if (going != Going::stays_silent) co_return;
  ++counts.silent;
  if (vanish(stream)) {
    ++counts.vanished;
    co_return;
  }
  co_await coil::as_result(stream.read(1));  // nothing, or ECONNRESET: the server has had enough
}

Coro<void> be_clients(std::uint64_t end, std::uint16_t port, std::string path, Counts& counts) {
  while (counts.next < end) {
    const std::uint64_t number = counts.next++;
    Stream stream = co_await connect(number, port, path);
    co_await be_client(number, std::move(stream), counts);
  }
}

/// What a process has.
struct Holding {
  std::size_t descriptors = coil_test::open_descriptors().size();
  std::int64_t frames = coil::detail::live_frames();
  std::size_t tasks = coil_test::metrics().tasks;
  std::size_t timers = coil_test::metrics().timers;
  std::size_t operations = coil_test::metrics().operations_in_flight;
  bool operator==(const Holding&) const = default;
};

std::size_t resident_memory() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

Coro<void> churn(std::uint64_t end, const coil::Server& tcp, const coil::Server& local, std::string path,
                 Counts& counts) {
  const auto all = [&](coil::TaskGroup& group) -> Coro<void> {
    for (int i = 0; i < clients_at_once; ++i) group.create_task(be_clients(end, tcp.port(), path, counts));
    co_return;
  };
  co_await coil::task_group(all);
  while (tcp.connections() + local.connections() != 0) co_await coil::yield();
  co_await coil_test::settle();
}

std::uint64_t connections() {
  const char* number = std::getenv("COIL_CHURN");
  return number != nullptr ? std::strtoull(number, nullptr, 10) : coil_test::few_or_many(5'000, 1'000'000);
}

Coro<void> churn_connections(coil_test::Reports&) {
  const coil_test::TemporaryDirectory folder;
  const std::string path = folder / "socket";
  Counts counts;
  const auto handler = [&](Stream stream) { return serve(std::move(stream), counts); };
  coil::Server tcp = co_await coil::start_server(handler, "0.0.0.0", 0);
  coil::Server local = co_await coil::start_unix_server(handler, path);
  const std::uint64_t total = connections();
  co_await churn(total / 10, tcp, local, path, counts);  // what is kept for the next ones is there now
  const Holding before;
  const std::size_t memory_before = resident_memory();
  co_await churn(total, tcp, local, path, counts);
  const Holding after;
  const std::size_t memory = resident_memory();
  CHECK(before == after);
  CHECK(counts.lost == 0);
  CHECK(counts.silent == counts.silent_seen);
  CHECK(counts.silent == total / 100);
  CHECK(counts.reset == total / 20);
  CHECK(counts.reset_seen > 0);
  CHECK(counts.echoed == total - total / 40);
  if (!coil_test::sanitized) CHECK(memory < memory_before + memory_before / 50 + (1 << 20));
  coil_test::count("connections churned", total);
  coil_test::count("connections churned, of which were reset", counts.reset);
  coil_test::count("connections churned, of which were left half-open", counts.silent);
  coil_test::count("connections churned, of which vanished", counts.vanished);
  std::cout << "resident memory: " << memory_before / 1024 << " KiB after the first tenth, " << memory / 1024
            << " KiB at the end; descriptors: " << after.descriptors << ", tasks: " << after.tasks
            << ", frames: " << after.frames << std::endl;
}

}  // namespace

TEST_CASE("churn: of connections that end in all ways nothing stays") {
  coil_test::run_io_test(churn_connections, {.clock = coil::Clock::real});
}
