// read_exactly() and write_all(): they go on until everything is done, and say how far they came when it is not.
#include <coil/descriptor.hpp>

#include "../support/child.hpp"
#include "../support/io_test.hpp"

#include <string>

using namespace std::chrono_literals;
using coil_test::Ends;
using coil_test::Fd;
using coil_test::GuardedBuffer;
using coil_test::numbers;
using coil_test::put;

namespace {

coil::Coro<std::string> read_all_of(int fd, std::size_t size) {
  const GuardedBuffer buffer(size);
  co_await coil::read_exactly(fd, buffer.bytes());
  co_return buffer.text();
}

coil::Coro<void> write_all_of(int fd, std::string text) {
  const GuardedBuffer buffer(text);
  co_await coil::write_all(fd, std::span<const std::byte>(buffer.bytes()));
}

coil::Coro<void> check_passes_on_much(const Ends& ends) {
  const std::string sent = numbers(1'000'000);
  const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(write_all_of(ends.in, sent));
    const std::string received = co_await read_all_of(ends.out, sent.size());
    CHECK(received == sent);
  };
  co_await coil::task_group(body);
}

}  // namespace

IO_TEST("write_all and read_exactly: a megabyte through a pipe") {
  const Ends pipe = coil_test::make_pipe();
  co_await check_passes_on_much(pipe);
}

IO_TEST("write_all and read_exactly: a megabyte through a Unix stream socket") {
  const Ends pair = coil_test::make_socket_pair();
  co_await check_passes_on_much(pair);
}

IO_TEST("write_all and read_exactly: a megabyte through a TCP connection") {
  const Ends pair = coil_test::make_tcp_pair();
  co_await check_passes_on_much(pair);
}

// The ring calls a terminal's write as if it could not wait, as soon as there is room for a byte. It stood in the
// kernel then, and with it the loop, which was to read at the other end.
TEST_CASE("write_all and read_exactly: a megabyte through a terminal, without the loop waiting for its own reader") {
  const auto child = coil_test::in_child([] {
    ::alarm(20);
    auto main = []() -> coil::Coro<int> {
      const Ends terminal = coil_test::make_terminal();
      const std::string sent = numbers(1'000'000);
      auto writing = coil::create_task(write_all_of(terminal.in, sent));
      const std::string received = co_await read_all_of(terminal.out, sent.size());
      co_await writing;
      co_return received == sent ? 0 : 1;
    };
    return coil::run(main);
  });
  CHECK(child.exited_with(0));
}

IO_TEST("read_exactly: waits for every part") {
  const Ends pipe = coil_test::make_pipe();
  auto reading = coil::create_task(read_all_of(pipe.out, 6));
  for (const std::string_view part : {"a", "bc", "def"}) {
    co_await coil_test::settle();
    CHECK(!reading.done());
    put(pipe.in, part);
  }
  const std::string text = co_await reading;
  CHECK(text == "abcdef");
}

IO_TEST("read_exactly: takes no byte too many") {
  const Ends pipe = coil_test::make_pipe();
  put(pipe.in, "abcdef");
  const std::string text = co_await read_all_of(pipe.out, 4);
  CHECK(text == "abcd");
  CHECK(coil_test::take_all(pipe.out) == "ef");
}

IO_TEST("read_exactly: several datagrams, one after the other") {
  const Ends pair = coil_test::make_socket_pair(SOCK_DGRAM);
  put(pair.in, "abc");
  put(pair.in, "defg");
  const std::string text = co_await read_all_of(pair.out, 7);
  CHECK(text == "abcdefg");
}

IO_TEST("read_exactly: an end before that is IncompleteReadError with what came") {
  Ends pipe = coil_test::make_pipe();
  put(pipe.in, "abc");
  pipe.in.close();
  std::string partial;
  std::string what;
  std::size_t expected = 0;
  try {
    co_await read_all_of(pipe.out, 10);
  } catch (const coil::IncompleteReadError& error) {
    partial = error.partial();
    expected = error.expected();
    what = error.what();
  }
  CHECK(partial == "abc");
  CHECK(expected == 10);
  CHECK(what.find('3') != what.npos);
  CHECK(what.find("10") != what.npos);
}

IO_TEST("read_exactly: an end at once is IncompleteReadError with nothing") {
  Ends pipe = coil_test::make_pipe();
  pipe.in.close();
  std::string partial = "untouched";
  try {
    co_await read_all_of(pipe.out, 1);
  } catch (const coil::IncompleteReadError& error) {
    partial = error.partial();
  }
  CHECK(partial.empty());
}

IO_TEST("read_exactly: IncompleteReadError is a std::runtime_error") {
  const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  CHECK_AWAIT_THROWS(read_all_of(null, 1), std::runtime_error);
}

IO_TEST("read_exactly: from a file goes on at its position") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "abcdefg");
  const std::string head = co_await read_all_of(file, 2);
  const std::string tail = co_await read_all_of(file, 5);
  CHECK(head == "ab");
  CHECK(tail == "cdefg");
}

// A literal 0 was taken for the pointer to the progress: a null one.
IO_TEST("read_exactly and write_all: at an offset, also one that is a literal 0, the file position stays") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "abcdefgh");
  const GuardedBuffer buffer(3);
  std::size_t progress = 77;
  co_await coil::read_exactly(file, buffer.bytes(), 0);
  CHECK(buffer.text() == "abc");
  co_await coil::read_exactly(file, buffer.bytes(), 0, &progress);
  CHECK(buffer.text() == "abc");
  CHECK(progress == 3);
  const off_t offset = 4;
  co_await coil::read_exactly(file, buffer.bytes(), offset);
  CHECK(buffer.text() == "efg");
  co_await coil::write_all(file, "01", 0);
  co_await coil::write_all(file, std::string_view("67"), offset + 2, &progress);
  CHECK(progress == 2);
  co_await coil::write_all(file, std::span<const std::byte>(buffer.bytes()), std::uint64_t{8});
  CHECK(::lseek(file, 0, SEEK_CUR) == 0);
  CHECK(coil_test::take_all(file) == "01cdef67efg");
}

IO_TEST("read_exactly and write_all: at an offset, progress may still be given alone") {
  const Ends pipe = coil_test::make_pipe();
  const GuardedBuffer buffer(3);
  std::size_t progress = 77;
  co_await coil::write_all(pipe.in, "abc", &progress);
  CHECK(progress == 3);
  progress = 77;
  co_await coil::read_exactly(pipe.out, buffer.bytes(), &progress);
  CHECK(progress == 3);
  co_await coil::write_all(pipe.in, "abc", nullptr);
  co_await coil::read_exactly(pipe.out, buffer.bytes(), nullptr);
}

IO_TEST("read_exactly and write_all: at an offset on what cannot seek is ESPIPE, and nothing is done") {
  const Ends pipe = coil_test::make_pipe();
  const GuardedBuffer buffer(3);
  put(pipe.in, "abc");
  CHECK_AWAIT_FAILS_WITH(coil::read_exactly(pipe.out, buffer.bytes(), 0),
                         "read(fd " + std::to_string(pipe.out) + "): Illegal seek");
  CHECK_AWAIT_FAILS_WITH(coil::write_all(pipe.in, "def", 0), "write(fd " + std::to_string(pipe.in) + "): Illegal seek");
  CHECK(coil_test::take_all(pipe.out) == "abc");
}

IO_TEST("read_exactly: an offset near the end is IncompleteReadError with what is left") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "abcdefgh");
  const GuardedBuffer buffer(5);
  std::string partial;
  try {
    co_await coil::read_exactly(file, buffer.bytes(), 6);
  } catch (const coil::IncompleteReadError& error) {
    partial = error.partial();
  }
  CHECK(partial == "gh");
}

IO_TEST("read_exactly and write_all: give the size") {
  const Ends pipe = coil_test::make_pipe();
  const GuardedBuffer buffer(3);
  const std::size_t written = co_await coil::write_all(pipe.in, "abc");
  const std::size_t read = co_await coil::read_exactly(pipe.out, buffer.bytes());
  const std::size_t none = co_await coil::write_all(pipe.in, "");
  CHECK(written == 3);
  CHECK(read == 3);
  CHECK(none == 0);
}

IO_TEST("read_exactly: progress says how much arrived before the end, an error and a cancellation") {
  Ends pair = coil_test::make_socket_pair();
  const GuardedBuffer buffer(10);
  std::size_t progress = 77;
  const auto read_ten = [&]() -> coil::Coro<void> { co_await coil::read_exactly(pair.out, buffer.bytes(), &progress); };

  auto cancelled = coil::create_task(read_ten());
  co_await coil_test::settle();
  CHECK(progress == 0);
  put(pair.in, "abcd");
  co_await coil_test::settle();
  CHECK(progress == 4);
  cancelled.cancel();
  CHECK_AWAIT_THROWS(cancelled, coil::CancelledError);
  CHECK(progress == 4);
  CHECK(buffer.text(4) == "abcd");

  put(pair.in, "xyz");
  pair.in.close();
  CHECK_AWAIT_THROWS(read_ten(), coil::IncompleteReadError);
  CHECK(progress == 3);
  CHECK(buffer.text(3) == "xyz");
}

IO_TEST("read_exactly: zero bytes are there at once, also at the end of a file") {
  const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto submissions = coil_test::metrics().submissions;
  co_await coil::read_exactly(null, {});
  CHECK(coil_test::metrics().submissions == submissions);
}

IO_TEST("write_all: zero bytes are written at once") {
  const Ends pipe = coil_test::make_pipe();
  coil_test::fill_up(pipe.in);
  const auto submissions = coil_test::metrics().submissions;
  co_await coil::write_all(pipe.in, std::string_view());
  CHECK(coil_test::metrics().submissions == submissions);
}

IO_TEST("write_all: progress says how much went before an error and a cancellation") {
  Ends pipe = coil_test::make_pipe();
  const std::string much = numbers(1 << 20);
  std::size_t progress = 77;
  const auto write_much = [&]() -> coil::Coro<void> { co_await coil::write_all(pipe.in, much, &progress); };

  auto cancelled = coil::create_task(write_much());
  co_await coil_test::settle();
  CHECK(progress > 0);
  cancelled.cancel();
  CHECK_AWAIT_THROWS(cancelled, coil::CancelledError);
  const std::string arrived = coil_test::take_all(pipe.out);
  CHECK(arrived.size() == progress);
  CHECK(arrived == much.substr(0, progress));

  auto refused = coil::create_task(write_much());
  co_await coil_test::settle();
  const std::size_t before = progress;
  CHECK(before > 0);
  pipe.out.close();
  CHECK_AWAIT_FAILS_WITH(refused, "write(fd " + std::to_string(pipe.in) + "): Broken pipe");
  CHECK(progress == before);
}

IO_TEST("write_all: to a full device is ENOSPC") {
  const Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  CHECK_AWAIT_FAILS_WITH(write_all_of(full, "text"), "write(fd " + std::to_string(full) + "): No space left on device");
}

IO_TEST("write_all: several writers of one pipe that do not fill it are not mixed") {
  const Ends pipe = coil_test::make_pipe();
  const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    for (char letter = 'a'; letter <= 'j'; ++letter) group.create_task(write_all_of(pipe.in, std::string(100, letter)));
    co_return;
  };
  co_await coil::task_group(body);
  std::string expected;
  for (char letter = 'a'; letter <= 'j'; ++letter) expected.append(100, letter);
  CHECK(coil_test::take_all(pipe.out) == expected);
}

IO_TEST("read_exactly and write_all: an operation that is kept may be awaited again") {
  const Ends pipe = coil_test::make_pipe();
  const GuardedBuffer in(3);
  auto writing = coil::write_all(pipe.in, std::string_view("abc"));
  auto reading = coil::read_exactly(pipe.out, in.bytes());
  for (int round = 0; round < 3; ++round) {
    in.fill('-');
    co_await writing;
    co_await reading;
    CHECK(in.text() == "abc");
  }
}
