// Fd: who owns a descriptor, and what becomes of the operations on one that is closed.
#include <coil/fd.hpp>

#include "../support/io_test.hpp"

#include <poll.h>

#include <string>
#include <utility>

using namespace std::chrono_literals;
using coil_test::Ends;
using coil_test::GuardedBuffer;
using coil_test::put;
using coil_test::settle;

namespace {

bool is_open(int number) { return ::fcntl(number, F_GETFD) >= 0; }

struct Pair {
  coil::Fd out;
  coil::Fd in;
};

/// The ends of a pipe, owned.
Pair make_pair() {
  Ends ends = coil_test::make_pipe();
  return {coil::Fd(ends.out.release()), coil::Fd(ends.in.release())};
}

coil::Coro<std::string> read_from(const coil::Fd& fd, std::size_t max = 64) {
  const GuardedBuffer buffer(max);
  const std::size_t size = co_await coil::read(fd, buffer.bytes());
  co_return buffer.text(size);
}

std::string stopped(int number) { return "read(fd " + std::to_string(number) + "): Operation canceled"; }

}  // namespace

// ---- Owning ----------------------------------------------------------------------------------------------

TEST_CASE("fd: one that is made of nothing or of a negative number is none") {
  const coil::Fd none;
  const coil::Fd negative(-1);
  CHECK(!none);
  CHECK(!negative);
  CHECK(none.number() == -1);
}

TEST_CASE("fd: closes at its end, when another is assigned, and once only") {
  coil_test::LeakCheck leaks;
  Pair first = make_pair();
  const int number = first.out.number();
  {
    const coil::Fd moved = std::move(first.out);
    CHECK(moved.number() == number);
    CHECK(!first.out);
    CHECK(is_open(number));
  }
  CHECK(!is_open(number));
  const int other = first.in.number();
  first.in = coil::Fd();
  CHECK(!is_open(other));
}

TEST_CASE("fd: one that is moved to itself stays") {
  coil_test::LeakCheck leaks;
  Pair pair = make_pair();
  coil::Fd& same = pair.out;
  pair.out = std::move(same);
  CHECK(is_open(pair.out.number()));
}

TEST_CASE("fd: release() gives the number up, open") {
  coil_test::LeakCheck leaks;
  Pair pair = make_pair();
  const int number = pair.out.number();
  const coil_test::Fd released(pair.out.release());
  CHECK(int{released} == number);
  CHECK(is_open(number));
  CHECK(!pair.out);
  CHECK(pair.out.release() == -1);
}

IO_TEST("fd: release() while an operation is under way is a logic_error, and the operation goes on") {
  Pair pair = make_pair();
  auto reading = coil::create_task(read_from(pair.out));
  co_await settle();
  CHECK_THROWS_WITH(pair.out.release(), "coil: Fd::release() while operations on it are under way");
  put(pair.in.number(), "text");
  const std::string text = co_await reading;
  CHECK(text == "text");
}

IO_TEST("fd: operations take one as they take a number") {
  const Pair pair = make_pair();
  const GuardedBuffer buffer(4);
  co_await coil::write_all(pair.in, "text");
  const int events = co_await coil::poll(pair.out, POLLIN);
  CHECK(events == POLLIN);
  co_await coil::read_exactly(pair.out, buffer.bytes());
  CHECK(buffer.text() == "text");
}

// ---- Closing ---------------------------------------------------------------------------------------------

IO_TEST("fd: close() with nothing under way closes at once, and again does nothing") {
  Pair pair = make_pair();
  const int number = pair.out.number();
  const auto turns = coil_test::TurnCounter();
  co_await pair.out.close();
  CHECK(turns.count() == 0);
  CHECK(!is_open(number));
  CHECK(!pair.out);
  co_await pair.out.close();
  coil::Fd none;
  co_await none.close();
}

IO_TEST("fd: close() ends an operation that waits with ECANCELED, waits for it, and then closes") {
  Pair pair = make_pair();
  const int number = pair.out.number();
  auto reading = coil::create_task(read_from(pair.out));
  auto other = coil::create_task(read_from(pair.out));
  co_await settle();
  co_await pair.out.close();
  CHECK(!is_open(number));
  CHECK(coil_test::metrics().operations_in_flight == 0);
  CHECK_AWAIT_FAILS_WITH(reading, stopped(number));
  CHECK_AWAIT_FAILS_WITH(other, stopped(number));
}

IO_TEST("fd: close() is seen by the other side within one turn") {
  Pair pair = make_pair();
  auto writing = coil::create_task(read_from(pair.out));
  co_await settle();
  auto closing = coil::create_task([&]() -> coil::Coro<void> { co_await pair.out.close(); });
  co_await coil::yield();
  co_await coil::yield();
  CHECK(::write(pair.in.number(), "x", 1) == -1);
  CHECK(errno == EPIPE);
  CHECK_AWAIT_THROWS(writing, std::system_error);
  co_await closing;
}

IO_TEST("fd: one that goes while an operation waits ends it with ECANCELED, and is closed then") {
  Pair pair = make_pair();
  const int number = pair.out.number();
  auto reading = coil::create_task(read_from(pair.out));
  co_await settle();
  {
    const coil::Fd gone = std::move(pair.out);
  }
  CHECK(is_open(number));
  CHECK_AWAIT_FAILS_WITH(reading, stopped(number));
  CHECK(!is_open(number));
}

IO_TEST("fd: one that goes before an operation on it was awaited makes that end with EBADF") {
  Pair pair = make_pair();
  const int number = pair.out.number();
  const GuardedBuffer buffer(4);
  auto reading = coil::read(pair.out, buffer.bytes());
  {
    const coil::Fd gone = std::move(pair.out);
  }
  CHECK(!is_open(number));
  CHECK_AWAIT_FAILS_WITH(reading, "read(fd " + std::to_string(number) + "): Bad file descriptor");
}

IO_TEST("fd: an operation on one that is closed is EBADF") {
  Pair pair = make_pair();
  co_await pair.out.close();
  CHECK_AWAIT_FAILS_WITH(read_from(pair.out), "read(fd -1): Bad file descriptor");
}

IO_TEST("fd: an operation that begins while it is being closed is EBADF") {
  Pair pair = make_pair();
  auto reading = coil::create_task(read_from(pair.out));
  co_await settle();
  auto closing = coil::create_task([&]() -> coil::Coro<void> { co_await pair.out.close(); });
  auto late = coil::create_task(read_from(pair.out));
  CHECK_AWAIT_FAILS_WITH(late, "read(fd -1): Bad file descriptor");
  CHECK_AWAIT_THROWS(reading, std::system_error);
  co_await closing;
}

IO_TEST("fd: what had come before close() is returned, and not lost") {
  Pair pair = make_pair();
  auto reading = coil::create_task(read_from(pair.out));
  co_await settle();
  put(pair.in.number(), "text");
  co_await coil::yield();
  co_await pair.out.close();
  const std::string text = co_await reading;
  CHECK(text == "text");
}

IO_TEST("fd: a number that is used again never meets an operation of its former owner") {
  for (int round = 0; round < 1000; ++round) {
    Pair old = make_pair();
    const int number = old.out.number();
    auto reading = coil::create_task(read_from(old.out));
    co_await coil::yield();
    if (round % 2 == 0) co_await coil::yield();
    co_await old.out.close();
    const Pair fresh = make_pair();
    REQUIRE(fresh.out.number() == number);
    put(fresh.in.number(), "for the new owner");
    auto outcome = co_await coil::as_result(reading);
    REQUIRE(outcome.exception());
    const std::string text = co_await read_from(fresh.out);
    REQUIRE(text == "for the new owner");
  }
}

IO_TEST("fd: several may await close()") {
  Pair pair = make_pair();
  const int number = pair.out.number();
  auto reading = coil::create_task(read_from(pair.out));
  co_await settle();
  int closed = 0;
  const auto close = [&]() -> coil::Coro<void> {
    co_await pair.out.close();
    CHECK(!is_open(number));
    ++closed;
  };
  co_await coil::gather(close(), close(), close());
  CHECK(closed == 3);
  CHECK_AWAIT_THROWS(reading, std::system_error);
}

IO_TEST("fd: a close() that is cancelled closes all the same") {
  Pair pair = make_pair();
  const int number = pair.out.number();
  auto reading = coil::create_task(read_from(pair.out));
  co_await settle();
  auto closing = coil::create_task([&]() -> coil::Coro<void> { co_await pair.out.close(); });
  co_await coil::yield();
  closing.cancel();
  CHECK_AWAIT_THROWS(closing, coil::CancelledError);
  CHECK_AWAIT_THROWS(reading, std::system_error);
  CHECK(!is_open(number));
}

IO_TEST("fd: close() gives the error of closing") {
  Pair pair = make_pair();
  ::close(pair.out.number());
  CHECK_AWAIT_FAILS_WITH(pair.out.close(), "close: Bad file descriptor");
}

// ---- Closing and cancelling ------------------------------------------------------------------------------

IO_TEST("fd: a task that is cancelled as well is cancelled, in both orders") {
  for (const bool cancel_first : {true, false}) {
    Pair pair = make_pair();
    auto reading = coil::create_task(read_from(pair.out));
    co_await settle();
    if (cancel_first) reading.cancel();
    auto closing = coil::create_task([&]() -> coil::Coro<void> { co_await pair.out.close(); });
    co_await coil::yield();
    if (!cancel_first) reading.cancel();
    co_await closing;
    CHECK_AWAIT_THROWS(reading, coil::CancelledError);
  }
}

IO_TEST("fd: a task that was asked to cancel before it reads does not begin, and leaves nothing") {
  Pair pair = make_pair();
  const auto submissions = coil_test::metrics().submissions;
  auto reading = coil::create_task([&]() -> coil::Coro<void> {
    coil::current_task().cancel();
    co_await read_from(pair.out);
  });
  CHECK_AWAIT_THROWS(reading, coil::CancelledError);
  CHECK(coil_test::metrics().submissions == submissions);
  const coil_test::Fd released(pair.out.release());
}

IO_TEST("fd: close() in the middle of write_all says how much was written") {
  Pair pair = make_pair();
  const std::string much(1 << 20, 'm');
  std::size_t progress = 0;
  auto writing = coil::create_task([&]() -> coil::Coro<void> { co_await coil::write_all(pair.in, much, &progress); });
  co_await settle();
  co_await pair.in.close();
  CHECK_AWAIT_THROWS(writing, std::system_error);
  CHECK(progress > 0);
  CHECK(coil_test::take_all(pair.out.number()).size() == progress);
}

TEST_CASE("fd: one that goes between two runs of a Runner ends what waits") {
  coil_test::LeakCheck leaks;
  Pair pair = make_pair();
  coil::Task<std::string> reading;
  coil::Runner runner;
  runner.run([&]() -> coil::Coro<void> {
    reading = coil::create_task(read_from(pair.out));
    co_await settle();
  });
  {
    const coil::Fd gone = std::move(pair.out);
  }
  auto second = [&]() -> coil::Coro<void> { CHECK_AWAIT_THROWS(reading, std::system_error); };
  runner.run(second);
}

IO_TEST("fd: close() races with what is read, and the bytes are returned or left") {
  int returned = 0;
  int left = 0;
  for (int round = 0; round < 5000; ++round) {
    Pair pair = make_pair();
    auto reading = coil::create_task(read_from(pair.out));
    co_await settle();
    const int copy = ::fcntl(pair.out.number(), F_DUPFD_CLOEXEC, 0);
    const coil_test::Fd kept(copy);
    auto closing = coil::create_task([&]() -> coil::Coro<void> { co_await pair.out.close(); });
    if (round % 2 == 0) co_await coil::yield();
    put(pair.in.number(), "x");
    if (round % 3 == 0) co_await coil::yield();
    co_await closing;
    auto outcome = co_await coil::as_result(reading);
    const std::string rest = coil_test::take_all(kept);
    REQUIRE(outcome.has_value() == rest.empty());
    ++(rest.empty() ? returned : left);
  }
  CHECK(returned > 0);
  CHECK(left > 0);
}
