// read() and write() on regular files: position and offset, end of file, sizes beyond what one call takes.
#include <coil/descriptor.hpp>

#include "../support/io_test.hpp"

#include <string>

using coil_test::Fd;
using coil_test::GuardedBuffer;
using coil_test::read_text;

namespace {

coil::Coro<std::string> read_text_at(int fd, std::uint64_t offset, std::size_t max = 64) {
  const GuardedBuffer buffer(max);
  const std::size_t size = co_await coil::read(fd, buffer.bytes(), offset);
  co_return buffer.text(size);
}

off_t position(int fd) { return ::lseek(fd, 0, SEEK_CUR); }

/// Address space without memory behind it; reads as zeros.
class Emptiness {
public:
  explicit Emptiness(std::size_t size)
      : memory_(::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)), size_(size) {
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
  }
  Emptiness(const Emptiness&) = delete;
  Emptiness& operator=(const Emptiness&) = delete;
  ~Emptiness() { ::munmap(memory_, size_); }
  std::span<std::byte> bytes() const { return {static_cast<std::byte*>(memory_), size_}; }

private:
  void* memory_;
  std::size_t size_;
};

constexpr std::size_t one_call_max = 0x7ffff000;  // see read(2)
constexpr std::size_t three_gib = std::size_t{3} << 30;

}  // namespace

IO_TEST("read: without an offset goes on where the last one ended, until 0 at the end") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "abcdefg");
  const std::string first = co_await read_text(file, 3);
  const std::string second = co_await read_text(file, 3);
  const std::string third = co_await read_text(file, 3);
  const std::string end = co_await read_text(file, 3);
  CHECK(first == "abc");
  CHECK(second == "def");
  CHECK(third == "g");
  CHECK(end.empty());
  CHECK(position(file) == 7);
}

IO_TEST("read: with an offset reads there and leaves the position alone") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "abcdefg");
  const std::string middle = co_await read_text_at(file, 2, 3);
  const std::string start = co_await read_text_at(file, 0, 3);
  const std::string at_end = co_await read_text_at(file, 7);
  const std::string far_behind = co_await read_text_at(file, std::uint64_t{1} << 40);
  CHECK(middle == "cde");
  CHECK(start == "abc");
  CHECK(at_end.empty());
  CHECK(far_behind.empty());
  CHECK(position(file) == 0);
}

IO_TEST("write: without an offset goes on where the last one ended") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "abcdefg");
  co_await coil_test::write_text(file, "12");
  co_await coil_test::write_text(file, "34");
  CHECK(coil_test::content_of(folder / "file") == "1234efg");
  CHECK(position(file) == 4);
}

IO_TEST("write: with an offset writes there and leaves the position alone") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "abcdefg");
  const std::size_t inside = co_await coil::write(file, std::string_view("12"), 3);
  const std::size_t behind = co_await coil::write(file, std::string_view("z"), 9);
  CHECK(inside == 2);
  CHECK(behind == 1);
  using namespace std::string_literals;
  CHECK(coil_test::content_of(folder / "file") == "abc12fg\0\0z"s);
  CHECK(position(file) == 0);
}

IO_TEST("write: to a file opened with O_APPEND goes to its end") {
  const coil_test::TemporaryDirectory folder;
  const Fd file(::open(folder.file("file", "abc").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  co_await coil_test::write_text(file, "def");
  CHECK(coil_test::content_of(folder / "file") == "abcdef");
}

IO_TEST("write: a hundred at once, each at an offset of its own") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "");
  const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    for (std::uint64_t i = 0; i < 100; ++i) {
      const auto write_own = [&file, i]() -> coil::Coro<void> {
        const std::string text(10, static_cast<char>('!' + i % 90));
        const std::size_t written = co_await coil::write(file, text, i * 10);
        CHECK(written == 10);
      };
      group.create_task(write_own);
    }
    co_return;
  };
  co_await coil::task_group(body);
  std::string expected;
  for (std::size_t i = 0; i < 100; ++i) expected.append(10, static_cast<char>('!' + i % 90));
  CHECK(coil_test::content_of(folder / "file") == expected);
}

IO_TEST("read and write: megabytes, which go through a thread of the kernel, come back as they were") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "");
  const std::size_t size = (std::size_t{3} << 20) + 17;
  const GuardedBuffer out(size);
  for (std::size_t i = 0; i < size; ++i) out.data()[i] = static_cast<std::byte>(i * i >> 7);
  co_await coil::write_all(file, std::span<const std::byte>(out.bytes()));
  CHECK(position(file) == static_cast<off_t>(size));
  REQUIRE(::lseek(file, 0, SEEK_SET) == 0);
  const GuardedBuffer in(size);
  co_await coil::read_exactly(file, in.bytes());
  CHECK(std::memcmp(in.data(), out.data(), size) == 0);
  CHECK(position(file) == static_cast<off_t>(size));
}

// ---- Sizes beyond 2 GiB ----------------------------------------------------------------------------------

IO_TEST("read: a buffer beyond 2 GiB is no error, and gets what there is") {
  const Emptiness huge(three_gib);
  REQUIRE(::mprotect(huge.bytes().data(), 4096, PROT_READ | PROT_WRITE) == 0);
  const coil_test::Ends pipe = coil_test::make_pipe();
  coil_test::put(pipe.in, "few");
  const std::size_t size = co_await coil::read(pipe.out, huge.bytes());
  CHECK(size == 3);
  CHECK(std::memcmp(huge.bytes().data(), "few", 3) == 0);
}

IO_TEST("read: from a file into a buffer beyond 2 GiB") {
  const Emptiness huge(three_gib);
  REQUIRE(::mprotect(huge.bytes().data(), 4096, PROT_READ | PROT_WRITE) == 0);
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "few");
  const std::size_t size = co_await coil::read(file, huge.bytes());
  CHECK(size == 3);
}

IO_TEST("write: takes 2 GiB less a page at most, as write(2) does") {
  const Emptiness huge(three_gib);
  const Fd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  const std::size_t written = co_await coil::write(null, std::span<const std::byte>(huge.bytes()));
  CHECK(written == one_call_max);
}

IO_TEST("write_all: goes on beyond 2 GiB") {
  const Emptiness huge(three_gib);
  const Fd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  std::size_t progress = 0;
  co_await coil::write_all(null, std::span<const std::byte>(huge.bytes()), &progress);
  CHECK(progress == three_gib);
}

IO_TEST("read and write: offsets beyond 4 GiB") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "");
  const std::uint64_t far = (std::uint64_t{5} << 30) + 1;
  const std::size_t written = co_await coil::write(file, std::string_view("far"), far);
  CHECK(written == 3);
  const std::string text = co_await read_text_at(file, far);
  CHECK(text == "far");
  const std::string hole = co_await read_text_at(file, far - 2, 2);
  CHECK(hole == std::string(2, '\0'));
}

IO_TEST("read: an offset that no file has is EINVAL") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "abc");
  CHECK_AWAIT_FAILS_WITH(read_text_at(file, std::uint64_t{1} << 63),
                         "read(fd " + std::to_string(file) + "): Invalid argument");
}
