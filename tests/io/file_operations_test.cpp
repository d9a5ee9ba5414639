// openat, close, fsync, fdatasync, statx, renameat, unlinkat, mkdirat.
#include <coil/file_operations.hpp>

#include "../support/io_test.hpp"

#include <sys/resource.h>
#include <sys/sysmacros.h>

#include <string>

using coil_test::Fd;
using coil_test::TemporaryDirectory;
using std::filesystem::exists;

namespace {

/// A directory as what relative paths start from.
Fd open_directory(const std::string& path) { return Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

}  // namespace

// ---- openat ----------------------------------------------------------------------------------------------

IO_TEST("openat: opens what is there, close-on-exec") {
  const TemporaryDirectory folder;
  const std::string path = folder.file("file", "content");
  const Fd file(co_await coil::openat(AT_FDCWD, path, O_RDONLY));
  CHECK((::fcntl(file, F_GETFD) & FD_CLOEXEC) != 0);
  const std::string text = co_await coil_test::read_text(file);
  CHECK(text == "content");
}

IO_TEST("openat: a relative path starts from the directory that is given") {
  const TemporaryDirectory folder;
  REQUIRE(::mkdir((folder / "inner").c_str(), 0700) == 0);
  folder.file("inner/file", "inner");
  const Fd directory = open_directory(folder.path());
  const Fd file(co_await coil::openat(directory, "inner/file", O_RDONLY));
  const std::string text = co_await coil_test::read_text(file);
  CHECK(text == "inner");
}

IO_TEST("openat: an absolute path does not care for the directory") {
  const TemporaryDirectory folder;
  const Fd file(co_await coil::openat(-1, folder.file("file", ""), O_RDONLY));
  CHECK(is_open(file));
}

IO_TEST("openat: creates a file with the mode that is given, less the umask") {
  const TemporaryDirectory folder;
  const ::mode_t before = ::umask(027);
  const Fd file(co_await coil::openat(AT_FDCWD, folder / "new", O_WRONLY | O_CREAT | O_EXCL, 0666));
  ::umask(before);
  struct stat found{};
  REQUIRE(::fstat(file, &found) == 0);
  CHECK((found.st_mode & 07777) == 0640);
  CHECK((::fcntl(file, F_GETFD) & FD_CLOEXEC) != 0);
}

IO_TEST("openat: a path that is given as a temporary lives as long as it is needed") {
  const TemporaryDirectory folder;
  folder.file(std::string(200, 'n'), "content");
  auto opening = coil::openat(AT_FDCWD, folder / std::string(200, 'n'), O_RDONLY);
  const Fd file(co_await opening);
  CHECK(is_open(file));
}

IO_TEST("openat: O_TRUNC, O_APPEND and O_PATH are passed on") {
  const TemporaryDirectory folder;
  const std::string path = folder.file("file", "content");
  const Fd appending(co_await coil::openat(AT_FDCWD, path, O_WRONLY | O_APPEND));
  co_await coil_test::write_text(appending, "+");
  CHECK(coil_test::content_of(path) == "content+");
  const Fd truncating(co_await coil::openat(AT_FDCWD, path, O_WRONLY | O_TRUNC));
  CHECK(coil_test::content_of(path) == "");
  const Fd path_only(co_await coil::openat(AT_FDCWD, path, O_PATH));
  CHECK_AWAIT_THROWS(coil_test::read_text(path_only), std::system_error);
}

IO_TEST("openat: O_TMPFILE makes a file without a name") {
  const TemporaryDirectory folder;
  int number = -1;
  try {
    number = co_await coil::openat(AT_FDCWD, folder.path(), O_RDWR | O_TMPFILE, 0600);
  } catch (const std::system_error& error) {
    CHECK(error.code().value() == EOPNOTSUPP);  // this file system has none
    co_return;
  }
  const Fd file(number);
  CHECK(std::filesystem::is_empty(folder.path()));
}

IO_TEST("openat: errors name the call and the path") {
  const TemporaryDirectory folder;
  const std::string file = folder.file("file", "");
  const std::string missing = folder / "missing";
  CHECK_AWAIT_FAILS_WITH(coil::openat(AT_FDCWD, missing, O_RDONLY),
                         "openat(" + missing + "): No such file or directory");
  CHECK_AWAIT_FAILS_WITH(coil::openat(AT_FDCWD, folder.path(), O_WRONLY),
                         "openat(" + folder.path() + "): Is a directory");
  CHECK_AWAIT_FAILS_WITH(coil::openat(AT_FDCWD, file, O_WRONLY | O_CREAT | O_EXCL, 0600),
                         "openat(" + file + "): File exists");
  CHECK_AWAIT_FAILS_WITH(coil::openat(AT_FDCWD, file + "/x", O_RDONLY), "openat(" + file + "/x): Not a directory");
  CHECK_AWAIT_FAILS_WITH(coil::openat(-1, "relative", O_RDONLY), "openat(relative): Bad file descriptor");
  CHECK_AWAIT_FAILS_WITH(coil::openat(AT_FDCWD, "", O_RDONLY), "openat(): No such file or directory");
  const std::string longest(5000, 'x');
  CHECK_AWAIT_FAILS_WITH(coil::openat(AT_FDCWD, longest, O_RDONLY), "openat(" + longest + "): File name too long");
}

// A path cut off at a NUL byte is another path.
IO_TEST("openat: a path with a NUL byte inside is refused") {
  const TemporaryDirectory folder;
  const std::string path = folder.file("file", "");
  using namespace std::string_literals;
  int number = -1;
  try {
    number = co_await coil::openat(AT_FDCWD, path + "\0.txt"s, O_RDONLY);
  } catch (const std::exception&) {
  }
  CHECK(number == -1);
  if (number >= 0) ::close(number);
}

IO_TEST("openat: at the limit on descriptors is EMFILE, and none is lost") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const Fd highest(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  const rlimit few{static_cast<rlim_t>(int{highest}) + 1, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  int error = 0;
  try {
    co_await coil::openat(AT_FDCWD, "/dev/null", O_RDONLY);
  } catch (const std::system_error& failure) {
    error = failure.code().value();
  }
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(error == EMFILE);
}

// ---- close -----------------------------------------------------------------------------------------------

IO_TEST("close: closes") {
  Fd fd = coil_test::make_eventfd();
  const int number = fd.release();
  co_await coil::close(number);
  CHECK(!is_open(number));
}

IO_TEST("close: of the writing end is the end of file for the reader") {
  coil_test::Ends pipe = coil_test::make_pipe();
  auto reading = coil::create_task(coil_test::read_text(pipe.out));
  co_await coil_test::settle();
  co_await coil::close(pipe.in.release());
  const std::string text = co_await reading;
  CHECK(text == "");
}

IO_TEST("close: twice is EBADF, and named") {
  Fd fd = coil_test::make_eventfd();
  const int number = fd.release();
  co_await coil::close(number);
  CHECK_AWAIT_FAILS_WITH(coil::close(number), "close(fd " + std::to_string(number) + "): Bad file descriptor");
  CHECK_AWAIT_FAILS_WITH(coil::close(-1), "close(fd -1): Bad file descriptor");
}

IO_TEST("close: a number that is used again belongs to its new owner") {
  for (int round = 0; round < 1000; ++round) {
    coil_test::Ends pipe = coil_test::make_pipe();
    auto reading = coil::create_task(coil_test::read_text(pipe.out));
    for (int i = 0; i < round % 4; ++i) co_await coil::yield();
    reading.cancel();
    auto outcome = co_await coil::as_result(reading);
    CHECK(outcome.cancelled());
    const int number = pipe.out.release();
    co_await coil::close(number);
    const coil_test::Ends next = coil_test::make_pipe();
    REQUIRE(int{next.out} == number);
    coil_test::put(next.in, "new");
    const std::string text = co_await coil_test::read_text(next.out);
    REQUIRE(text == "new");
  }
}

IO_TEST("close, fsync, fdatasync, mkdirat, renameat, unlinkat: give 0, as the system calls do") {
  const coil_test::TemporaryDirectory folder;
  Fd file = folder.open("file", "text");
  const int synced = co_await coil::fsync(file);
  const int data_synced = co_await coil::fdatasync(file);
  const int closed = co_await coil::close(file.release());
  const int made = co_await coil::mkdirat(AT_FDCWD, folder / "made", 0700);
  const int renamed = co_await coil::renameat(AT_FDCWD, folder / "made", AT_FDCWD, folder / "renamed");
  const int removed = co_await coil::unlinkat(AT_FDCWD, folder / "renamed", AT_REMOVEDIR);
  CHECK(synced + data_synced + closed + made + renamed + removed == 0);
}

// ---- fsync, statx ----------------------------------------------------------------------------------------

IO_TEST("fsync and fdatasync: succeed on a file and a directory") {
  const TemporaryDirectory folder;
  const Fd file = folder.open("file", "content");
  const Fd directory = open_directory(folder.path());
  co_await coil_test::write_text(file, "x");
  co_await coil::fsync(file);
  co_await coil::fdatasync(file);
  co_await coil::fsync(directory);
}

IO_TEST("fsync and fdatasync: errors name the call and the descriptor") {
  const coil_test::Ends pipe = coil_test::make_pipe();
  const std::string fd = "(fd " + std::to_string(pipe.in) + "): ";
  CHECK_AWAIT_FAILS_WITH(coil::fsync(pipe.in), "fsync" + fd + "Invalid argument");
  CHECK_AWAIT_FAILS_WITH(coil::fdatasync(pipe.in), "fdatasync" + fd + "Invalid argument");
  CHECK_AWAIT_FAILS_WITH(coil::fsync(-1), "fsync(fd -1): Bad file descriptor");
}

IO_TEST("statx: says what stat says") {
  const TemporaryDirectory folder;
  const std::string path = folder.file("file", "content");
  struct stat expected{};
  REQUIRE(::stat(path.c_str(), &expected) == 0);
  const struct statx found = co_await coil::statx(AT_FDCWD, path, 0, STATX_BASIC_STATS);
  CHECK(found.stx_size == 7);
  CHECK(found.stx_ino == expected.st_ino);
  CHECK(found.stx_mode == expected.st_mode);
  CHECK(found.stx_uid == expected.st_uid);
  CHECK(found.stx_nlink == expected.st_nlink);
  CHECK(found.stx_mtime.tv_sec == expected.st_mtim.tv_sec);
  CHECK(makedev(found.stx_dev_major, found.stx_dev_minor) == expected.st_dev);
}

IO_TEST("statx: of a link itself, of a relative path, of a descriptor") {
  const TemporaryDirectory folder;
  const Fd file = folder.open("file", "content");
  REQUIRE(::symlink("file", (folder / "link").c_str()) == 0);
  const Fd directory = open_directory(folder.path());
  const struct statx link = co_await coil::statx(directory, "link", AT_SYMLINK_NOFOLLOW, STATX_TYPE);
  const struct statx target = co_await coil::statx(directory, "link", 0, STATX_TYPE | STATX_SIZE);
  const struct statx own = co_await coil::statx(file, "", AT_EMPTY_PATH, STATX_SIZE);
  CHECK(S_ISLNK(link.stx_mode));
  CHECK(S_ISREG(target.stx_mode));
  CHECK(own.stx_size == 7);
}

IO_TEST("statx: its result goes to its awaiter, however the operation was passed on before") {
  const TemporaryDirectory folder;
  const std::string path = folder.file("file", "content");
  auto outcome = co_await coil::as_result(coil::statx(AT_FDCWD, path, 0, STATX_SIZE));
  CHECK(outcome.value().stx_size == 7);
  auto task = coil::create_task(coil::statx(AT_FDCWD, path, 0, STATX_SIZE));
  const struct statx found = co_await task;
  CHECK(found.stx_size == 7);
}

IO_TEST("statx: errors name the call and the path") {
  CHECK_AWAIT_FAILS_WITH(coil::statx(AT_FDCWD, "/missing", 0, STATX_SIZE),
                         "statx(/missing): No such file or directory");
  CHECK_AWAIT_FAILS_WITH(coil::statx(AT_FDCWD, "/", ~0, STATX_SIZE), "statx(/): Invalid argument");
}

// ---- renameat, unlinkat, mkdirat -------------------------------------------------------------------------

IO_TEST("renameat: moves a file from directory to directory, and replaces what is there") {
  const TemporaryDirectory from, to;
  from.file("old", "moved");
  to.file("new", "replaced");
  const Fd from_directory = open_directory(from.path());
  const Fd to_directory = open_directory(to.path());
  co_await coil::renameat(from_directory, "old", to_directory, "new");
  CHECK(!exists(from / "old"));
  CHECK(coil_test::content_of(to / "new") == "moved");
}

IO_TEST("renameat: with RENAME_NOREPLACE refuses, with RENAME_EXCHANGE exchanges") {
  const TemporaryDirectory folder;
  const std::string left = folder.file("left", "l"), right = folder.file("right", "r");
  CHECK_AWAIT_FAILS_WITH(coil::renameat(AT_FDCWD, left, AT_FDCWD, right, RENAME_NOREPLACE),
                         "renameat(" + left + ", " + right + "): File exists");
  co_await coil::renameat(AT_FDCWD, left, AT_FDCWD, right, RENAME_EXCHANGE);
  CHECK(coil_test::content_of(left) == "r");
  CHECK(coil_test::content_of(right) == "l");
}

IO_TEST("renameat: errors name the call and both paths") {
  const TemporaryDirectory folder;
  const std::string missing = folder / "missing", target = folder / "target";
  CHECK_AWAIT_FAILS_WITH(coil::renameat(AT_FDCWD, missing, AT_FDCWD, target),
                         "renameat(" + missing + ", " + target + "): No such file or directory");
}

IO_TEST("unlinkat: removes a file, and with AT_REMOVEDIR an empty directory") {
  const TemporaryDirectory folder;
  folder.file("file", "");
  REQUIRE(::mkdir((folder / "directory").c_str(), 0700) == 0);
  const Fd directory = open_directory(folder.path());
  co_await coil::unlinkat(directory, "file");
  co_await coil::unlinkat(directory, "directory", AT_REMOVEDIR);
  CHECK(std::filesystem::is_empty(folder.path()));
}

IO_TEST("unlinkat: errors name the call and the path") {
  const TemporaryDirectory folder;
  folder.file("file", "");
  const std::string missing = folder / "missing";
  CHECK_AWAIT_FAILS_WITH(coil::unlinkat(AT_FDCWD, missing), "unlinkat(" + missing + "): No such file or directory");
  CHECK_AWAIT_FAILS_WITH(coil::unlinkat(AT_FDCWD, folder.path()), "unlinkat(" + folder.path() + "): Is a directory");
  CHECK_AWAIT_FAILS_WITH(coil::unlinkat(AT_FDCWD, folder.path(), AT_REMOVEDIR),
                         "unlinkat(" + folder.path() + "): Directory not empty");
}

IO_TEST("mkdirat: makes a directory with the mode that is given, less the umask") {
  const TemporaryDirectory folder;
  const Fd directory = open_directory(folder.path());
  const ::mode_t before = ::umask(027);
  co_await coil::mkdirat(directory, "new", 0777);
  ::umask(before);
  struct stat found{};
  REQUIRE(::stat((folder / "new").c_str(), &found) == 0);
  CHECK((found.st_mode & 0777) == 0750);
}

IO_TEST("mkdirat: errors name the call and the path") {
  const TemporaryDirectory folder;
  CHECK_AWAIT_FAILS_WITH(coil::mkdirat(AT_FDCWD, folder.path(), 0700), "mkdirat(" + folder.path() + "): File exists");
}

IO_TEST("file operations: a hundred at once, each on a path of its own") {
  const TemporaryDirectory folder;
  const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    for (int i = 0; i < 100; ++i) {
      const auto whole_life = [&folder, i]() -> coil::Coro<void> {
        const std::string path = folder / std::to_string(i);
        co_await coil::mkdirat(AT_FDCWD, path, 0700);
        const Fd file(co_await coil::openat(AT_FDCWD, path + "/file", O_RDWR | O_CREAT, 0600));
        co_await coil::write_all(file, path);
        co_await coil::renameat(AT_FDCWD, path + "/file", AT_FDCWD, path + "/moved");
        const struct statx found = co_await coil::statx(AT_FDCWD, path + "/moved", 0, STATX_SIZE);
        CHECK(found.stx_size == path.size());
        co_await coil::unlinkat(AT_FDCWD, path + "/moved");
        co_await coil::unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
      };
      group.create_task(whole_life);
    }
    co_return;
  };
  co_await coil::task_group(body);
  CHECK(std::filesystem::is_empty(folder.path()));
}
