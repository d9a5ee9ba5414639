// Large transfers of files do not hold the loop up: other tasks go on meanwhile.
#include <coil/descriptor.hpp>

#include "../support/io_test.hpp"

#include <string>
#include <vector>

using coil_test::Fd;

namespace {

constexpr std::size_t chunk = std::size_t{1} << 20;
constexpr std::size_t chunks = 256;

/// 256 MiB of addresses for one MiB of memory.
class Folded {
public:
  Folded() : memory_(::memfd_create("folded", MFD_CLOEXEC)) {
    coil_test::check_call(::ftruncate(memory_, chunk), "ftruncate");
    void* start = ::mmap(nullptr, chunk * chunks, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) throw std::bad_alloc();
    start_ = static_cast<std::byte*>(start);
    for (std::size_t i = 0; i < chunks; ++i)
      if (::mmap(start_ + i * chunk, chunk, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory_, 0) == MAP_FAILED)
        throw std::bad_alloc();
  }
  Folded(const Folded&) = delete;
  Folded& operator=(const Folded&) = delete;
  ~Folded() { ::munmap(start_, chunk * chunks); }
  std::span<std::byte> bytes(std::size_t count = chunks) const { return {start_, chunk * count}; }

private:
  Fd memory_;
  std::byte* start_ = nullptr;
};

/// An operation that keeps the loop, because the kernel does it within the call that submits it, lets at the most three
/// turns begin before it is done. One that does not lets as many begin as there is time for, which on a busy machine
/// may once in a while be few.
constexpr int turns_of_one_that_holds_up = 3;
constexpr int tries_max = 200;

/// How many turns of the loop began during `operation()`: the most in several tries.
template <class F>
coil::Coro<int> turns_during(F operation) {
  int most = 0;
  for (int i = 0; i < tries_max && most <= turns_of_one_that_holds_up; ++i) {
    coil_test::TurnCounter turns;
    co_await operation();
    most = std::max(most, turns.count());
  }
  co_return most;
}

}  // namespace

IO_TEST("large: a cached read of 256 MiB does not hold the loop up") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "");
  REQUIRE(::ftruncate(file, chunk * chunks) == 0);
  const Folded buffer;
  const auto read = [&]() -> coil::Coro<void> {
    const std::size_t size = co_await coil::read(file, buffer.bytes(), 0);
    CHECK(size == chunk * chunks);
  };
  const int turns = co_await turns_during(read);
  CHECK(turns > turns_of_one_that_holds_up);
}

IO_TEST("large: a readv of 256 MiB does not hold the loop up") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "");
  REQUIRE(::ftruncate(file, chunk * chunks) == 0);
  std::vector<std::byte> buffer(chunk);
  const std::vector<iovec> parts(chunks, iovec{buffer.data(), buffer.size()});
  const auto read = [&]() -> coil::Coro<void> {
    const std::size_t size = co_await coil::readv(file, parts, 0);
    CHECK(size == chunk * chunks);
  };
  const int turns = co_await turns_during(read);
  CHECK(turns > turns_of_one_that_holds_up);
}

IO_TEST("large: a read_exactly of 256 MiB does not hold the loop up") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "");
  REQUIRE(::ftruncate(file, chunk * chunks) == 0);
  const Folded buffer;
  const auto read = [&]() -> coil::Coro<void> {
    REQUIRE(::lseek(file, 0, SEEK_SET) == 0);
    co_await coil::read_exactly(file, buffer.bytes());
  };
  const int turns = co_await turns_during(read);
  CHECK(turns > turns_of_one_that_holds_up);
}

IO_TEST("large: a write of 64 MiB does not hold the loop up") {
  const Fd file(::memfd_create("target", MFD_CLOEXEC));
  const Folded buffer;
  const auto write = [&]() -> coil::Coro<void> {
    const std::size_t size = co_await coil::write(file, std::span<const std::byte>(buffer.bytes(64)), 0);
    CHECK(size == 64 * chunk);
  };
  const int turns = co_await turns_during(write);
  CHECK(turns > turns_of_one_that_holds_up);
}

IO_TEST("large: a pipe keeps on passing bytes during a large read") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "");
  REQUIRE(::ftruncate(file, chunk * chunks) == 0);
  const Folded buffer;
  const coil_test::Ends pipe = coil_test::make_pipe();
  bool reading = false;
  int most = 0;
  const auto pass_on = [&]() -> coil::Coro<void> {
    while (reading) {
      co_await coil_test::write_text(pipe.in, "x");
      co_await coil_test::read_text(pipe.out);
      ++most;
    }
  };
  const auto read = [&]() -> coil::Coro<void> {
    co_await coil::read(file, buffer.bytes(), 0);
    reading = false;
  };
  for (int i = 0; i < tries_max && most <= turns_of_one_that_holds_up; ++i) {
    most = 0;
    reading = true;
    co_await coil::gather(read(), pass_on());
  }
  CHECK(most > turns_of_one_that_holds_up);
}
