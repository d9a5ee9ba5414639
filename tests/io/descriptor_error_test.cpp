// What goes wrong with a descriptor is a std::system_error with the errno, and a text that names call and descriptor.
#include <coil/descriptor.hpp>

#include "../support/child.hpp"
#include "../support/io_test.hpp"

#include <signal.h>
#include <sys/resource.h>

#include <string>
#include <vector>

using coil_test::Ends;
using coil_test::Fd;
using coil_test::GuardedBuffer;
using coil_test::put;
using coil_test::read_text;
using coil_test::write_text;

namespace {

/// The errno that awaiting throws, 0 for none.
template <class A>
coil::Coro<int> error_of(A awaitable) {
  try {
    static_cast<void>(co_await std::move(awaitable));
  } catch (const std::system_error& error) {
    co_return error.code().category() == std::system_category() ? error.code().value() : -1;
  }
  co_return 0;
}

std::string text(const char* call, int fd, const char* error) {
  return std::string(call) + "(fd " + std::to_string(fd) + "): " + error;
}

/// A number that was a descriptor and is none any more.
int closed_number() {
  Fd fd = coil_test::make_eventfd();
  return fd;
}

/// TCP, the peer of which has reset the connection.
Fd make_reset_connection() {
  Ends pair = coil_test::make_tcp_pair();
  const linger at_once{1, 0};
  REQUIRE(::setsockopt(pair.in, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
  pair.in.close();
  return std::move(pair.out);
}

}  // namespace

IO_TEST("errors: every operation on a descriptor that is closed is EBADF and names itself and it") {
  const int fd = closed_number();
  const GuardedBuffer buffer("x");
  const std::span<const std::byte> data = buffer.bytes();
  const iovec parts[] = {{buffer.data(), buffer.size()}};
  const char* bad = "Bad file descriptor";
  CHECK_AWAIT_FAILS_WITH(coil::read(fd, buffer.bytes()), text("read", fd, bad));
  CHECK_AWAIT_FAILS_WITH(coil::read(fd, buffer.bytes(), 5), text("read", fd, bad));
  CHECK_AWAIT_FAILS_WITH(coil::write(fd, data), text("write", fd, bad));
  CHECK_AWAIT_FAILS_WITH(coil::write(fd, data, 5), text("write", fd, bad));
  CHECK_AWAIT_FAILS_WITH(coil::read_exactly(fd, buffer.bytes()), text("read", fd, bad));
  CHECK_AWAIT_FAILS_WITH(coil::write_all(fd, data), text("write", fd, bad));
  CHECK_AWAIT_FAILS_WITH(coil::readv(fd, parts), text("readv", fd, bad));
  CHECK_AWAIT_FAILS_WITH(coil::writev(fd, parts), text("writev", fd, bad));
}

IO_TEST("errors: a negative descriptor is EBADF and named") {
  const GuardedBuffer buffer("x");
  CHECK_AWAIT_FAILS_WITH(coil::read(-1, buffer.bytes()), "read(fd -1): Bad file descriptor");
  CHECK_AWAIT_FAILS_WITH(coil::write(-1, std::string_view("x")), "write(fd -1): Bad file descriptor");
  CHECK_AWAIT_FAILS_WITH(coil::read(INT_MIN, buffer.bytes()), "read(fd -2147483648): Bad file descriptor");
}

IO_TEST("errors: code() is the errno in the system's category") {
  const int error = co_await error_of(read_text(closed_number()));
  CHECK(error == EBADF);
}

IO_TEST("errors: a descriptor that is open the other way round is EBADF") {
  const Ends pipe = coil_test::make_pipe();
  CHECK_AWAIT_FAILS_WITH(read_text(pipe.in), text("read", pipe.in, "Bad file descriptor"));
  CHECK_AWAIT_FAILS_WITH(write_text(pipe.out, "x"), text("write", pipe.out, "Bad file descriptor"));
}

IO_TEST("errors: reading a directory as a file is EISDIR") {
  const coil_test::TemporaryDirectory folder;
  const Fd directory(::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  CHECK_AWAIT_FAILS_WITH(read_text(directory), text("read", directory, "Is a directory"));
}

IO_TEST("errors: an offset where there is no position is ESPIPE") {
  const Ends pipe = coil_test::make_pipe();
  put(pipe.in, "kept");
  const GuardedBuffer buffer(10);
  const int reading = co_await error_of(coil::read(pipe.out, buffer.bytes(), 1));
  const int writing = co_await error_of(coil::write(pipe.in, std::string_view("x"), 1));
  CHECK(reading == ESPIPE);
  CHECK(writing == ESPIPE);
  CHECK(coil_test::take_all(pipe.out) == "kept");
}

IO_TEST("errors: a read of an eventfd into less than eight bytes is EINVAL") {
  const Fd counter = coil_test::make_eventfd(1);
  const int error = co_await error_of(read_text(counter, 7));
  CHECK(error == EINVAL);
}

IO_TEST("errors: a full device is ENOSPC") {
  const Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  CHECK_AWAIT_FAILS_WITH(write_text(full, "x"), text("write", full, "No space left on device"));
}

IO_TEST("errors: a datagram that is too long is EMSGSIZE, and nothing of it is sent") {
  const Ends pair = coil_test::make_socket_pair(SOCK_DGRAM);
  const int error = co_await error_of(write_text(pair.in, std::string(10'000'000, 'x')));
  CHECK(error == EMSGSIZE);
  CHECK(coil_test::take_all(pair.out).empty());
}

IO_TEST("errors: a terminal whose other side is gone is EIO for the user's side, also for one that waits") {
  Ends terminal = coil_test::make_terminal();
  auto reading = coil::create_task(read_text(terminal.in));
  co_await coil_test::settle();
  CHECK(!reading.done());
  terminal.out.close();
  const int waiting = co_await error_of(reading);
  const int later = co_await error_of(read_text(terminal.in));
  CHECK(waiting == EIO);
  CHECK(later == EIO);
}

IO_TEST("errors: a connection that the peer reset is ECONNRESET, then at its end") {
  const Fd connection = make_reset_connection();
  CHECK_AWAIT_FAILS_WITH(read_text(connection), text("read", connection, "Connection reset by peer"));
  const std::string end = co_await read_text(connection);
  CHECK(end.empty());
}

IO_TEST("errors: a UDP socket is told of an unreachable port, and goes on") {
  Fd taken(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  REQUIRE(::bind(taken, generic, size) == 0);
  REQUIRE(::getsockname(taken, generic, &size) == 0);
  taken.close();  // nobody listens there from now on
  REQUIRE(::connect(socket, generic, size) == 0);
  co_await write_text(socket, "anybody there?");
  const int refused = co_await error_of(read_text(socket));
  CHECK(refused == ECONNREFUSED);
  auto reading = coil::create_task(read_text(socket));
  co_await coil_test::settle();
  CHECK(!reading.done());
}

// ---- EPIPE -----------------------------------------------------------------------------------------------

IO_TEST("EPIPE: a pipe without a reader, also for one that waits for room") {
  Ends pipe = coil_test::make_pipe();
  coil_test::fill_up(pipe.in);
  auto waiting = coil::create_task(write_text(pipe.in, "x"));
  co_await coil_test::settle();
  CHECK(!waiting.done());
  pipe.out.close();
  CHECK_AWAIT_FAILS_WITH(waiting, text("write", pipe.in, "Broken pipe"));
  CHECK_AWAIT_FAILS_WITH(write_text(pipe.in, "x"), text("write", pipe.in, "Broken pipe"));
}

TEST_CASE("EPIPE: kills nobody where SIGPIPE would, on pipes and sockets, small and large") {
  const auto child = coil_test::in_child([] {
    ::signal(SIGPIPE, SIG_DFL);
    auto main = []() -> coil::Coro<int> {
      const std::string large(1 << 20, 'x');
      const iovec parts[] = {{const_cast<char*>(large.data()), large.size()}};
      int refused = 0;
      for (int kind = 0; kind < 3; ++kind) {
        Ends ends = kind == 0   ? coil_test::make_pipe()
                    : kind == 1 ? coil_test::make_socket_pair()
                                : coil_test::make_tcp_pair();
        ends.out.close();
        int error = co_await error_of(coil::write(ends.in, std::string_view("x")));
        while (error == 0) error = co_await error_of(coil::write(ends.in, std::string_view("x")));  // TCP: once more
        refused += error == EPIPE || error == ECONNRESET;
        error = co_await error_of(coil::write_all(ends.in, large));
        refused += error == EPIPE;
        error = co_await error_of(coil::writev(ends.in, parts));
        refused += error == EPIPE;
      }
      co_return refused;
    };
    return coil::run(main);
  });
  CAPTURE(child.output);
  CHECK(child.exited_with(9));
}

// ---- A file that cannot grow -----------------------------------------------------------------------------

namespace {

/// Runs `main(fd)` in a process that can make files of 1000 bytes at the most, with a new file.
template <class F>
coil_test::ChildResult with_size_limit(const std::string& path, F main) {
  return coil_test::in_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 98;
    const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const int fd = file;
    return coil::run(main(fd));
  });
}

}  // namespace

// The kernel leaves the file position where it was when an error ends a write that had begun: the rest then went over
// the beginning, and a file that did not fit was "written" without an error.
TEST_CASE("errors: write_all of more than a file can hold is EFBIG, and progress is what fitted") {
  const coil_test::TemporaryDirectory folder;
  for (const std::size_t size : {std::size_t{1500}, std::size_t{2} << 20}) {
    CAPTURE(size);
    const std::string path = folder / std::to_string(size);
    const auto child = with_size_limit(path, [size](int fd) -> coil::Coro<int> {
      const std::string much(size, 'x');
      std::size_t progress = 0;
      const int error = co_await error_of(coil::write_all(fd, much, &progress));
      if (error != EFBIG) co_return 1;
      co_return progress == 1000 ? 0 : 2;
    });
    CHECK(child.status == 0);
    CHECK(coil_test::content_of(path).size() == 1000);
  }
}

TEST_CASE("write: one that is cut short moves the file position by what it wrote") {
  const coil_test::TemporaryDirectory folder;
  const std::string path = folder / "file";
  const auto child = with_size_limit(path, [](int fd) -> coil::Coro<int> {
    const std::string much(1500, 'x');
    const std::size_t written = co_await coil::write(fd, much);
    if (written != 1000) co_return 1;
    co_return ::lseek(fd, 0, SEEK_CUR) == 1000 ? 0 : 2;
  });
  CHECK(child.status == 0);
  CHECK(coil_test::content_of(path).size() == 1000);
}
