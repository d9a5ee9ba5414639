// Descriptors that do not block: an operation waits all the same. This kernel waits for them by itself; older ones, and
// some kinds of files, answer EAGAIN, which the shim plays.
#include <coil/descriptor.hpp>

#include "../support/io_test.hpp"
#include "../support/ring_shim.hpp"

#include <poll.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil_test::Ends;
using coil_test::Fd;
using coil_test::GuardedBuffer;
using coil_test::put;
using coil_test::read_text;
using coil_test::RingShim;
using coil_test::settle;
using coil_test::write_text;

namespace {

coil::Coro<void> check_waits_both_ways(const Ends& ends) {
  coil_test::set_nonblocking(ends.out);
  coil_test::set_nonblocking(ends.in);
  auto reading = coil::create_task(read_text(ends.out));
  co_await settle();
  CHECK(!reading.done());
  const std::size_t sent = co_await write_text(ends.in, "text");
  CHECK(sent == 4);
  const std::string text = co_await reading;
  CHECK(text == "text");

  const std::string much(1'000'000, 'm');
  std::string received(much.size(), '-');
  const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(coil::write_all(ends.in, much));
    co_await coil::read_exactly(ends.out, std::as_writable_bytes(std::span(received)));
  };
  co_await coil::task_group(body);
  CHECK(received == much);
}

bool is_transfer(const io_uring_sqe& sqe) {
  return sqe.opcode == IORING_OP_READ || sqe.opcode == IORING_OP_WRITE || sqe.opcode == IORING_OP_READV ||
         sqe.opcode == IORING_OP_WRITEV;
}

/// Answers EAGAIN to the next `times` transfers of `fd`, and keeps what was submitted for it.
class Refuser {
public:
  Refuser(int fd, int times) : fd_(fd), times_(times) {
    shim_.submission = [this](io_uring_sqe& sqe) {
      if (sqe.fd != fd_ || sqe.opcode == IORING_OP_ASYNC_CANCEL) return;
      seen.push_back(sqe.opcode == IORING_OP_POLL_ADD ? sqe.poll32_events == POLLIN ? "poll in" : "poll out" : "call");
      if (is_transfer(sqe) && times_ > 0 && times_-- > 0) shim_.answer(sqe, -EAGAIN);
    };
  }
  std::vector<std::string> seen;

private:
  int fd_;
  int times_;
  RingShim shim_;
};

using Seen = std::vector<std::string>;

}  // namespace

// ---- Descriptors with O_NONBLOCK -------------------------------------------------------------------------

IO_TEST("O_NONBLOCK: a pipe is waited for in both directions") {
  const Ends pipe = coil_test::make_pipe();
  co_await check_waits_both_ways(pipe);
}

IO_TEST("O_NONBLOCK: a Unix stream socket is waited for in both directions") {
  const Ends pair = coil_test::make_socket_pair();
  co_await check_waits_both_ways(pair);
}

IO_TEST("O_NONBLOCK: a TCP connection is waited for in both directions") {
  const Ends pair = coil_test::make_tcp_pair();
  co_await check_waits_both_ways(pair);
}

IO_TEST("O_NONBLOCK: a terminal is waited for in both directions") {
  const Ends terminal = coil_test::make_terminal();
  co_await check_waits_both_ways(terminal);
}

IO_TEST("O_NONBLOCK: an eventfd is waited for") {
  const Fd counter = coil_test::make_eventfd(0, EFD_NONBLOCK);
  auto reading = coil::create_task(read_text(counter, 8));
  co_await settle();
  CHECK(!reading.done());
  const std::uint64_t one = 1;
  put(counter, {reinterpret_cast<const char*>(&one), sizeof one});
  const std::string count = co_await reading;
  CHECK(count.size() == 8);
}

IO_TEST("O_NONBLOCK: several readers of one terminal each get what is theirs") {
  const Ends terminal = coil_test::make_terminal(O_NONBLOCK);
  std::string taken;
  const auto read_one = [&]() -> coil::Coro<void> {
    const std::string byte = co_await read_text(terminal.out, 1);
    taken += byte;
  };
  const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    for (int i = 0; i < 5; ++i) group.create_task(read_one());
    co_await settle();
    for (const std::string_view byte : {"1", "2", "3", "4", "5"}) {
      put(terminal.in, byte);
      co_await settle();
    }
  };
  co_await coil::task_group(body);
  std::sort(taken.begin(), taken.end());
  CHECK(taken == "12345");
}

// ---- EAGAIN ----------------------------------------------------------------------------------------------

IO_TEST("EAGAIN: a read polls for POLLIN, then reads again") {
  const Ends pipe = coil_test::make_pipe();
  Refuser refuser(pipe.out, 1);
  auto reading = coil::create_task(read_text(pipe.out));
  co_await settle();
  CHECK(!reading.done());
  CHECK(refuser.seen == Seen{"call", "poll in"});
  put(pipe.in, "text");
  const std::string text = co_await reading;
  CHECK(text == "text");
  CHECK(refuser.seen == Seen{"call", "poll in", "call"});
}

IO_TEST("EAGAIN: a write polls for POLLOUT, then writes again") {
  const Ends pipe = coil_test::make_pipe();
  coil_test::fill_up(pipe.in);
  Refuser refuser(pipe.in, 1);
  auto writing = coil::create_task(write_text(pipe.in, "x"));
  co_await settle();
  CHECK(!writing.done());
  std::string taken = coil_test::take_all(pipe.out);
  const std::size_t written = co_await writing;
  CHECK(written == 1);
  taken += coil_test::take_all(pipe.out);
  CHECK(taken.back() == 'x');
  CHECK(refuser.seen == Seen{"call", "poll out", "call"});
}

IO_TEST("EAGAIN: however often it comes, the poll that says ready is believed anew") {
  const Ends pipe = coil_test::make_pipe();
  put(pipe.in, "text");
  Refuser refuser(pipe.out, 20);
  const std::string text = co_await read_text(pipe.out);
  CHECK(text == "text");
  CHECK(refuser.seen.size() == 41);
}

IO_TEST("EAGAIN: readv, writev, read_exactly and write_all wait as well") {
  const Ends pipe = coil_test::make_pipe();
  const GuardedBuffer out("abcdef"), in(6);
  const iovec from[] = {{out.data(), 3}, {out.data() + 3, 3}};
  const iovec to[] = {{in.data(), 3}, {in.data() + 3, 3}};
  {
    Refuser refuser(pipe.in, 2);
    co_await coil::writev(pipe.in, from);
    co_await coil::write_all(pipe.in, std::span<const std::byte>(out.bytes()));
    CHECK(refuser.seen == Seen{"call", "poll out", "call", "poll out", "call", "call"});
  }
  Refuser refuser(pipe.out, 2);
  std::size_t size = co_await coil::readv(pipe.out, to);
  CHECK(size == 6);
  CHECK(in.text() == "abcdef");
  in.fill('-');
  co_await coil::read_exactly(pipe.out, in.bytes());
  CHECK(in.text() == "abcdef");
}

IO_TEST("EAGAIN: at the end of file the poll says so, and the read gives 0") {
  Ends pipe = coil_test::make_pipe();
  Refuser refuser(pipe.out, 1);
  auto reading = coil::create_task(read_text(pipe.out));
  co_await settle();
  pipe.in.close();
  const std::string text = co_await reading;
  CHECK(text == "");
}

IO_TEST("EAGAIN: when the reader goes away the poll says so, and the write is EPIPE") {
  Ends pipe = coil_test::make_pipe();
  coil_test::fill_up(pipe.in);
  Refuser refuser(pipe.in, 1);
  auto writing = coil::create_task(write_text(pipe.in, "x"));
  co_await settle();
  pipe.out.close();
  CHECK_AWAIT_FAILS_WITH(writing, "write(fd " + std::to_string(pipe.in) + "): Broken pipe");
}

IO_TEST("EAGAIN: cancelled while it polls, the operation has done nothing") {
  const Ends pipe = coil_test::make_pipe();
  Refuser refuser(pipe.out, 1);
  auto reading = coil::create_task(read_text(pipe.out));
  co_await settle();
  CHECK(refuser.seen == Seen{"call", "poll in"});
  reading.cancel();
  CHECK_AWAIT_THROWS(reading, coil::CancelledError);
  put(pipe.in, "kept");
  co_await settle();
  CHECK(coil_test::take_all(pipe.out) == "kept");
}

IO_TEST("EAGAIN: cancelled when the poll has just said ready, the operation has done nothing") {
  const Ends pipe = coil_test::make_pipe();
  Refuser refuser(pipe.out, 1);
  auto reading = coil::create_task(read_text(pipe.out));
  co_await settle();
  put(pipe.in, "kept");
  reading.cancel();
  CHECK_AWAIT_THROWS(reading, coil::CancelledError);
  CHECK(coil_test::take_all(pipe.out) == "kept");
}

IO_TEST("EAGAIN: a poll that fails fails the operation") {
  const Ends pipe = coil_test::make_pipe();
  RingShim shim;
  shim.submission = [&](io_uring_sqe& sqe) {
    if (sqe.fd == pipe.out) shim.answer(sqe, sqe.opcode == IORING_OP_POLL_ADD ? -ENOMEM : -EAGAIN);
  };
  CHECK_AWAIT_FAILS_WITH(read_text(pipe.out), "read(fd " + std::to_string(pipe.out) + "): Cannot allocate memory");
}

IO_TEST("EAGAIN: where there is nothing to poll for it is an error") {
  RingShim shim;
  shim.submission = [&](io_uring_sqe& sqe) {
    if (sqe.opcode == IORING_OP_OPENAT) shim.answer(sqe, -EAGAIN);
  };
  CHECK_AWAIT_FAILS_WITH(coil::openat(AT_FDCWD, "/dev/null", O_RDONLY),
                         "openat(/dev/null): Resource temporarily unavailable");
}

IO_TEST("EAGAIN: at random a megabyte goes through unchanged") {
  const char* given = std::getenv("COIL_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::atoi(given)) : std::random_device()();
  CAPTURE(seed);
  std::minstd_rand random(seed);
  const Ends pair = coil_test::make_socket_pair();
  std::string sent(1'000'000, ' ');
  for (char& byte : sent) byte = static_cast<char>(random());
  RingShim shim;
  shim.submission = [&](io_uring_sqe& sqe) {
    if (is_transfer(sqe) && (sqe.fd == pair.in || sqe.fd == pair.out) && random() % 2 == 0) shim.answer(sqe, -EAGAIN);
  };
  std::string received(sent.size(), '-');
  const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(coil::write_all(pair.in, sent));
    co_await coil::read_exactly(pair.out, std::as_writable_bytes(std::span(received)));
  };
  co_await coil::task_group(body);
  CHECK(received == sent);
}

// With nothing ready the clock jumped although an operation was on its way back to the kernel.
IO_TEST("EAGAIN: in virtual time a read that has its bytes is done before any timer fires") {
  const Ends pipe = coil_test::make_pipe();
  put(pipe.in, "text");
  Refuser refuser(pipe.out, 3);
  const std::string text = co_await coil::wait_for(read_text(pipe.out), 1s);
  CHECK(text == "text");
  CHECK(coil_test::elapsed() == 0s);
}
