// What testing_everywhere_test.cpp has no room for: batches, transfers, names, Unix servers, shutting down, sub-processes
// that are pooled, memory between processes, signals.
#include <coil/fail_everywhere.hpp>

#include <coil/coil.hpp>

#include "../support/everywhere.hpp"
#include "../support/net_test.hpp"

#include <poll.h>
#include <signal.h>

#include <array>
#include <string>

using namespace std::chrono_literals;
using coil::Coro;
using coil_test::Ends;
using coil_test::Everywhere;
using coil_test::GuardedBuffer;
using coil_test::TemporaryDirectory;

namespace {

// ---- Descriptors -----------------------------------------------------------------------------------------

Coro<void> splices() {
  const TemporaryDirectory directory;
  const coil_test::Fd file = directory.open("f", std::string(5000, 'x'));
  const Ends pipe = coil_test::make_pipe();
  const Ends other = coil_test::make_pipe();
  const auto move = [&]() -> Coro<void> {
    for (std::size_t left = 5000; left != 0;) {
      const std::size_t moved = co_await coil::splice(file, pipe.in, left);
      if (moved == 0) co_return;
      left -= moved;
    }
    co_await coil::splice(pipe.out, other.in, 5000);
    co_await coil::sleep(1ms);
    co_await coil::writable(other.in);
  };
  const auto wait_for_it = [&]() -> Coro<void> {
    co_await coil::poll(other.out, POLLIN);
    const GuardedBuffer room(5000);
    co_await coil::read(other.out, room.bytes());
  };
  co_await coil::gather(move(), wait_for_it());
}

Coro<void> plain_sockets() {
  const coil_test::Listener listener(coil::Endpoint("127.0.0.1", 0));
  const coil_test::Fd client = coil_test::make_socket(listener.endpoint);
  const auto accept = [&]() -> Coro<void> {
    const coil_test::Fd connection(co_await coil::accept(listener.fd));
    const GuardedBuffer room(4);
    co_await coil::read_exactly(connection, room.bytes());
  };
  const auto connect = [&]() -> Coro<void> {
    co_await coil::sleep(1ms);
    co_await coil::connect(client, listener.endpoint);
    co_await coil::send_all(client, std::string_view("four"));
    co_await coil::shutdown(client, SHUT_RDWR);
  };
  co_await coil::gather(accept(), connect());
}

Coro<void> kept_descriptors() {
  coil::Pipe pipe;
  const GuardedBuffer room(8);
  const auto read = [&]() -> Coro<void> {
    co_await pipe.read(room.bytes());
    co_await pipe.read_exactly(room.bytes());
  };
  const auto write = [&]() -> Coro<void> {
    co_await coil::sleep(1ms);
    co_await pipe.write("some");
    co_await pipe.write_all("eight...");
  };
  co_await coil::gather(read(), write(), write());
  co_await pipe.close();
}

Coro<void> datagram_batches() {
  coil::UdpSocket one(coil::Endpoint("127.0.0.1", 0));
  coil::UdpSocket other(coil::Endpoint("127.0.0.1", 0));
  other.connect(one.sock_name());
  std::array<std::byte, 4> memory{};
  const auto receive = [&]() -> Coro<void> {
    std::array<coil::Datagram, 2> room{coil::Datagram{.buffer = memory}, coil::Datagram{.buffer = memory}};
    for (std::size_t left = 3; left != 0;) left -= std::min(left, co_await one.recv_batch(room));
  };
  const auto send = [&]() -> Coro<void> {
    co_await coil::sleep(1ms);
    std::array<coil::Datagram, 2> two{coil::Datagram{.buffer = memory, .size = 4, .peer = one.sock_name()},
                                      coil::Datagram{.buffer = memory, .size = 0, .peer = one.sock_name()}};
    co_await other.send_batch(two);
    co_await other.send("last");
  };
  co_await coil::gather(receive(), send());
  co_await one.close();
}

// ---- Streams and servers ---------------------------------------------------------------------------------

Coro<void> separators() {
  auto pair = coil::Stream::pair({.high_water = 64});
  const auto write = [&]() -> Coro<void> {
    pair.first.write("one;two;thr");
    co_await coil::sleep(1ms);
    const std::string large(3'000'000, 'x');  // more than the kernel takes
    pair.first.write("ee;");
    pair.first.write(large);
    co_await pair.first.drain();
    co_await pair.first.flush();
    pair.first.write_eof();
    pair.first.close();
    co_await pair.first.wait_closed();
  };
  const auto read = [&]() -> Coro<void> {
    for (int i = 0; i < 3; ++i) co_await pair.second.read_until(";");
    co_await pair.second.read(1);
    co_await pair.second.peek();
    co_await coil::sleep(1ms);
    while (!(co_await pair.second.read(1'000'000)).empty()) continue;
  };
  co_await coil::gather(write(), read());
}

Coro<void> unix_servers() {
  const TemporaryDirectory directory;
  const auto shout = [](coil::Stream stream) -> Coro<void> {
    const std::string line = co_await stream.read_line();
    stream.write(line + line);  // to whoever is still there
    co_await coil::as_result(stream.drain());
  };
  coil::Server server = co_await coil::start_unix_server(shout, directory / "socket");
  const auto ask = [&]() -> Coro<void> {
    coil::Stream stream = co_await coil::open_unix_connection(directory / "socket");
    co_await stream.write_all("line\n");
    co_await stream.read_all();
    co_await stream.aclose();
  };
  co_await coil::gather(ask(), ask());
  co_await server.aclose();
}

// Clients that do not go by themselves.
Coro<void> servers_that_stop() {
  const auto keep = [](coil::Stream stream) -> Coro<void> {
    const auto outcome = co_await coil::as_result(stream.read_all());
    co_await coil::sleep(1ms);
    static_cast<void>(outcome);
  };
  coil::Server server = co_await coil::start_server(keep, "127.0.0.1", 0);
  coil::Stream one = co_await coil::open_connection("127.0.0.1", server.port());
  coil::Stream other = co_await coil::open_connection("localhost", server.port());
  co_await one.write_all("something");
  co_await coil::sleep(1ms);
  co_await server.stop(5ms);
}

Coro<void> names() {
  co_await coil::resolve("127.0.0.1", 80);
  co_await coil::resolve("localhost", "80");
}

// ---- Signals and processes -------------------------------------------------------------------------------

Coro<void> signals() {
  coil::SignalSet set{SIGUSR1, SIGUSR2};
  ::raise(SIGUSR1);
  co_await set.wait();
  const auto raise = []() -> Coro<void> {
    co_await coil::sleep(1ms);
    ::raise(SIGUSR2);
    co_await coil::sleep(1ms);
  };
  co_await coil::gather(set.wait(), raise());
}

int add(int a, int b) { return a + b; }

Coro<void> pooled_processes() {
  const auto use = [](coil::ProcessPool& pool) -> Coro<void> {
    co_await coil::gather(pool.run(add, 1, 2), pool.run(add, 3, 4));
  };
  co_await coil::with(coil::ProcessPool(1), use);
}

Coro<void> shells() {
  coil::Process shell = co_await coil::create_subprocess_shell("exit 3");
  co_await coil::gather(shell.wait(), shell.wait());
}

Coro<void> shared_queues() {
  coil::SharedQueue<int> queue(1);
  const auto put = [&]() -> Coro<void> {
    for (int i = 0; i < 3; ++i) co_await queue.put(i);
  };
  const auto get = [&]() -> Coro<void> {
    for (int i = 0; i < 3; ++i) {
      co_await queue.get();
      co_await coil::sleep(1ms);
    }
  };
  co_await coil::gather(put(), get());
}

constexpr coil::testing::CancelOptions with_threads{.settling = 1s};
constexpr coil::testing::CancelOptions with_children{.run = {}, .settling = 5s};

}  // namespace

TEST_CASE("whatever else awaits the kernel, nothing is left wherever it is cancelled") {
  Everywhere everywhere;
  everywhere.cancel({
      {"splices", splices, with_threads},
      {"plain_sockets", plain_sockets},
      {"kept_descriptors", kept_descriptors},
      {"datagram_batches", datagram_batches},
      {"separators", separators},
      {"unix_servers", unix_servers, with_threads, false},
      {"servers_that_stop", servers_that_stop, with_threads, false},
      {"names", names, with_threads},
      {"signals", signals},
      {"shared_queues", shared_queues},
  });
  CHECK(everywhere.points() >= 100);
}

TEST_CASE("children that work in a pool or for a shell are waited for wherever their parent is cancelled") {
  Everywhere everywhere;
  everywhere.cancel(
      {{"pooled_processes", pooled_processes, with_children, false}, {"shells", shells, with_children, false}});
  CHECK(everywhere.points() >= 5);
}

TEST_CASE("whatever else of the kernel fails, nothing is left") {
  Everywhere everywhere;
  const auto errors = {EIO, ENOMEM, ECONNRESET, EMFILE, ENOBUFS, EINTR, EAGAIN, ETIMEDOUT};
  everywhere.fail(errors, {
                              {"splices", splices, with_threads},
                              {"plain_sockets", plain_sockets},
                              {"kept_descriptors", kept_descriptors},
                              {"datagram_batches", datagram_batches},
                              {"separators", separators},
                              {"unix_servers", unix_servers, with_threads},
                              {"servers_that_stop", servers_that_stop, with_threads},
                              {"shared_queues", shared_queues},
                          });
  CHECK(everywhere.failures() >= 100);
}
