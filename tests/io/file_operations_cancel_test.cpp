// Opening FIFOs, which waits for the other side; cancelling file operations: each did all it does, or nothing.
#include <coil/file_operations.hpp>

#include "../support/child.hpp"
#include "../support/io_test.hpp"

#include <functional>
#include <string>
#include <vector>

using coil_test::Fd;
using coil_test::settle;
using coil_test::TemporaryDirectory;
using std::filesystem::exists;

namespace {

std::string make_fifo(const TemporaryDirectory& folder, const std::string& name = "fifo") {
  REQUIRE(::mkfifo((folder / name).c_str(), 0600) == 0);
  return folder / name;
}

coil::Coro<int> open_fifo(std::string path, int flags) {
  const int fd = co_await coil::openat(AT_FDCWD, path, flags);
  co_return fd;
}

/// The other side of a FIFO, if there is one: opening it does not wait.
int try_other_side(const std::string& path, int flags) { return ::open(path.c_str(), flags | O_NONBLOCK | O_CLOEXEC); }

/// Lets the loop run until `done()`. Not for ever: a test has a time limit.
template <class F>
coil::Coro<void> until(F done) {
  while (!done()) co_await coil::yield();
}

std::size_t thread_count() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) ++count;
  return count;
}

}  // namespace

// ---- FIFOs -----------------------------------------------------------------------------------------------

IO_TEST("FIFO: opening it for reading waits for a writer") {
  const TemporaryDirectory folder;
  const std::string path = make_fifo(folder);
  auto opening = coil::create_task(open_fifo(path, O_RDONLY));
  co_await settle();
  CHECK(!opening.done());
  int writer = -1;
  co_await until([&] { return (writer = try_other_side(path, O_WRONLY)) >= 0; });  // ENXIO until the reader waits
  const Fd in(writer);
  const Fd out(co_await opening);
  coil_test::put(in, "text");
  const std::string text = co_await coil_test::read_text(out);
  CHECK(text == "text");
}

IO_TEST("FIFO: opening it for writing waits for a reader") {
  const TemporaryDirectory folder;
  const std::string path = make_fifo(folder);
  auto opening = coil::create_task(open_fifo(path, O_WRONLY));
  co_await settle();
  CHECK(!opening.done());
  const Fd out(try_other_side(path, O_RDONLY));
  const Fd in(co_await opening);
  const std::size_t written = co_await coil_test::write_text(in, "text");
  CHECK(written == 4);
  CHECK(coil_test::take_all(out) == "text");
}

IO_TEST("FIFO: two tasks of one loop open both sides") {
  const TemporaryDirectory folder;
  const std::string path = make_fifo(folder);
  const auto [reader, writer] = co_await coil::gather(open_fifo(path, O_RDONLY), open_fifo(path, O_WRONLY));
  const Fd out(reader), in(writer);
  coil_test::put(in, "text");
  CHECK(coil_test::take_all(out) == "text");
}

IO_TEST("FIFO: with O_RDWR or O_NONBLOCK opening it does not wait, as with open(2)") {
  const TemporaryDirectory folder;
  const std::string path = make_fifo(folder);
  CHECK_AWAIT_FAILS_WITH(open_fifo(path, O_WRONLY | O_NONBLOCK), "openat(" + path + "): No such device or address");
  const Fd reader(co_await open_fifo(path, O_RDONLY | O_NONBLOCK));
  const Fd both(co_await open_fifo(path, O_RDWR));
}

IO_TEST("FIFO: an open that is cancelled leaves neither a descriptor nor a waiting thread") {
  const TemporaryDirectory folder;
  const std::string path = make_fifo(folder);
  const Fd unrelated(co_await coil::openat(AT_FDCWD, "/dev/null", O_RDONLY));  // one thread has been made
  for (const int flags : {O_RDONLY, O_WRONLY}) {
    for (int round = 0; round < 100; ++round) {
      auto opening = coil::create_task(open_fifo(path, flags));
      for (int i = 0; i < round * 3; ++i) co_await coil::yield();
      CHECK(!opening.done());
      opening.cancel();
      CHECK_AWAIT_THROWS(opening, coil::CancelledError);
    }
  }
  CHECK(try_other_side(path, O_WRONLY) == -1);  // no reader is there
  CHECK(errno == ENXIO);
  CHECK(thread_count() < 20);
}

IO_TEST("FIFO: an open that is cancelled while the other side comes gives the descriptor, or none") {
  const TemporaryDirectory folder;
  const std::string path = make_fifo(folder);
  const auto before = coil_test::open_descriptors().size();
  for (int round = 0; round < 1000; ++round) {
    auto opening = coil::create_task(open_fifo(path, O_RDONLY));
    for (int i = 0; i < round % 10; ++i) co_await coil::yield();
    const bool cancel_first = round % 3 == 0;
    if (cancel_first) opening.cancel();
    const Fd other(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    for (int i = 0; i < round % 4; ++i) co_await coil::yield();
    if (!cancel_first) opening.cancel();
    auto outcome = co_await coil::as_result(opening);
    CHECK(outcome.has_value() != outcome.cancelled());
    if (outcome.has_value()) ::close(outcome.value());
  }
  CHECK(coil_test::open_descriptors().size() == before);
}

TEST_CASE("FIFO: a run ends although tasks that are left wait in open") {
  coil_test::LeakCheck leaks;
  const TemporaryDirectory folder;
  const std::string path = make_fifo(folder);
  auto main = [&]() -> coil::Coro<void> {
    for (int i = 0; i < 5; ++i) coil::create_task(open_fifo(path, i % 2 == 0 ? O_RDONLY : O_RDONLY | O_CLOEXEC));
    co_await settle();
  };
  coil::run(main);
  CHECK(try_other_side(path, O_WRONLY) == -1);
}

// The kernel's threads for file operations are few. When all of them waited for other sides of FIFOs, no other file
// could be opened or written any more.
TEST_CASE("FIFO: however many opens wait, other files can be opened, looked at and synced") {
  const TemporaryDirectory folder;
  const std::string path = make_fifo(folder);
  const auto child = coil_test::in_child([&] {
    ::alarm(20);
    auto main = [&]() -> coil::Coro<int> {
      for (int i = 0; i < 200; ++i) coil::create_task(open_fifo(path, O_RDONLY));
      co_await settle();
      const Fd file(co_await coil::openat(AT_FDCWD, folder / "file", O_WRONLY | O_CREAT, 0600));
      co_await coil::fsync(file);
      co_await coil::statx(AT_FDCWD, folder.path(), 0, STATX_SIZE);
      co_return 0;
    };
    return coil::run(main);
  });
  CHECK(child.exited_with(0));
}

// ---- All or nothing --------------------------------------------------------------------------------------

namespace {

/// A file operation, and whether it was done.
struct Deed {
  const char* name;
  std::function<void()> prepare;
  std::function<coil::Coro<void>()> start;
  std::function<bool()> done;
};

std::vector<Deed> deeds(const TemporaryDirectory& folder, int& opened, int& descriptor) {
  const std::string a = folder / "a", b = folder / "b";
  const auto clean = [a, b] {
    std::filesystem::remove_all(a);
    std::filesystem::remove_all(b);
  };
  return {
      {"openat with O_CREAT", clean,
       [a, &opened]() -> coil::Coro<void> { opened = co_await coil::openat(AT_FDCWD, a, O_WRONLY | O_CREAT, 0600); },
       [a] { return exists(a); }},
      {"openat with O_EXCL", clean,
       [a, &opened]() -> coil::Coro<void> {
         opened = co_await coil::openat(AT_FDCWD, a, O_WRONLY | O_CREAT | O_EXCL, 0600);
       },
       [a] { return exists(a); }},
      {"mkdirat", clean, [a]() -> coil::Coro<void> { co_await coil::mkdirat(AT_FDCWD, a, 0700); },
       [a] { return exists(a); }},
      {"unlinkat",
       [a, clean] {
         clean();
         std::ofstream{a};
       },
       [a]() -> coil::Coro<void> { co_await coil::unlinkat(AT_FDCWD, a); }, [a] { return !exists(a); }},
      {"renameat",
       [a, clean] {
         clean();
         std::ofstream{a};
       },
       [a, b]() -> coil::Coro<void> { co_await coil::renameat(AT_FDCWD, a, AT_FDCWD, b); }, [b] { return exists(b); }},
      {"close", [&descriptor] { descriptor = coil_test::make_eventfd().release(); },
       [&descriptor]() -> coil::Coro<void> { co_await coil::close(descriptor); },
       [&descriptor] {
         const bool is_closed = ::fcntl(descriptor, F_GETFD) == -1;
         if (!is_closed) ::close(descriptor);
         return is_closed;
       }},
      {"write beyond 1 MiB",
       [a, &descriptor, clean] {
         clean();
         ::close(std::exchange(descriptor, -1));
         descriptor = ::open(a.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
       },
       [&descriptor]() -> coil::Coro<void> {
         const coil_test::GuardedBuffer data(std::size_t{1} << 20);
         co_await coil::write(descriptor, std::span<const std::byte>(data.bytes()));
       },
       [a, &descriptor] {
         ::close(std::exchange(descriptor, -1));
         return std::filesystem::file_size(a) != 0;
       }},
  };
}

}  // namespace

IO_TEST("cancel: a file operation that was cancelled beforehand is not begun") {
  const TemporaryDirectory folder;
  int opened = -1, descriptor = -1;
  for (const Deed& deed : deeds(folder, opened, descriptor)) {
    CAPTURE(deed.name);
    deed.prepare();
    const auto submissions = coil_test::metrics().submissions;
    const auto work = [&]() -> coil::Coro<void> {
      coil::current_task().cancel();
      co_await deed.start();
    };
    auto task = coil::create_task(work);
    CHECK_AWAIT_THROWS(task, coil::CancelledError);
    CHECK(coil_test::metrics().submissions == submissions);
    CHECK(!deed.done());
  }
}

IO_TEST("cancel: a file operation that was cancelled on its way has done all, or nothing and throws") {
  const TemporaryDirectory folder;
  int opened = -1, descriptor = -1;
  for (const Deed& deed : deeds(folder, opened, descriptor)) {
    for (int round = 0; round < 200; ++round) {
      CAPTURE(deed.name);
      CAPTURE(round);
      deed.prepare();
      auto task = coil::create_task(deed.start());
      const auto cancel = [&]() -> coil::Coro<void> {
        task.cancel();
        co_return;
      };
      if (round % 5 == 0)
        coil::create_task(cancel);  // in the turn of its first step
      else
        for (int i = 1; i < round % 20; ++i) co_await coil::yield();
      task.cancel();
      auto outcome = co_await coil::as_result(task);
      CHECK(outcome.has_value() != outcome.cancelled());
      CHECK(deed.done() == outcome.has_value());
      if (opened >= 0) ::close(std::exchange(opened, -1));
    }
  }
}

IO_TEST("cancel: fsync and statx that were cancelled on their way end as well") {
  const TemporaryDirectory folder;
  const Fd file = folder.open("file", "content");
  const auto look = [&]() -> coil::Coro<void> {
    const struct statx found = co_await coil::statx(AT_FDCWD, folder / "file", 0, STATX_SIZE);
    CHECK(found.stx_size == 7);
  };
  const auto sync = [&]() -> coil::Coro<void> { co_await coil::fsync(file); };
  for (int round = 0; round < 200; ++round) {
    auto looking = coil::create_task(look());
    auto syncing = coil::create_task(sync());
    for (int i = 0; i < round % 7; ++i) co_await coil::yield();
    looking.cancel();
    syncing.cancel();
    auto looked = co_await coil::as_result(looking);
    auto synced = co_await coil::as_result(syncing);
    CHECK(looked.has_value() != looked.cancelled());
    CHECK(synced.has_value() != synced.cancelled());
  }
}

// ---- Relative paths --------------------------------------------------------------------------------------

TEST_CASE("dirfd: a path relative to a directory means the same whatever chdir() does meanwhile") {
  const TemporaryDirectory here, there;
  here.file("file", "here");
  there.file("file", "there");
  const auto child = coil_test::in_child([&] {
    auto main = [&]() -> coil::Coro<int> {
      const Fd directory(::open(here.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      for (int round = 0; round < 200; ++round) {
        if (::chdir(here.path().c_str()) != 0) co_return 2;
        auto opening = coil::create_task(coil::openat(directory, "file", O_RDONLY));
        co_await coil::yield();
        if (::chdir(there.path().c_str()) != 0) co_return 2;
        const Fd file(co_await opening);
        const std::string text = co_await coil_test::read_text(file);
        if (text != "here") co_return 1;
      }
      co_return 0;
    };
    return coil::run(main);
  });
  CHECK(child.exited_with(0));
}
