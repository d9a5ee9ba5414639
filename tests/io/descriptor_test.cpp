// read() and write() on every kind of descriptor: what arrives, what end of file is, what waits.
#include <coil/descriptor.hpp>

#include "../support/io_test.hpp"

#include <sys/timerfd.h>

#include <algorithm>
#include <string>

using namespace std::chrono_literals;
using coil_test::Ends;
using coil_test::Fd;
using coil_test::GuardedBuffer;
using coil_test::put;
using coil_test::read_text;
using coil_test::write_text;

namespace {

// Writes while a reader waits, both ways that data can come: there before, and there after the read began.
coil::Coro<void> check_passes_on(const Ends& ends) {
  const std::size_t written = co_await write_text(ends.in, "first");
  CHECK(written == 5);
  const std::string first = co_await read_text(ends.out);
  CHECK(first == "first");

  auto reading = coil::create_task(read_text(ends.out));
  co_await coil_test::settle();
  CHECK(!reading.done());
  const std::size_t rest = co_await write_text(ends.in, "second");
  CHECK(rest == 6);
  const std::string second = co_await reading;
  CHECK(second == "second");
}

// Fills `ends` and checks that a further write waits until somebody reads.
coil::Coro<void> check_waits_for_room(const Ends& ends) {
  coil_test::fill_up(ends.in);
  auto writing = coil::create_task(write_text(ends.in, "x"));
  co_await coil_test::settle();
  CHECK(!writing.done());
  std::string taken = coil_test::take_all(ends.out);
  const std::size_t written = co_await writing;
  CHECK(written == 1);
  taken += coil_test::take_all(ends.out);
  CHECK(taken.back() == 'x');
}

}  // namespace

// ---- What arrives ----------------------------------------------------------------------------------------

IO_TEST("read and write: a pipe passes on what is written") {
  const Ends pipe = coil_test::make_pipe();
  co_await check_passes_on(pipe);
}

IO_TEST("read and write: a Unix stream socket passes on what is written") {
  const Ends pair = coil_test::make_socket_pair();
  co_await check_passes_on(pair);
}

IO_TEST("read and write: a Unix datagram socket passes on what is written") {
  const Ends pair = coil_test::make_socket_pair(SOCK_DGRAM);
  co_await check_passes_on(pair);
}

IO_TEST("read and write: a TCP connection passes on what is written") {
  const Ends pair = coil_test::make_tcp_pair();
  co_await check_passes_on(pair);
}

IO_TEST("read and write: a terminal passes on what is typed") {
  const Ends terminal = coil_test::make_terminal();
  co_await check_passes_on(terminal);
}

IO_TEST("read and write: a terminal passes on what the program prints") {
  Ends terminal = coil_test::make_terminal();
  std::swap(terminal.in, terminal.out);
  co_await check_passes_on(terminal);
}

IO_TEST("read and write: a FIFO passes on what is written") {
  const coil_test::TemporaryDirectory folder;
  const std::string path = folder / "fifo";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  const Fd both(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  const Ends fifo{Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), Fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC))};
  co_await check_passes_on(fifo);
}

IO_TEST("read and write: an eventfd counts") {
  const Fd counter = coil_test::make_eventfd();
  std::uint64_t count = 0;
  auto reading = coil::create_task(coil::read(counter, std::as_writable_bytes(std::span(&count, 1))));
  co_await coil_test::settle();
  CHECK(!reading.done());
  const std::uint64_t three = 3;
  const std::size_t written = co_await coil::write(counter, std::as_bytes(std::span(&three, 1)));
  CHECK(written == 8);
  const std::size_t size = co_await reading;
  CHECK(size == 8);
  CHECK(count == 3);
}

IO_TEST("read: a timerfd is waited for in real time") {
  const Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  const itimerspec soon{{0, 0}, {0, 1'000'000}};
  REQUIRE(::timerfd_settime(timer, 0, &soon, nullptr) == 0);
  std::uint64_t expired = 0;
  const std::size_t size = co_await coil::read(timer, std::as_writable_bytes(std::span(&expired, 1)));
  CHECK(size == 8);
  CHECK(expired >= 1);
}

IO_TEST("read: a file under /proc is read like any other") {
  const Fd file(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  const std::string text = co_await read_text(file, 4096);
  CHECK(text.find("Name:") == 0);
  CHECK(text.find("\nPid:\t" + std::to_string(::getpid()) + "\n") != std::string::npos);
}

IO_TEST("read and write: /dev/null swallows everything and is at its end") {
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const std::size_t written = co_await write_text(null, "gone");
  CHECK(written == 4);
  const std::string text = co_await read_text(null);
  CHECK(text.empty());
}

// One read may give less: where the processor is wanted, the kernel stops after any page.
IO_TEST("read_exactly: /dev/zero fills the whole buffer") {
  const Fd zeros(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  const GuardedBuffer buffer(10'000);
  std::fill(buffer.bytes().begin(), buffer.bytes().end(), std::byte{1});
  const std::size_t size = co_await coil::read_exactly(zeros, buffer.bytes());
  CHECK(size == 10'000);
  CHECK(std::count(buffer.bytes().begin(), buffer.bytes().end(), std::byte{0}) == 10'000);
}

IO_TEST("read: returns what there is, without waiting for the rest of the buffer") {
  const Ends pipe = coil_test::make_pipe();
  put(pipe.in, "abc");
  const std::string text = co_await read_text(pipe.out, 1000);
  CHECK(text == "abc");
}

IO_TEST("read: leaves what does not fit into the buffer") {
  const Ends pipe = coil_test::make_pipe();
  put(pipe.in, "abcdef");
  const std::string head = co_await read_text(pipe.out, 4);
  const std::string tail = co_await read_text(pipe.out, 4);
  CHECK(head == "abcd");
  CHECK(tail == "ef");
}

IO_TEST("read: each datagram by itself, cut off where the buffer ends") {
  const Ends pair = coil_test::make_socket_pair(SOCK_DGRAM);
  put(pair.in, "one");
  put(pair.in, "twenty");
  put(pair.in, "three");
  const std::string first = co_await read_text(pair.out);
  const std::string second = co_await read_text(pair.out, 4);
  const std::string third = co_await read_text(pair.out);
  CHECK(first == "one");
  CHECK(second == "twen");
  CHECK(third == "three");
}

IO_TEST("read: an empty datagram is a datagram, and the next one comes after it") {
  const Ends pair = coil_test::make_socket_pair(SOCK_DGRAM);
  put(pair.in, "abc");
  REQUIRE(::send(pair.in, "", 0, 0) == 0);
  put(pair.in, "def");
  for (const std::string expected : {"abc", "", "def"}) {
    const std::string datagram = co_await read_text(pair.out);
    CHECK(datagram == expected);
  }
}

IO_TEST("read: of several readers of one pipe each gets bytes of its own") {
  const Ends pipe = coil_test::make_pipe();
  std::string taken;
  const auto read_one = [&]() -> coil::Coro<void> {
    const std::string byte = co_await read_text(pipe.out, 1);
    taken += byte;
  };
  const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    for (int i = 0; i < 3; ++i) group.create_task(read_one());
    co_await coil_test::settle();
    for (const std::string_view byte : {"1", "2", "3"}) {
      put(pipe.in, byte);
      co_await coil_test::settle();
    }
  };
  co_await coil::task_group(body);
  std::sort(taken.begin(), taken.end());
  CHECK(taken == "123");
}

// ---- End of file -----------------------------------------------------------------------------------------

IO_TEST("read: gives 0 when the last writer of a pipe is gone, also to one that waits") {
  Ends pipe = coil_test::make_pipe();
  auto reading = coil::create_task(read_text(pipe.out));
  co_await coil_test::settle();
  CHECK(!reading.done());
  pipe.in.close();
  const std::string text = co_await reading;
  const std::string again = co_await read_text(pipe.out);
  CHECK(text.empty());
  CHECK(again.empty());
}

IO_TEST("read: gives what was sent before the end first, then 0") {
  Ends pair = coil_test::make_tcp_pair();
  put(pair.in, "last words");
  pair.in.close();
  const std::string text = co_await read_text(pair.out);
  const std::string end = co_await read_text(pair.out);
  CHECK(text == "last words");
  CHECK(end.empty());
}

IO_TEST("read: after the peer's end of file, writing to it still works") {
  const Ends pair = coil_test::make_tcp_pair();
  REQUIRE(::shutdown(pair.in, SHUT_WR) == 0);
  const std::string end = co_await read_text(pair.out);
  CHECK(end.empty());
  const std::size_t written = co_await write_text(pair.out, "still here");
  CHECK(written == 10);
  const std::string text = co_await read_text(pair.in);
  CHECK(text == "still here");
}

IO_TEST("read: one that waits is woken by shutdown() of its own side") {
  const Ends pair = coil_test::make_tcp_pair();
  auto reading = coil::create_task(read_text(pair.out));
  co_await coil_test::settle();
  REQUIRE(::shutdown(pair.out, SHUT_RD) == 0);
  const std::string text = co_await reading;
  CHECK(text.empty());
}

// ---- Room ------------------------------------------------------------------------------------------------

IO_TEST("write: waits while a pipe is full") {
  const Ends pipe = coil_test::make_pipe();
  co_await check_waits_for_room(pipe);
}

IO_TEST("write: waits while a Unix stream socket is full") {
  const Ends pair = coil_test::make_socket_pair();
  co_await check_waits_for_room(pair);
}

IO_TEST("write: waits while a TCP connection is full") {
  const Ends pair = coil_test::make_tcp_pair();
  coil_test::fill_up(pair.in);
  auto writing = coil::create_task(write_text(pair.in, "x"));
  while (!writing.done()) {
    coil_test::take_all(pair.out);
    co_await coil::yield();
  }
  const std::size_t written = co_await writing;
  CHECK(written == 1);
}

IO_TEST("write: waits while an eventfd cannot count further") {
  const Fd counter = coil_test::make_eventfd();
  const std::uint64_t most = UINT64_MAX - 1;
  std::size_t written = co_await coil::write(counter, std::as_bytes(std::span(&most, 1)));
  CHECK(written == 8);
  const std::uint64_t one = 1;
  auto writing = coil::create_task(coil::write(counter, std::as_bytes(std::span(&one, 1))));
  co_await coil_test::settle();
  CHECK(!writing.done());
  std::uint64_t count = 0;
  const std::size_t size = co_await coil::read(counter, std::as_writable_bytes(std::span(&count, 1)));
  CHECK(size == 8);
  CHECK(count == most);
  written = co_await writing;
  CHECK(written == 8);
}

IO_TEST("write: takes as much as fits and says how much that was") {
  const Ends pipe = coil_test::make_pipe();
  const std::string much(1 << 20, 'm');
  const std::size_t written = co_await coil::write(pipe.in, much);
  CHECK(written > 0);
  CHECK(written < much.size());
  CHECK(coil_test::take_all(pipe.out).size() == written);
}

// ---- Nothing at all --------------------------------------------------------------------------------------

IO_TEST("read and write: zero bytes are done at once, without the kernel") {
  const Ends pipe = coil_test::make_pipe();
  const auto submissions = coil_test::metrics().submissions;
  coil_test::TurnCounter turns;
  const std::size_t nothing_read = co_await coil::read(pipe.out, {});
  const std::size_t nothing_written = co_await coil::write(pipe.in, std::string_view());
  const std::size_t nothing_at = co_await coil::read(pipe.out, {}, 5);
  CHECK(nothing_read == 0);
  CHECK(nothing_written == 0);
  CHECK(nothing_at == 0);
  CHECK(coil_test::metrics().submissions == submissions);
  CHECK(turns.count() == 0);
}

IO_TEST("read: an operation that is made and not awaited does nothing") {
  const Ends pipe = coil_test::make_pipe();
  put(pipe.in, "kept");
  const GuardedBuffer buffer(10);
  [[maybe_unused]] auto forgotten = coil::read(pipe.out, buffer.bytes());
  co_await coil_test::settle();
  CHECK(coil_test::take_all(pipe.out) == "kept");
}
