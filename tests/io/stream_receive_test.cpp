// How a stream receives: with buffers that come back, with memory of its own when there are none, and no more than it is
// read.
#include <coil/stream.hpp>

#include <coil/unix_socket.hpp>

#include "../support/stream_test.hpp"

#include "multishot.hpp"

#include <string>
#include <vector>

using coil_test::Peered;

namespace {

/// One end of a Unix socket, whose peer is a mere descriptor.
Peered over_unix() {
  coil_test::Ends ends = coil_test::make_socket_pair();
  return {coil::Stream(coil::UnixStream(coil::Fd(ends.out.release()))), std::move(ends.in)};
}

}  // namespace

IO_TEST("stream: the shared buffers come back, so one receive goes on for ten thousand pieces") {
  if (!coil::detail::can_receive_multishot()) co_return;
  Peered made = coil_test::over_tcp();
  const auto submissions = coil_test::metrics().submissions;
  for (int i = 0; i < 10'000; ++i) {
    coil_test::put(made.peer, "x");
    const std::string text = co_await made.stream.read(10);
    REQUIRE(text == "x");
  }
  CHECK(coil_test::metrics().submissions - submissions < 100);
}

IO_TEST("stream: what nobody reads stays with the peer, but for a little") {
  auto [stream, peer] = over_unix();
  coil_test::put(peer, "x");
  const std::string first = co_await stream.read(1);  // the receive that it began goes on
  CHECK(first == "x");
  std::size_t sent = 0;
  for (int round = 0; round < 100; ++round) {
    sent += coil_test::fill_up(peer);
    co_await coil_test::settle();
  }
  CHECK(sent > 0);
  CHECK(sent < 2'000'000);  // what the kernel holds; the stream itself took some ten thousand
}

IO_TEST("stream: what nobody reads stays with the peer, also if it comes in small pieces") {
  auto [stream, peer] = over_unix();
  coil_test::put(peer, "x");
  const std::string first = co_await stream.read(1);
  CHECK(first == "x");
  const std::string piece(1000, 'p');
  int sent = 0;
  while (sent < 3000 && ::send(peer, piece.data(), piece.size(), MSG_DONTWAIT) > 0) {
    ++sent;
    co_await coil_test::settle();
  }
  CHECK(sent < 3000);
}

IO_TEST("stream: when more comes at once than fits into the shared buffers, all of it is received") {
  const std::string text(100'000, 't');  // of each, the kernel takes dozens of buffers in a row
  std::vector<Peered> made;
  std::vector<coil::Task<std::string>> readers;
  for (int i = 0; i < 10; ++i) {
    made.push_back(over_unix());
    readers.push_back(coil::create_task(made.back().stream.read_exactly(text.size())));
  }
  co_await coil_test::settle();
  for (const Peered& pair : made) coil_test::put(pair.peer, text);
  for (const auto& reader : readers) {
    const std::string received = co_await reader;
    REQUIRE((received == text));
  }
}
