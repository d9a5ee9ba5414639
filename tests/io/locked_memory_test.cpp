// A user with little locked memory, of which the kernel takes the ring and the ring of buffers (since 6.14 again).
#include <coil/coil.hpp>

#include "../support/child.hpp"
#include "../support/net_test.hpp"

#include <sys/resource.h>

#include <string>

#include "receive_buffers.hpp"

using coil::Coro;
using coil::Stream;

namespace {

constexpr uid_t unused_user = 64'321;  // whose memory nobody else counts in

bool become_user_with(rlim_t locked_memory) {
  const rlimit limit{locked_memory, locked_memory};
  if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0) return false;
  return ::geteuid() != 0 || ::setresuid(unused_user, unused_user, unused_user) == 0;
}

Coro<void> echo(Stream stream) {
  for (;;) {
    const std::string line = co_await stream.read_line();
    if (line.empty()) co_return;
    co_await stream.write_all(line);
  }
}

/// Streams of all kinds, little and much; gives how many of them went wrong.
Coro<int> use_streams() {
  int wrong = 0;
  coil::Server server = co_await coil::start_server(echo, "127.0.0.1", 0);
  std::vector<Stream> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(co_await coil::open_connection("127.0.0.1", server.port()));
  for (Stream& client : clients) client.write("a line\n");
  for (Stream& client : clients) {
    const std::string line = co_await client.read_line();
    wrong += line != "a line\n";
  }
  const std::string large = std::string(50'000, 'x') + "\n";
  clients[0].write(large);
  const std::string back = co_await clients[0].read_line();
  wrong += back != large;
  auto pair = Stream::pair();
  pair.first.write("text");
  const std::string text = co_await pair.second.read_exactly(4);
  co_return wrong + (text != "text");
}

constexpr const char* without_buffers = "without shared buffers";

/// Exit status of a process that may lock so much: 0 if all went well, 1 for one clear error, 2 for anything else.
int run_with(rlim_t locked_memory) {
  if (!become_user_with(locked_memory)) return 98;
  const auto main = []() -> Coro<int> {
    const int wrong = co_await use_streams();
    coil_test::tell_parent(coil::detail::ReceiveBuffers::of_loop() == nullptr ? without_buffers : "with all");
    co_return wrong == 0 ? 0 : 2;
  };
  try {
    return coil::run(main, coil::RunOptions{.ring_entries = 4096});
  } catch (const coil::RingUnavailableError& error) {
    coil_test::tell_parent(error.what());
    return error.code().value() == ENOMEM ? 1 : 2;
  }
}

}  // namespace

TEST_CASE("locked memory: with 64 KiB a loop runs with a smaller ring and its streams work, or it names ulimit -l") {
  bool worked_without_buffers = false;
  bool refused = false;
  // Others count in the memory of a user that is not one for this test, so that less says nothing more.
  const std::vector<rlim_t> amounts =
      ::geteuid() == 0 ? std::vector<rlim_t>{64, 32, 24, 20, 16, 8} : std::vector<rlim_t>{64, 8};
  for (const rlim_t kibibytes : amounts) {
    CAPTURE(kibibytes);
    const auto result = coil_test::in_child([&] { return run_with(kibibytes * 1024); });
    CAPTURE(result.output);
    CAPTURE(result.status);
    if (kibibytes == 64 && ::geteuid() == 0) CHECK(result.exited_with(0));
    CHECK((result.exited_with(0) || result.exited_with(1)));
    if (result.exited_with(1)) CHECK(result.said("ulimit -l"));
    refused = refused || result.exited_with(1);
    worked_without_buffers = worked_without_buffers || (result.exited_with(0) && result.said(without_buffers));
  }
  MESSAGE("some ran without shared buffers: ", worked_without_buffers, ", some were refused: ", refused);
  if (refused && ::geteuid() == 0) CHECK(worked_without_buffers);
}
