// Pipe.
#include <coil/pipe.hpp>

#include "../support/io_test.hpp"

#include <string>

using coil_test::GuardedBuffer;
using coil_test::settle;

namespace {

coil::Coro<std::string> read_some(coil::Pipe& pipe, std::size_t max = 64) {
  const GuardedBuffer buffer(max);
  const std::size_t size = co_await pipe.read(buffer.bytes());
  co_return buffer.text(size);
}

}  // namespace

IO_TEST("pipe: what is written is read, in order, and the end is seen") {
  coil::Pipe pipe;
  CHECK(::fcntl(pipe.reader().number(), F_GETFD) == FD_CLOEXEC);
  CHECK(::fcntl(pipe.writer().number(), F_GETFD) == FD_CLOEXEC);
  const std::size_t size = co_await pipe.write("one ");
  co_await pipe.write_all("two");
  const GuardedBuffer head(4);
  co_await pipe.read_exactly(head.bytes());
  const std::string tail = co_await read_some(pipe);
  CHECK(size == 4);
  CHECK(head.text() == "one ");
  CHECK(tail == "two");
  co_await pipe.writer().close();
  const std::string end = co_await read_some(pipe);
  CHECK(end == "");
}

IO_TEST("pipe: writing once the reading end is closed is EPIPE") {
  coil::Pipe pipe;
  co_await pipe.reader().close();
  CHECK_AWAIT_FAILS_WITH(pipe.write("x"), "write(fd " + std::to_string(pipe.writer().number()) + "): Broken pipe");
}

IO_TEST("pipe: writers take turns, and are never mixed") {
  coil::Pipe pipe;
  std::string received;
  auto reading = coil::create_task([&]() -> coil::Coro<void> {
    for (std::string part; !(part = co_await read_some(pipe, 65536)).empty();) received += part;
  });
  const auto write = [&](char letter) -> coil::Coro<void> {
    const std::string text(200'000, letter);
    co_await pipe.write_all(text);
  };
  co_await coil::gather(write('a'), write('b'), write('c'));
  co_await pipe.writer().close();
  co_await reading;
  CHECK((received == std::string(200'000, 'a') + std::string(200'000, 'b') + std::string(200'000, 'c')));
}

IO_TEST("pipe: close() ends those who wait at both ends with ECANCELED") {
  coil::Pipe pipe;
  coil_test::fill_up(pipe.writer().number());
  coil::Pipe empty;
  auto writing = coil::create_task(pipe.write_all("x"));
  auto reading = coil::create_task(read_some(empty));
  co_await settle();
  co_await pipe.close();
  co_await empty.close();
  CHECK_AWAIT_THROWS(writing, std::system_error);
  CHECK_AWAIT_THROWS(reading, std::system_error);
  CHECK(!pipe.reader());
  CHECK(!pipe.writer());
  co_await pipe.close();
}

IO_TEST("pipe: one that goes while a task reads it ends that, and both ends are closed") {
  coil::Task<std::string> reading;
  {
    coil::Pipe pipe;
    reading = coil::create_task(read_some(pipe));
    co_await settle();
  }
  CHECK_AWAIT_THROWS(reading, std::system_error);
}
