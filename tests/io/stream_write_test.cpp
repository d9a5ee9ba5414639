// Stream: writing, closing, and streams over other things than TCP.
#include <coil/stream.hpp>

#include "../support/stream_test.hpp"

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil::Stream;
using coil_test::over_tcp;
using coil_test::Peered;
using coil_test::put;
using coil_test::read_to_end;
using coil_test::reset;
using coil_test::settle;
using coil_test::take_all;

// ---- Writing ---------------------------------------------------------------------------------------------

NET_TEST("stream: many small writes of a turn are one send, in order") {
  auto [stream, peer] = over_tcp();
  co_await coil::yield();
  const std::uint64_t before = coil_test::metrics().submissions;
  std::string all;
  for (int i = 0; i < 1000; ++i) {
    stream.write(std::to_string(i) + " ");
    all += std::to_string(i) + " ";
  }
  CHECK(stream.unsent() == all.size());
  co_await stream.flush();
  CHECK(coil_test::metrics().submissions - before == 1);
  CHECK(stream.unsent() == 0);
  CHECK(take_all(peer) == all);
}

NET_TEST("stream: drain waits while a peer that does not read leaves more than the high water, then no more") {
  auto [stream, peer] = over_tcp({.high_water = 100000, .low_water = 50000});
  coil_test::fill_up(stream.fd());
  stream.write(std::string(100000, 'x'));
  co_await stream.drain();  // not above it
  stream.write("y");
  auto draining = coil::create_task(stream.drain());
  co_await settle();
  CHECK(!draining.done());
  auto reading = coil::create_task(read_to_end(peer));
  co_await draining;
  CHECK(stream.unsent() <= 50000);
  stream.close();
  const std::string text = co_await reading;
  CHECK(text.substr(text.size() - 100001) == std::string(100000, 'x') + "y");
}

NET_TEST("stream: who drains keeps no more than the high water for a peer that never reads") {
  auto [stream, peer] = over_tcp();
  coil_test::fill_up(stream.fd());
  auto write_for_ever = [&]() -> coil::Coro<void> {
    for (;;) {
      stream.write(std::string(1000, 'x'));
      co_await stream.drain();
    }
  };
  CHECK_AWAIT_THROWS(coil::wait_for(write_for_ever, 1s), coil::TimeoutError);
  CHECK(stream.unsent() > 65536);
  CHECK(stream.unsent() <= 65536 + 1000);
  stream.abort();
}

NET_TEST("stream: two that write and drain do not mix their messages") {
  auto [stream, peer] = over_tcp();
  auto write_letters = [&](char letter) -> coil::Coro<void> {
    for (int i = 0; i < 200; ++i) {
      stream.write(std::string(999, letter) + "\n");
      co_await stream.drain();
    }
  };
  auto reading = coil::create_task(read_to_end(peer));
  co_await coil::gather(write_letters('a'), write_letters('b'));
  stream.close();
  const std::string text = co_await reading;
  REQUIRE(text.size() == 400000);
  for (std::size_t i = 0; i < text.size(); i += 1000) {
    const std::string line = text.substr(i, 1000);
    CHECK((line == std::string(999, 'a') + "\n" || line == std::string(999, 'b') + "\n"));
  }
}

NET_TEST("stream: after the peer has reset the connection, writing fails at drain, not in between") {
  auto [stream, peer] = over_tcp();
  reset(peer);
  stream.write("x");
  CHECK_AWAIT_THROWS(stream.flush(), std::system_error);
  stream.write("dropped");
  CHECK(stream.unsent() == 0);
  CHECK_AWAIT_THROWS(stream.drain(), std::system_error);
  stream.close();
  CHECK_AWAIT_THROWS(stream.wait_closed(), std::system_error);
}

NET_TEST("stream: write_eof lets the peer read all and then the end, and reading goes on") {
  auto [stream, peer] = over_tcp();
  const std::string data(3U << 20, 'd');
  stream.write(data);
  stream.write_eof();
  stream.write_eof();
  CHECK_THROWS_WITH(stream.write("more"), "coil: Stream::write() after write_eof()");
  const std::string text = co_await read_to_end(peer);
  CHECK(text == data);
  put(peer, "answer");
  const std::string answer = co_await stream.read(100);
  CHECK(answer == "answer");
}

NET_TEST("stream: a peer that has ended its side is still written to") {
  auto [stream, peer] = over_tcp();
  ::shutdown(peer, SHUT_WR);
  const std::string end = co_await stream.read(1);
  CHECK(end.empty());
  stream.write("answer");
  co_await stream.drain();
  const std::string answer = co_await coil_test::recv_text(peer);
  CHECK(answer == "answer");
}

// ---- Closing ---------------------------------------------------------------------------------------------

NET_TEST("stream: closing sends what was written before") {
  auto [stream, peer] = over_tcp();
  const std::string data(3U << 20, 'd');
  stream.write(data);
  stream.close();
  CHECK(stream.is_closing());
  auto reading = coil::create_task(read_to_end(peer));
  co_await stream.wait_closed();
  CHECK(stream.fd() == -1);
  const std::string text = co_await reading;
  CHECK(text == data);
  stream.close();
  co_await stream.wait_closed();
}

NET_TEST("stream: one that goes sends what was written before") {
  const std::string data(3U << 20, 'd');
  coil_test::Fd other;
  {
    auto [stream, peer] = over_tcp();
    stream.write(data);
    other = std::move(peer);
  }
  const std::string text = co_await read_to_end(other);
  CHECK(text == data);
}

NET_TEST("stream: with nothing to send the peer sees the end at once") {
  auto [stream, peer] = over_tcp();
  stream.close();
  char byte = 0;
  CHECK(::recv(peer, &byte, 1, MSG_DONTWAIT) == 0);
  co_await stream.wait_closed();
}

NET_TEST("stream: closed with a peer that never reads, it is given up after thirty seconds without progress") {
  auto [stream, peer] = over_tcp();
  coil_test::fill_up(stream.fd());
  stream.write("x");
  stream.close();
  co_await coil::sleep(29s);
  CHECK(stream.fd() != -1);
  co_await coil::sleep(2s);
  co_await settle();
  CHECK(stream.fd() == -1);
  co_await stream.wait_closed();
}

NET_TEST("stream: abort drops what was written, resets the peer, and ends drain with an error") {
  auto [stream, peer] = over_tcp();
  stream.write(std::string(16U << 20, 'x'));
  auto draining = coil::create_task(stream.drain());
  co_await settle();
  stream.abort();
  CHECK_AWAIT_THROWS(draining, std::system_error);
  co_await stream.wait_closed();
  std::string error;
  try {
    co_await read_to_end(peer);
  } catch (const std::system_error& failure) {
    error = failure.code().message();
  }
  CHECK(error == "Connection reset by peer");
}

NET_TEST("stream: closing it while a task reads ends that as at the end of the stream") {
  for (const bool drop : {false, true}) {
    auto [stream, peer] = over_tcp();
    auto reading = coil::create_task(stream.read_line());
    co_await settle();
    if (drop)
      stream.abort();
    else
      stream.close();
    const std::string line = co_await reading;
    CHECK(line.empty());
    co_await stream.wait_closed();
    CHECK(take_all(peer).empty());
  }
}

NET_TEST("stream: one that goes while a task reads ends that") {
  auto [made, peer] = over_tcp();
  auto stream = std::make_unique<Stream>(std::move(made));
  auto reading = coil::create_task(stream->read_line());
  co_await settle();
  stream.reset();
  const std::string line = co_await reading;
  CHECK(line.empty());
}

NET_TEST("stream: what is written after close is dropped, and drain says so") {
  auto [stream, peer] = over_tcp();
  stream.close();
  stream.write("too late");
  CHECK_AWAIT_THROWS(stream.drain(), std::system_error);
  CHECK(take_all(peer).empty());
}

NET_TEST("stream: a stream that is none says so") {
  Stream none;
  CHECK(!none);
  CHECK(none.at_eof());
  none.close();
  CHECK_THROWS_WITH(static_cast<void>(none.read_line()), "coil: Stream::read_line() of a Stream that is none");
  CHECK_THROWS_AS(none.write("x"), std::logic_error);
  auto [stream, peer] = over_tcp();
  none = std::move(stream);
  put(peer, "now it is one");
  const std::string text = co_await none.read(100);
  CHECK(text == "now it is one");
}

TEST_CASE("stream: what the kernel takes at once is sent although the loop ends; a stream outlives its loop") {
  const coil_test::LeakCheck leaks;
  coil_test::Fd peer;
  {
    Stream survivor;
    Stream silent;
    auto main = [&]() -> coil::Coro<void> {
      Peered made = over_tcp();
      survivor = std::move(made.stream);
      peer = std::move(made.peer);
      survivor.write("last words");
      Peered other = over_tcp();
      silent = std::move(other.stream);
      silent.write(std::string(16U << 20, 'x'));
      silent.close();
      auto reading = coil::create_task(survivor.read_line());
      co_await settle();
    };
    coil::run(main);
    CHECK(take_all(peer) == "last words");
    CHECK_THROWS_AS(survivor.write("x"), std::logic_error);
    survivor.close();
  }
}

TEST_CASE("stream: it is made and used in one loop") {
  coil_test::Ends ends = coil_test::make_tcp_pair();
  coil::TcpStream connection(coil::Fd(ends.out.release()));
  CHECK_THROWS_AS(Stream(std::move(connection)), std::logic_error);
  CHECK_THROWS_AS(Stream(coil::Fd(), coil::Fd()), std::logic_error);
}

// ---- Other kinds -----------------------------------------------------------------------------------------

NET_TEST("stream: over the ends of pipes, in one direction or both") {
  coil_test::Ends to = coil_test::make_pipe();
  coil_test::Ends from = coil_test::make_pipe();
  Stream both(coil::Fd(from.out.release()), coil::Fd(to.in.release()));
  both.write("question\n");
  co_await both.flush();
  CHECK(take_all(to.out) == "question\n");
  put(from.in, "answer\n");
  const std::string answer = co_await both.read_line();
  CHECK(answer == "answer\n");
  both.write_eof();
  CHECK(take_all(to.out).empty());
  from.in.close();
  const std::string end = co_await both.read_line();
  CHECK(end.empty());
  CHECK(both.peer_name().family() == 0);

  coil_test::Ends pipe = coil_test::make_pipe();
  Stream reader(coil::Fd(pipe.out.release()), coil::Fd());
  Stream writer(coil::Fd(), coil::Fd(pipe.in.release()));
  CHECK_THROWS_WITH(reader.write("x"), "coil: Stream::write() to a stream that can only be read");
  CHECK_AWAIT_FAILS_WITH(writer.read(1), "coil: Stream::read() of a stream that can only be written to");
  writer.write(std::string(200000, 'p'));
  writer.close();
  const std::string all = co_await reader.read_all();
  CHECK(all == std::string(200000, 'p'));
}

NET_TEST("stream: writing to a pipe that nobody reads is EPIPE") {
  coil_test::Ends pipe = coil_test::make_pipe();
  Stream writer(coil::Fd(), coil::Fd(pipe.in.release()));
  pipe.out.close();
  writer.write("x");
  CHECK_AWAIT_FAILS_WITH(writer.drain(), "(nothing thrown)");
  CHECK_AWAIT_FAILS_WITH(writer.flush(), "flush(fd " + std::to_string(writer.fd()) + "): Broken pipe");
  CHECK_AWAIT_THROWS(writer.drain(), std::system_error);
}

NET_TEST("stream: a pair over a Unix socket") {
  auto [one, other] = Stream::pair();
  one.write("ping\n");
  const std::string ping = co_await other.read_line();
  CHECK(ping == "ping\n");
  other.write("pong\n");
  other.close();
  const std::string pong = co_await one.read_all();
  CHECK(pong == "pong\n");
  CHECK(::fcntl(one.fd(), F_GETFD) == FD_CLOEXEC);
}

NET_TEST("stream: a file is read to its end and written in order") {
  const coil_test::TemporaryDirectory folder;
  coil_test::Fd source = folder.open("source", "first\nsecond\n");
  Stream reader(coil::Fd(source.release()), coil::Fd());
  std::string line = co_await reader.read_line();
  CHECK(line == "first\n");
  line = co_await reader.read_line();
  CHECK(line == "second\n");
  line = co_await reader.read_line();
  CHECK(line.empty());
  coil_test::Fd target = folder.open("target", "");
  Stream writer(coil::Fd(), coil::Fd(target.release()));
  writer.write("one ");
  co_await writer.flush();
  writer.write("two");
  co_await writer.aclose();
  CHECK(coil_test::content_of(folder / "target") == "one two");
}
