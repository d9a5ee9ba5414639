// Stream: buffered reading and writing.
#include <coil/stream.hpp>

#include "../support/stream_test.hpp"

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil::Stream;
using coil_test::over_tcp;
using coil_test::put;
using coil_test::read_to_end;
using coil_test::reset;
using coil_test::settle;
using coil_test::take_all;

// ---- Reading ---------------------------------------------------------------------------------------------

NET_TEST("stream: read gives what there is, at most as much as asked for, and then the end") {
  auto [stream, peer] = over_tcp();
  put(peer, "hello, world");
  const std::string first = co_await stream.read(5);
  CHECK(first == "hello");
  const std::string rest = co_await stream.read(1000);
  CHECK(rest == ", world");
  const std::string none = co_await stream.read(0);
  CHECK(none.empty());
  CHECK(!stream.at_eof());
  ::shutdown(peer, SHUT_WR);
  const std::string end = co_await stream.read(5);
  CHECK(end.empty());
  CHECK(stream.at_eof());
}

NET_TEST("stream: read waits until something comes") {
  auto [stream, peer] = over_tcp();
  auto reading = coil::create_task(stream.read(100));
  co_await settle();
  CHECK(!reading.done());
  put(peer, "late");
  const std::string text = co_await reading;
  CHECK(text == "late");
}

NET_TEST("stream: read_exactly waits for all of it, and names what is missing at the end") {
  auto [stream, peer] = over_tcp();
  put(peer, "abc");
  auto reading = coil::create_task(stream.read_exactly(6));
  co_await settle();
  CHECK(!reading.done());
  put(peer, "defgh");
  const std::string text = co_await reading;
  CHECK(text == "abcdef");
  peer.close();
  std::string partial;
  std::size_t expected = 0;
  try {
    co_await stream.read_exactly(10);
  } catch (const coil::IncompleteReadError& error) {
    partial = error.partial();
    expected = error.expected();
  }
  CHECK(partial == "gh");
  CHECK(expected == 10);
  CHECK(stream.at_eof());
}

NET_TEST("stream: read_exactly gives a megabyte in one piece") {
  auto [stream, peer] = over_tcp();
  std::string sent;
  for (int i = 0; sent.size() < (1U << 20); ++i) sent += std::to_string(i) + " ";
  auto sending = coil::create_task(coil::send_all(peer, sent));
  const std::string text = co_await stream.read_exactly(sent.size());
  CHECK(text == sent);
  co_await sending;
}

NET_TEST("stream: read_line keeps the newline, gives the rest at the end, and then nothing") {
  auto [stream, peer] = over_tcp();
  put(peer, "one\n\nthree\r\nrest");
  ::shutdown(peer, SHUT_WR);
  std::vector<std::string> lines;
  for (int i = 0; i < 6; ++i) lines.push_back(co_await stream.read_line());
  CHECK(lines == std::vector<std::string>{"one\n", "\n", "three\r\n", "rest", "", ""});
}

NET_TEST("stream: ten thousand lines, in pieces of any size") {
  auto [stream, peer] = over_tcp();
  std::string sent;
  for (int i = 0; i < 10000; ++i) sent += "line " + std::to_string(i) + "\n";
  auto send_pieces = [&]() -> coil::Coro<void> {
    std::size_t size = 1;
    for (std::size_t done = 0; done < sent.size(); done += size) {
      size = size * 7 % 4099 + 1;
      co_await coil::send_all(peer, std::string_view(sent).substr(done, size));
    }
    ::shutdown(peer, SHUT_WR);
  };
  auto sending = coil::create_task(send_pieces);
  int count = 0;
  bool alike = true;
  for (;;) {
    const std::string line = co_await stream.read_line();
    if (line.empty()) break;
    alike = alike && line == "line " + std::to_string(count) + "\n";
    ++count;
  }
  CHECK(count == 10000);
  CHECK(alike);
  co_await sending;
}

NET_TEST("stream: read_until finds a separator that comes in pieces") {
  auto [stream, peer] = over_tcp();
  put(peer, "head\r\n\r");
  auto reading = coil::create_task(stream.read_until("\r\n\r\n"));
  co_await settle();
  CHECK(!reading.done());
  put(peer, "\nbody");
  const std::string head = co_await reading;
  CHECK(head == "head\r\n\r\n");
  CHECK(stream.buffered() == "body");
  peer.close();
  std::string partial;
  try {
    co_await stream.read_until("\r\n");
  } catch (const coil::IncompleteReadError& error) {
    partial = error.partial();
  }
  CHECK(partial == "body");
  CHECK_THROWS_AS(static_cast<void>(stream.read_until("")), std::invalid_argument);
}

NET_TEST("stream: a line longer than the limit is refused, and nothing of it is taken") {
  auto [stream, peer] = over_tcp({.limit = 8});
  put(peer, "12345678\n123456789\nshort\n");
  const std::string longest = co_await stream.read_line();
  CHECK(longest == "12345678\n");
  std::size_t consumed = 0;
  try {
    co_await stream.read_line();
  } catch (const coil::LimitOverrunError& error) {
    consumed = error.consumed();
  }
  CHECK(consumed == 9);
  CHECK(stream.buffered() == "123456789\nshort\n");
  stream.consume(consumed + 1);
  const std::string next = co_await stream.read_line();
  CHECK(next == "short\n");
  put(peer, "no newline so far");
  CHECK_AWAIT_THROWS(stream.read_line(), coil::LimitOverrunError);
  CHECK(stream.buffered() == "no newline so far");
}

NET_TEST("stream: a peer that sends without end is not read further than the limit") {
  auto [stream, peer] = over_tcp();
  coil_test::set_nonblocking(peer);
  const std::size_t sent = coil_test::fill_up(peer);
  CHECK(sent > 3 * 65536);
  CHECK_AWAIT_THROWS(stream.read_line(), coil::LimitOverrunError);
  co_await settle();
  CHECK(stream.buffered().size() > 65536);
  CHECK(stream.buffered().size() < 8 * 65536);  // and what the kernel had at hand
}

NET_TEST("stream: peek shows what was received, consume takes it") {
  auto [stream, peer] = over_tcp();
  put(peer, "abc");
  std::string_view view = co_await stream.peek();
  CHECK(view == "abc");
  stream.consume(1);
  CHECK(stream.buffered() == "bc");
  CHECK_THROWS_AS(stream.consume(3), std::invalid_argument);
  auto peeking = coil::create_task(stream.peek(4));
  co_await settle();
  CHECK(!peeking.done());
  put(peer, "def");
  view = co_await peeking;
  CHECK(view == "bcdef");
  peer.close();
  view = co_await stream.peek(100);
  CHECK(view == "bcdef");
  stream.consume(5);
  view = co_await stream.peek();
  CHECK(view.empty());
}

NET_TEST("stream: read_some reads into a buffer, read_all to the end") {
  auto [stream, peer] = over_tcp();
  put(peer, "abcdef");
  const coil_test::GuardedBuffer buffer(4);
  const std::size_t size = co_await stream.read_some(buffer.bytes());
  CHECK(buffer.text(size) == "abcd");
  auto reading = coil::create_task(stream.read_all());
  co_await settle();
  put(peer, "ghi");
  peer.close();
  const std::string rest = co_await reading;
  CHECK(rest == "efghi");
  const std::size_t none = co_await stream.read_some(buffer.bytes());
  CHECK(none == 0);
}

NET_TEST("stream: more than read_all may give is an error, and still there") {
  auto [stream, peer] = over_tcp();
  put(peer, "abcdef");
  CHECK_AWAIT_THROWS(stream.read_all(5), std::length_error);
  CHECK(stream.buffered() == "abcdef");
}

NET_TEST("stream: two tasks that read at once are told so") {
  auto [stream, peer] = over_tcp();
  auto reading = coil::create_task(stream.read_line());
  co_await settle();
  CHECK_AWAIT_FAILS_WITH(stream.read(1),
                         "coil: Stream::read() while another task is in read_line() of the same stream");
  put(peer, "line\n");
  const std::string line = co_await reading;
  CHECK(line == "line\n");
}

NET_TEST("stream: a reset is an error after what came before it") {
  auto [stream, peer] = over_tcp();
  put(peer, "last words");
  const std::string_view all = co_await stream.peek(10);
  CHECK(all == "last words");
  reset(peer);
  CHECK_AWAIT_THROWS(stream.read_exactly(20), std::system_error);
  const std::string words = co_await stream.read(100);
  CHECK(words == "last words");
  const std::string error = "read(fd " + std::to_string(stream.fd()) + "): Connection reset by peer";
  CHECK_AWAIT_FAILS_WITH(stream.read(100), error);
  CHECK_AWAIT_FAILS_WITH(stream.read(100), error);
}

// ---- Cancelling ------------------------------------------------------------------------------------------

NET_TEST("stream: a read that is cancelled at any moment loses no byte") {
  auto [stream, peer] = over_tcp();
  std::string sent;
  std::string received;
  for (int i = 0; i < 300; ++i) {
    const std::string part = std::to_string(i) + "\n";
    auto reading = coil::create_task(stream.read_line());
    for (int steps = i % 4; steps > 0; --steps) co_await coil::yield();
    if (i % 2 == 0) put(peer, part);
    for (int steps = i / 4 % 4; steps > 0; --steps) co_await coil::yield();
    reading.cancel();
    if (i % 2 != 0) put(peer, part);
    sent += part;
    const auto outcome = co_await coil::as_result(reading);
    CHECK((outcome.cancelled() || outcome.has_value()));
    if (outcome.has_value()) received += outcome.value();
  }
  while (received.size() < sent.size()) received += co_await stream.read(100);
  CHECK(received == sent);
}

// The kernel wrote into room that had been given back with the last byte before it.
NET_TEST("stream: what was received is taken while a receive that was cancelled is still to be answered") {
  auto [stream, peer] = over_tcp();
  for (const bool move : {false, true}) {
    CAPTURE(move);
    put(peer, "abc");
    const std::string_view first = co_await stream.peek();
    CHECK(first == "abc");
    auto reading = coil::create_task(stream.read_exactly(6), {.eager = true});  // is passed to the kernel later
    put(peer, "def");
    reading.cancel();
    if (move)
      CHECK(stream.move_to(stream) == 3);
    else
      stream.consume(3);
    CHECK_AWAIT_THROWS(reading, coil::CancelledError);
    const std::string rest = co_await stream.read_exactly(3);
    CHECK(rest == "def");
    co_await stream.flush();
    CHECK(take_all(peer) == (move ? "abc" : ""));
  }
}

NET_TEST("stream: what was received is moved to what is sent, in order, to the same stream or another one") {
  auto [stream, peer] = over_tcp();
  auto [other, other_peer] = over_tcp();
  put(peer, "one ");
  co_await stream.peek();
  CHECK(stream.move_to(other) == 4);
  CHECK(stream.buffered().empty());
  CHECK(stream.move_to(other) == 0);
  other.write("two ");
  put(peer, "three");
  co_await stream.peek();
  CHECK(stream.move_to(other) == 5);
  co_await other.flush();
  CHECK(take_all(other_peer) == "one two three");
  put(peer, "back");
  co_await stream.peek();
  stream.move_to(stream);
  co_await stream.flush();
  CHECK(take_all(peer) == "back");
  other.write_eof();
  put(peer, "kept");
  co_await stream.peek();
  CHECK_THROWS_AS(stream.move_to(other), std::logic_error);
  CHECK(stream.buffered() == "kept");
}

NET_TEST("stream: after a read that is cancelled another one begins at once") {
  auto [stream, peer] = over_tcp();
  auto first = coil::create_task(stream.read_line());
  co_await settle();
  first.cancel();
  auto second = coil::create_task(stream.read_line());
  co_await settle();
  put(peer, "for the second\n");
  const std::string line = co_await second;
  CHECK(line == "for the second\n");
  CHECK(first.cancelled());
}

NET_TEST("stream: a timeout around a read of nothing ends it") {
  auto [stream, peer] = over_tcp();
  CHECK_AWAIT_THROWS(coil::wait_for(stream.read(1), 1s), coil::TimeoutError);
  put(peer, "x");
  const std::string text = co_await stream.read(1);
  CHECK(text == "x");
}

NET_TEST("stream: a wait for room that is cancelled loses nothing of what was written") {
  auto [stream, peer] = over_tcp();
  const std::string data(8U << 20, 'd');
  stream.write(data);
  auto draining = coil::create_task(stream.drain());
  co_await settle();
  draining.cancel();
  CHECK_AWAIT_THROWS(draining, coil::CancelledError);
  stream.write_eof();
  const std::string text = co_await read_to_end(peer);
  CHECK(text == data);
}
