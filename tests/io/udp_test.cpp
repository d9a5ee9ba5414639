// UdpSocket: datagrams one by one and in batches.
#include <coil/udp.hpp>

#include "../support/net_test.hpp"

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil::Datagram;
using coil::Endpoint;
using coil::UdpSocket;
using coil_test::GuardedBuffer;
using coil_test::settle;

namespace {

const Endpoint any_port("127.0.0.1", 0);

struct Received {
  std::string text;
  Endpoint from;
  bool truncated;
};

coil::Coro<Received> receive(UdpSocket& socket, std::size_t max = 64) {
  const GuardedBuffer buffer(max);
  const Datagram datagram = co_await socket.recv_from(buffer.bytes());
  co_return Received{buffer.text(datagram.size), datagram.peer, datagram.truncated};
}

/// Buffers to receive a batch into.
struct Buffers {
  explicit Buffers(std::size_t count, std::size_t size = 64) {
    for (std::size_t i = 0; i < count; ++i) {
      memory.push_back(std::make_unique<GuardedBuffer>(size));
      datagrams.push_back({.buffer = memory.back()->bytes()});
    }
  }
  std::string text(std::size_t i) const { return memory[i]->text(datagrams[i].size); }
  std::vector<std::unique_ptr<GuardedBuffer>> memory;
  std::vector<Datagram> datagrams;
};

Datagram datagram_of(std::string& text, const Endpoint& peer) {
  return {.buffer = std::as_writable_bytes(std::span(text)), .size = text.size(), .peer = peer};
}

}  // namespace

IO_TEST("udp: datagrams arrive with their sender, and an answer finds its way back") {
  for (const Endpoint& local : {any_port, Endpoint("::1", 0)}) {
    UdpSocket server(local);
    UdpSocket client(local);
    const std::size_t sent = co_await client.send_to("question", server.sock_name());
    CHECK(sent == 8);
    const Received question = co_await receive(server);
    CHECK(question.text == "question");
    CHECK(question.from == client.sock_name());
    CHECK(!question.truncated);
    co_await server.send_to("answer", question.from);
    const Received answer = co_await receive(client);
    CHECK(answer.text == "answer");
    CHECK(answer.from == server.sock_name());
    CHECK(::fcntl(server.fd(), F_GETFD) == FD_CLOEXEC);
  }
}

// One empty datagram ended receiving for good where 0 was taken for the end of a stream.
IO_TEST("udp: an empty datagram is a datagram, and ends nothing") {
  UdpSocket server(any_port);
  UdpSocket client(any_port);
  for (const char* text : {"abc", "", "def"}) co_await client.send_to(text, server.sock_name());
  for (const char* text : {"abc", "", "def"}) {
    const Received received = co_await receive(server);
    CHECK(received.text == text);
    CHECK(received.from == client.sock_name());
  }
}

IO_TEST("udp: a datagram that is longer than the buffer is cut off, which is said") {
  UdpSocket server(any_port);
  UdpSocket client(any_port);
  co_await client.send_to("abcdef", server.sock_name());
  co_await client.send_to("next", server.sock_name());
  const Received cut = co_await receive(server, 3);
  const Received next = co_await receive(server, 4);
  CHECK(cut.text == "abc");
  CHECK(cut.truncated);
  CHECK(next.text == "next");
  CHECK(!next.truncated);
}

IO_TEST("udp: the largest datagram passes, a larger one is EMSGSIZE and names the peer") {
  UdpSocket server(any_port);
  UdpSocket client(any_port);
  const std::string largest(65507, 'x');
  co_await client.send_to(largest, server.sock_name());
  const Received received = co_await receive(server, 65536);
  CHECK(received.text == largest);
  CHECK_AWAIT_FAILS_WITH(client.send_to(largest + "x", server.sock_name()),
                         "send_to(" + server.sock_name().to_string() + "): Message too long");
}

IO_TEST("udp: a receive that is cancelled loses no datagram") {
  UdpSocket server(any_port);
  UdpSocket client(any_port);
  for (int round = 0; round < 100; ++round) {
    const std::string text = std::to_string(round);
    auto receiving = coil::create_task(receive(server));
    if (round % 3 != 0) co_await settle();
    co_await client.send_to(text, server.sock_name());
    receiving.cancel();
    auto outcome = co_await coil::as_result(receiving);
    std::string arrived;
    if (outcome.cancelled())
      arrived = (co_await receive(server)).text;
    else
      arrived = outcome.value().text;
    REQUIRE(arrived == text);
  }
}

IO_TEST("udp: a connected socket hears that nobody listens as an error of one call, and goes on") {
  UdpSocket client(any_port);
  UdpSocket server(any_port);
  const Endpoint where = server.sock_name();
  client.connect(where);
  CHECK(client.peer_name() == where);
  co_await server.close();
  co_await client.send("into the void");
  CHECK_AWAIT_FAILS_WITH(receive(client), "recvmsg(fd " + std::to_string(client.fd()) + "): Connection refused");
  UdpSocket again(where);
  co_await client.send("heard");
  const Received received = co_await receive(again);
  CHECK(received.text == "heard");
  co_await again.send_to("answer", client.sock_name());
  const GuardedBuffer buffer(16);
  const std::size_t size = co_await client.recv(buffer.bytes());
  CHECK(buffer.text(size) == "answer");
}

IO_TEST("udp: close() ends those who receive with ECANCELED, and the port is free") {
  UdpSocket server(any_port);
  const Endpoint where = server.sock_name();
  const int number = server.fd();
  Buffers buffers(2);
  auto one = coil::create_task(receive(server));
  auto many = coil::create_task(server.recv_batch(buffers.datagrams));
  co_await settle();
  co_await server.close();
  const UdpSocket again(where);
  CHECK_AWAIT_FAILS_WITH(one, "recvmsg(fd " + std::to_string(number) + "): Operation canceled");
  CHECK_AWAIT_THROWS(many, std::system_error);
  CHECK_AWAIT_THROWS(receive(server), std::system_error);
  CHECK_AWAIT_THROWS(server.recv_batch(buffers.datagrams), std::system_error);
}

IO_TEST("udp: a port in use is EADDRINUSE, with reuse_port several share it") {
  const UdpSocket first(any_port, {.reuse_port = true});
  const UdpSocket second(first.sock_name(), {.reuse_port = true});
  CHECK_THROWS_WITH(UdpSocket{first.sock_name()},
                    ("bind(" + first.sock_name().to_string() + "): Address already in use").c_str());
  co_await coil::yield();
}

IO_TEST("udp: a receive does not hold the virtual clock") {
  UdpSocket server(any_port);
  Buffers buffers(2);
  CHECK_AWAIT_THROWS(coil::wait_for(receive(server), 1h), coil::TimeoutError);
  CHECK_AWAIT_THROWS(coil::wait_for(server.recv_batch(buffers.datagrams), 1h), coil::TimeoutError);
  CHECK(coil_test::elapsed() == 2h);
}

// ---- Batches ---------------------------------------------------------------------------------------------

IO_TEST("udp: a batch is sent and received whole, with senders, empty ones and cut-off ones") {
  UdpSocket server(any_port);
  UdpSocket client(any_port);
  std::string texts[] = {"one", "", "three", "much too long"};
  std::vector<Datagram> batch;
  for (std::string& text : texts) batch.push_back(datagram_of(text, server.sock_name()));
  std::size_t progress = 0;
  const std::size_t sent = co_await client.send_batch(batch, &progress);
  CHECK(sent == 4);
  CHECK(progress == 4);
  Buffers buffers(8, 8);
  const std::size_t received = co_await server.recv_batch(buffers.datagrams);
  REQUIRE(received == 4);
  CHECK(buffers.text(0) == "one");
  CHECK(buffers.text(1) == "");
  CHECK(buffers.text(2) == "three");
  CHECK(buffers.text(3) == "much too");
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(buffers.datagrams[i].peer == client.sock_name());
    CHECK(buffers.datagrams[i].truncated == (i == 3));
  }
}

IO_TEST("udp: a batch waits for the first datagram, and takes no more than fit") {
  UdpSocket server(any_port);
  UdpSocket client(any_port);
  Buffers buffers(2);
  auto receiving = coil::create_task(server.recv_batch(buffers.datagrams));
  co_await settle();
  CHECK(!receiving.done());
  for (const char* text : {"1", "2", "3"}) co_await client.send_to(text, server.sock_name());
  const std::size_t first = co_await receiving;
  CHECK(first >= 1);
  std::size_t total = first;
  while (total < 3) total += co_await server.recv_batch(buffers.datagrams);
  CHECK(total == 3);
  const std::size_t none = co_await server.recv_batch({});
  const std::size_t none_sent = co_await client.send_batch({});
  CHECK(none + none_sent == 0);
}

IO_TEST("udp: a batch of thousands is sent while another task receives it") {
  UdpSocket server(any_port);
  UdpSocket client(any_port);
  const int room = 8 << 20;
  ::setsockopt(server.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  std::vector<std::string> texts;
  for (int i = 0; i < 3000; ++i) texts.push_back(std::to_string(i));
  std::vector<Datagram> batch;
  for (std::string& text : texts) batch.push_back(datagram_of(text, server.sock_name()));
  int received = 0;
  auto receiving = coil::create_task([&]() -> coil::Coro<void> {
    Buffers buffers(64);
    for (;;) received += static_cast<int>(co_await server.recv_batch(buffers.datagrams));
  });
  const std::size_t sent = co_await client.send_batch(batch);
  CHECK(sent == batch.size());
  for (int i = 0; i < 100; ++i) co_await coil::yield();
  receiving.cancel();
  CHECK_AWAIT_THROWS(receiving, coil::CancelledError);
  CHECK(received > 0);
}

IO_TEST("udp: a batch with one that fails says how many went before, and the next call throws") {
  UdpSocket server(any_port);
  UdpSocket client(any_port);
  std::string good = "good";
  std::string huge(70000, 'x');
  const std::vector<Datagram> batch = {datagram_of(good, server.sock_name()), datagram_of(huge, server.sock_name())};
  const std::size_t sent = co_await client.send_batch(batch);
  CHECK(sent == 1);
  CHECK_AWAIT_THROWS(client.send_batch(std::span(batch).subspan(1)), std::system_error);
}
