// How a stream receives: with buffers that come back, with memory of its own when there are none, and no more than it is
// read.
#include <coil/stream.hpp>

#include <coil/unix_socket.hpp>

#include "../support/stream_test.hpp"

#include "multishot.hpp"

using coil_test::Peered;

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
  coil_test::Ends ends = coil_test::make_socket_pair();
  coil::Stream stream(coil::UnixStream(coil::Fd(ends.out.release())));
  coil_test::put(ends.in, "x");
  const std::string first = co_await stream.read(1);  // the receive that it began goes on
  CHECK(first == "x");
  std::size_t sent = 0;
  for (int round = 0; round < 100; ++round) {
    sent += coil_test::fill_up(ends.in);
    co_await coil_test::settle();
  }
  CHECK(sent > 0);
  CHECK(sent < 2'000'000);  // what the kernel holds; the stream itself took some ten thousand
}
