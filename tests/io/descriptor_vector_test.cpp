// readv() and writev(): several buffers with one call.
#include <coil/descriptor.hpp>

#include "../support/io_test.hpp"

#include <climits>
#include <string>
#include <vector>

using coil_test::Ends;
using coil_test::Fd;
using coil_test::GuardedBuffer;
using coil_test::put;

namespace {

iovec part_of(const GuardedBuffer& buffer) { return {buffer.data(), buffer.size()}; }

std::string call_text(const char* call, int fd, const char* error) {
  return std::string(call) + "(fd " + std::to_string(fd) + "): " + error;
}

}  // namespace

IO_TEST("readv: fills one buffer after the other") {
  const Ends pipe = coil_test::make_pipe();
  put(pipe.in, "abcdefgh");
  const GuardedBuffer first(3), second(2), third(10);
  third.fill('-');
  const iovec parts[] = {part_of(first), part_of(second), part_of(third)};
  const std::size_t size = co_await coil::readv(pipe.out, parts);
  CHECK(size == 8);
  CHECK(first.text() == "abc");
  CHECK(second.text() == "de");
  CHECK(third.text() == "fgh-------");
}

IO_TEST("readv: waits for the first byte only") {
  const Ends pair = coil_test::make_socket_pair();
  const GuardedBuffer first(3), second(3);
  const iovec parts[] = {part_of(first), part_of(second)};
  auto reading = coil::create_task(coil::readv(pair.out, parts));
  co_await coil_test::settle();
  CHECK(!reading.done());
  put(pair.in, "abcd");
  const std::size_t size = co_await reading;
  CHECK(size == 4);
  CHECK(first.text() + second.text(1) == "abcd");
}

IO_TEST("readv: passes over empty buffers") {
  const Ends pipe = coil_test::make_pipe();
  put(pipe.in, "ab");
  const GuardedBuffer buffer(2);
  const iovec parts[] = {{nullptr, 0}, part_of(buffer), {nullptr, 0}};
  const std::size_t size = co_await coil::readv(pipe.out, parts);
  CHECK(size == 2);
  CHECK(buffer.text() == "ab");
}

IO_TEST("readv and writev: with an offset leave the position alone") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "0123456789");
  const GuardedBuffer left("ab"), right("cd");
  const iovec out[] = {part_of(left), part_of(right)};
  const std::size_t written = co_await coil::writev(file, out, 3);
  CHECK(written == 4);
  const GuardedBuffer head(3), tail(5);
  const iovec in[] = {part_of(head), part_of(tail)};
  const std::size_t size = co_await coil::readv(file, in, 2);
  CHECK(size == 8);
  CHECK(head.text() == "2ab");
  CHECK(tail.text() == "cd789");
  CHECK(::lseek(file, 0, SEEK_CUR) == 0);
}

IO_TEST("readv and writev: without an offset go on at the position") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "0123456789");
  const GuardedBuffer left("ab"), right("cd");
  const iovec out[] = {part_of(left), part_of(right)};
  co_await coil::writev(file, out);
  const GuardedBuffer rest(10);
  const iovec in[] = {part_of(rest)};
  const std::size_t size = co_await coil::readv(file, in);
  CHECK(size == 6);
  CHECK(rest.text(size) == "456789");
}

IO_TEST("writev: one datagram out of several buffers") {
  const Ends pair = coil_test::make_socket_pair(SOCK_DGRAM);
  const GuardedBuffer left("one "), right("datagram");
  const iovec parts[] = {part_of(left), part_of(right)};
  const std::size_t written = co_await coil::writev(pair.in, parts);
  CHECK(written == 12);
  const std::string text = co_await coil_test::read_text(pair.out);
  CHECK(text == "one datagram");
}

IO_TEST("writev: waits for room") {
  const Ends pair = coil_test::make_socket_pair();
  coil_test::fill_up(pair.in);
  const GuardedBuffer left("x"), right("y");
  const iovec parts[] = {part_of(left), part_of(right)};
  auto writing = coil::create_task(coil::writev(pair.in, parts));
  co_await coil_test::settle();
  CHECK(!writing.done());
  std::string taken = coil_test::take_all(pair.out);
  const std::size_t written = co_await writing;
  CHECK(written == 2);
  taken += coil_test::take_all(pair.out);
  CHECK(taken.substr(taken.size() - 2) == "xy");
}

IO_TEST("readv and writev: no buffers, and empty ones, are zero bytes: done at once") {
  const Ends pipe = coil_test::make_pipe();
  const iovec empty[] = {{nullptr, 0}, {nullptr, 0}};
  const auto submissions = coil_test::metrics().submissions;
  const std::size_t none = co_await coil::readv(pipe.out, {});
  const std::size_t read = co_await coil::readv(pipe.out, empty);
  const std::size_t written = co_await coil::writev(pipe.in, empty);
  CHECK(none + read + written == 0);
  CHECK(coil_test::metrics().submissions == submissions);
}

IO_TEST("readv and writev: 1024 buffers go, one more is EINVAL") {
  const Fd zeros(::open("/dev/zero", O_RDWR | O_CLOEXEC));
  const GuardedBuffer byte(1);
  const std::vector<iovec> most(IOV_MAX, part_of(byte));
  const std::vector<iovec> too_many(IOV_MAX + 1, part_of(byte));
  const std::vector<iovec> far_too_many(70'000, part_of(byte));
  std::size_t size = co_await coil::readv(zeros, most);
  CHECK(size == IOV_MAX);
  size = co_await coil::writev(zeros, most);
  CHECK(size == IOV_MAX);
  CHECK_AWAIT_FAILS_WITH(coil::readv(zeros, too_many), call_text("readv", zeros, "Invalid argument"));
  CHECK_AWAIT_FAILS_WITH(coil::writev(zeros, far_too_many), call_text("writev", zeros, "Invalid argument"));
}

IO_TEST("readv: lengths whose sum overflows are EINVAL, not nothing") {
  const Ends pipe = coil_test::make_pipe();
  put(pipe.in, "abc");
  const GuardedBuffer buffer(1);
  const std::size_t half = std::size_t{1} << 63;
  const iovec parts[] = {{buffer.data(), half}, {buffer.data(), half}};
  CHECK_AWAIT_FAILS_WITH(coil::readv(pipe.out, parts), call_text("readv", pipe.out, "Invalid argument"));
}

IO_TEST("readv and writev: megabytes of a file, which go through a thread of the kernel, come back as they were") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "");
  const GuardedBuffer left(1 << 20), right((1 << 20) + 5), back((2 << 20) + 5);
  left.fill('l');
  right.fill('r');
  const iovec out[] = {part_of(left), part_of(right)};
  const std::size_t written = co_await coil::writev(file, out);
  CHECK(written == back.size());
  const iovec in[] = {part_of(back)};
  const std::size_t size = co_await coil::readv(file, in, 0);
  CHECK(size == back.size());
  CHECK(back.text() == left.text() + right.text());
}
