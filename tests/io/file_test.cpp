// File, read_file, write_file.
#include <coil/file.hpp>

#include "../support/io_test.hpp"

#include <sys/resource.h>
#include <sys/stat.h>

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil::File;
using coil_test::content_of;
using coil_test::GuardedBuffer;
using coil_test::numbers;
using coil_test::settle;
using coil_test::TemporaryDirectory;

namespace {

coil::Coro<std::string> read_some(File& file, std::size_t max = 64) {
  const GuardedBuffer buffer(max);
  const std::size_t size = co_await file.read(buffer.bytes());
  co_return buffer.text(size);
}

bool is_open(int number) { return ::fcntl(number, F_GETFD) >= 0; }

}  // namespace

IO_TEST("file: is written, read, and read again from another place") {
  const TemporaryDirectory folder;
  File file = co_await File::open(folder / "file", O_RDWR | O_CREAT | O_EXCL, 0600);
  CHECK(::fcntl(file.fd(), F_GETFD) == FD_CLOEXEC);
  const std::size_t written = co_await file.write("abc");
  co_await file.write_all("defgh");
  CHECK(written == 3);
  CHECK(file.seek(2) == 2);
  const std::string text = co_await read_some(file, 3);
  CHECK(text == "cde");
  CHECK(file.seek(0, SEEK_CUR) == 5);
  const std::uint64_t end = co_await file.seek(-1, SEEK_END);
  CHECK(end == 7);
  const std::string last = co_await read_some(file);
  const std::string nothing = co_await read_some(file);
  CHECK(last == "h");
  CHECK(nothing == "");
  struct stat found{};
  ::fstat(file.fd(), &found);
  CHECK((found.st_mode & 0777) == 0600);
}

IO_TEST("file: read_at and write_at leave the position alone, and may be many at once") {
  const TemporaryDirectory folder;
  File file = co_await File::open(folder / "file", O_RDWR | O_CREAT);
  std::vector<coil::Coro<std::size_t>> writing;
  const auto write = [&](int i) -> coil::Coro<std::size_t> {
    co_return co_await file.write_at(std::to_string(i), static_cast<std::uint64_t>(i));
  };
  for (int i = 0; i < 10; ++i) writing.push_back(write(i));
  co_await coil::gather(std::move(writing));
  CHECK(content_of(folder / "file") == "0123456789");
  const GuardedBuffer buffer(3);
  const std::size_t size = co_await file.read_at(buffer.bytes(), 4);
  CHECK(buffer.text(size) == "456");
  CHECK(file.seek(0, SEEK_CUR) == 0);
}

IO_TEST("file: writes at the position by several tasks are not mixed") {
  const TemporaryDirectory folder;
  File file = co_await File::open(folder / "file", O_WRONLY | O_CREAT);
  std::string expected;
  std::vector<coil::Coro<void>> writing;
  const auto write = [&](std::string text) -> coil::Coro<void> { co_await file.write_all(text); };
  for (char letter = 'a'; letter < 'f'; ++letter) {
    writing.push_back(write(std::string(3 << 20, letter)));
    expected.append(3 << 20, letter);
  }
  co_await coil::gather(std::move(writing));
  CHECK((content_of(folder / "file") == expected));
}

IO_TEST("file: has a size, is cut off and filled up, and is synced") {
  const TemporaryDirectory folder;
  File file = co_await File::open(folder.file("file", "abcdefgh"), O_RDWR);
  std::uint64_t size = co_await file.size();
  CHECK(size == 8);
  co_await file.truncate(3);
  CHECK(content_of(folder / "file") == "abc");
  co_await file.truncate(5);
  CHECK(content_of(folder / "file") == std::string("abc\0\0", 5));
  size = co_await file.size();
  CHECK(size == 5);
  const int synced = co_await file.fsync();
  const int data_synced = co_await file.fdatasync();
  CHECK(synced + data_synced == 0);
}

IO_TEST("file: errors name the call and the path or descriptor") {
  const TemporaryDirectory folder;
  const std::string missing = folder / "missing";
  CHECK_AWAIT_FAILS_WITH(File::open(missing), "openat(" + missing + "): No such file or directory");
  CHECK_AWAIT_FAILS_WITH(File::open(folder.path(), O_WRONLY), "openat(" + folder.path() + "): Is a directory");
  File file = co_await File::open(folder.file("file", "text"));
  const std::string fd = "(fd " + std::to_string(file.fd()) + "): ";
  CHECK_AWAIT_FAILS_WITH(file.write("x"), "write" + fd + "Bad file descriptor");
  CHECK_AWAIT_FAILS_WITH(file.truncate(1), "truncate" + fd + "Invalid argument");
  CHECK_AWAIT_FAILS_WITH(file.truncate(UINT64_MAX), "truncate" + fd + "File too large");
  CHECK_THROWS_WITH(file.seek(-1), ("seek" + fd + "Invalid argument").c_str());
  File none;
  CHECK_AWAIT_FAILS_WITH(none.size(), "size(fd -1): Bad file descriptor");
}

IO_TEST("file: close() closes, again does nothing, and what comes later is EBADF") {
  const TemporaryDirectory folder;
  File file = co_await File::open(folder.file("file", "text"));
  const int number = file.fd();
  co_await file.close();
  CHECK(!is_open(number));
  CHECK(!file.is_open());
  co_await file.close();
  CHECK_AWAIT_THROWS(read_some(file), std::system_error);
}

IO_TEST("file: a close() that is cancelled closes all the same") {
  const TemporaryDirectory folder;
  for (const bool begun : {false, true}) {
    File file = co_await File::open(folder.file("file", "text"));
    const int number = file.fd();
    auto closing = coil::create_task([&]() -> coil::Coro<void> {
      if (!begun) coil::current_task().cancel();
      co_await file.close();
    });
    co_await coil::yield();
    closing.cancel();
    CHECK_AWAIT_THROWS(closing, coil::CancelledError);
    co_await settle();
    CHECK(!is_open(number));
  }
}

IO_TEST("file: one that is opened although that was cancelled is returned, or is not open") {
  const TemporaryDirectory folder;
  const std::string path = folder.file("file", "text");
  const auto before = coil_test::open_descriptors().size();
  for (int turns = 0; turns < 6; ++turns) {
    auto opening = coil::create_task(File::open(path, O_RDONLY | O_NONBLOCK));
    for (int i = 0; i < turns; ++i) co_await coil::yield();
    opening.cancel();
    auto outcome = co_await coil::as_result(std::move(opening));
    CHECK((outcome.cancelled() || outcome.value().is_open()));
  }
  CHECK(coil_test::open_descriptors().size() == before);
}

IO_TEST("file: one that is closed while another task reads from it ends that") {
  const TemporaryDirectory folder;
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  File fifo = co_await File::open(folder / "fifo", O_RDWR);
  auto reading = coil::create_task(read_some(fifo));
  co_await settle();
  co_await fifo.close();
  CHECK_AWAIT_THROWS(reading, std::system_error);
}

// ---- Whole files -----------------------------------------------------------------------------------------

IO_TEST("write_file and read_file: pass whole contents, of any size") {
  const TemporaryDirectory folder;
  for (const std::size_t size : {0U, 1U, 4095U, 4096U, 262143U, 262144U, 3000000U}) {
    const std::string content = numbers(size);
    co_await coil::write_file(folder / "file", content);
    CHECK((content_of(folder / "file") == content));
    const std::string read = co_await coil::read_file(folder / "file");
    CHECK((read == content));
  }
  co_await coil::write_file(folder / "file", "short");
  CHECK(content_of(folder / "file") == "short");
  const std::string text = "bytes";
  co_await coil::write_file(folder / "bytes", std::as_bytes(std::span(text)), 0600);
  CHECK(content_of(folder / "bytes") == "bytes");
}

IO_TEST("write_file: what it is given may go before it is awaited") {
  const TemporaryDirectory folder;
  auto task = coil::create_task(coil::write_file(folder / "file", std::string(100, 'x')));
  co_await task;
  CHECK(content_of(folder / "file") == std::string(100, 'x'));
}

IO_TEST("read_file: a file without a size, and a FIFO, are read to their end") {
  const std::string status = co_await coil::read_file("/proc/self/status");
  CHECK(status.find("Name:") == 0);
  CHECK(status.back() == '\n');
  const TemporaryDirectory folder;
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  auto reading = coil::create_task(coil::read_file(folder / "fifo"));
  File writer = co_await File::open(folder / "fifo", O_WRONLY);
  co_await writer.write_all("first ");
  co_await settle();
  co_await writer.write_all("second");
  co_await writer.close();
  const std::string text = co_await reading;
  CHECK(text == "first second");
}

IO_TEST("read_file: more than the limit is EFBIG, also of what has no end") {
  const TemporaryDirectory folder;
  const std::string path = folder.file("file", "12345");
  const std::string all = co_await coil::read_file(path, 5);
  CHECK(all == "12345");
  CHECK_AWAIT_FAILS_WITH(coil::read_file(path, 4), "read_file(" + path + "): File too large");
  CHECK_AWAIT_FAILS_WITH(coil::read_file("/dev/zero", 1 << 20), "read_file(/dev/zero): File too large");
}

IO_TEST("read_file and write_file: errors name the path, and leave nothing open") {
  CHECK_AWAIT_FAILS_WITH(coil::read_file("/nosuchfile"), "openat(/nosuchfile): No such file or directory");
  CHECK_AWAIT_FAILS_WITH(coil::write_file("/nosuchfolder/file", "x"),
                         "openat(/nosuchfolder/file): No such file or directory");
  CHECK_AWAIT_THROWS(coil::read_file("/tmp"), std::system_error);
  CHECK_AWAIT_THROWS(coil::write_file("/dev/full", "x"), std::system_error);
  CHECK_AWAIT_THROWS(coil::read_file(std::string("a\0b", 3)), std::invalid_argument);
}

IO_TEST("files: are worked on while a virtual clock waits for them") {
  const TemporaryDirectory folder;
  const auto work = [&]() -> coil::Coro<std::string> {
    co_await coil::write_file(folder / "file", numbers(2'000'000));
    co_return co_await coil::read_file(folder / "file");
  };
  const std::string content = co_await coil::wait_for(work, 1ms);
  CHECK(content.size() == 2'000'000);
  CHECK(coil_test::elapsed() == 0s);
}
