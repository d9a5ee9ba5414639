// Cancelling operations on descriptors: before they begin, while they wait, and when they are done already.
#include <coil/descriptor.hpp>

#include "../support/io_test.hpp"

#include <poll.h>
#include <sched.h>

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil_test::Ends;
using coil_test::Fd;
using coil_test::GuardedBuffer;
using coil_test::put;
using coil_test::read_text;
using coil_test::settle;
using coil_test::write_text;

namespace {

/// Descriptors from which nothing comes, and into which nothing goes.
struct Stuck {
  Stuck() {
    for (Ends* ends : {&full_pipe, &full_pair, &full_tcp}) coil_test::fill_up(ends->in);
    // What is under way between the two ends of a connection makes room once more when it arrives.
    while (coil_test::unacknowledged(full_tcp.in) != 0 || coil_test::fill_up(full_tcp.in) != 0) ::sched_yield();
    const std::uint64_t most = UINT64_MAX - 1;
    coil_test::check_call(static_cast<int>(::write(full_counter, &most, sizeof most)), "write");
  }
  Ends pipe = coil_test::make_pipe();
  Ends pair = coil_test::make_socket_pair();
  Ends datagrams = coil_test::make_socket_pair(SOCK_DGRAM);
  Ends tcp = coil_test::make_tcp_pair();
  Ends terminal = coil_test::make_terminal();
  Fd counter = coil_test::make_eventfd();
  Ends full_pipe = coil_test::make_pipe();
  Ends full_pair = coil_test::make_socket_pair();
  Ends full_tcp = coil_test::make_tcp_pair();
  Fd full_counter = coil_test::make_eventfd();

  /// All that came through although nothing should have.
  std::string what_came() {
    std::string came;
    for (Ends* ends : {&pipe, &pair, &datagrams, &tcp, &terminal}) came += coil_test::take_all(ends->out);
    for (Ends* ends : {&full_pipe, &full_pair, &full_tcp}) came += coil_test::take_all(ends->out);
    std::erase(came, 'f');  // with this they are full
    return came;
  }
};

struct Kind {
  const char* name;
  coil::Coro<void> (*wait)(Stuck&);
};

coil::Coro<void> read_from(int fd) { co_await read_text(fd); }
coil::Coro<void> write_to(int fd) { co_await write_text(fd, "eight by"); }

/// Every operation that may wait for ever.
const std::vector<Kind> waiting_kinds = {
    {"read, pipe", [](Stuck& stuck) { return read_from(stuck.pipe.out); }},
    {"read, Unix stream", [](Stuck& stuck) { return read_from(stuck.pair.out); }},
    {"read, Unix datagram", [](Stuck& stuck) { return read_from(stuck.datagrams.out); }},
    {"read, TCP", [](Stuck& stuck) { return read_from(stuck.tcp.out); }},
    {"read, terminal", [](Stuck& stuck) { return read_from(stuck.terminal.out); }},
    {"read, eventfd", [](Stuck& stuck) { return read_from(stuck.counter); }},
    {"write, pipe", [](Stuck& stuck) { return write_to(stuck.full_pipe.in); }},
    {"write, Unix stream", [](Stuck& stuck) { return write_to(stuck.full_pair.in); }},
    {"write, TCP", [](Stuck& stuck) { return write_to(stuck.full_tcp.in); }},
    {"write, eventfd", [](Stuck& stuck) { return write_to(stuck.full_counter); }},
    {"read_exactly",
     [](Stuck& stuck) -> coil::Coro<void> {
       const GuardedBuffer buffer(10);
       co_await coil::read_exactly(stuck.pipe.out, buffer.bytes());
     }},
    {"write_all",
     [](Stuck& stuck) -> coil::Coro<void> {
       const GuardedBuffer buffer("text");
       co_await coil::write_all(stuck.full_pipe.in, std::span<const std::byte>(buffer.bytes()));
     }},
    {"readv",
     [](Stuck& stuck) -> coil::Coro<void> {
       const GuardedBuffer buffer(10);
       const iovec parts[] = {{buffer.data(), buffer.size()}};
       co_await coil::readv(stuck.pipe.out, parts);
     }},
    {"writev",
     [](Stuck& stuck) -> coil::Coro<void> {
       const GuardedBuffer buffer("text");
       const iovec parts[] = {{buffer.data(), buffer.size()}};
       co_await coil::writev(stuck.full_pipe.in, parts);
     }},
    {"poll, POLLIN", [](Stuck& stuck) -> coil::Coro<void> { co_await coil::poll(stuck.pipe.out, POLLIN); }},
    {"poll, POLLOUT", [](Stuck& stuck) -> coil::Coro<void> { co_await coil::poll(stuck.full_pipe.in, POLLOUT); }},
    {"readable", [](Stuck& stuck) -> coil::Coro<void> { co_await coil::readable(stuck.tcp.out); }},
    {"writable", [](Stuck& stuck) -> coil::Coro<void> { co_await coil::writable(stuck.full_tcp.in); }},
};

}  // namespace

// ---- Every operation -------------------------------------------------------------------------------------

IO_TEST("cancel: before the wait nothing is submitted, the await throws") {
  Stuck stuck;
  for (const Kind& kind : waiting_kinds) {
    CAPTURE(kind.name);
    const auto submissions = coil_test::metrics().submissions;
    const auto work = [&]() -> coil::Coro<void> {
      coil::current_task().cancel("beforehand");
      co_await kind.wait(stuck);
    };
    auto task = coil::create_task(work);
    CHECK_AWAIT_THROWS(task, coil::CancelledError);
    CHECK(coil_test::metrics().submissions == submissions);
  }
}

IO_TEST("cancel: before the wait the kernel's answer is not asked for, even where it would have one at once") {
  const Ends pipe = coil_test::make_pipe();
  put(pipe.in, "kept");
  const auto work = [&]() -> coil::Coro<void> {
    coil::current_task().cancel();
    co_await read_text(pipe.out);
  };
  auto task = coil::create_task(work);
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(coil_test::take_all(pipe.out) == "kept");
}

IO_TEST("cancel: while it waits in the kernel the await throws, and nothing was done") {
  Stuck stuck;
  for (const Kind& kind : waiting_kinds) {
    CAPTURE(kind.name);
    auto task = coil::create_task(kind.wait(stuck));
    co_await settle();
    CHECK(!task.done());
    CHECK(coil_test::metrics().operations_in_flight == 1);
    task.cancel();
    CHECK_AWAIT_THROWS(task, coil::CancelledError);
    CHECK(coil_test::metrics().operations_in_flight == 0);
  }
  CHECK(stuck.what_came() == "");
}

IO_TEST("cancel: in the turn in which it begins the await throws, and nothing was done") {
  Stuck stuck;
  for (const Kind& kind : waiting_kinds) {
    CAPTURE(kind.name);
    auto task = coil::create_task(kind.wait(stuck));
    const auto cancel = [&]() -> coil::Coro<void> {
      task.cancel();
      co_return;
    };
    coil::create_task(cancel);  // runs right after the first step of `task`
    CHECK_AWAIT_THROWS(task, coil::CancelledError);
  }
  CHECK(stuck.what_came() == "");
}

IO_TEST("cancel: all of them at once") {
  Stuck stuck;
  std::vector<coil::Task<void>> tasks;
  for (const Kind& kind : waiting_kinds) tasks.push_back(coil::create_task(kind.wait(stuck)));
  co_await settle();
  CHECK(coil_test::metrics().operations_in_flight == tasks.size());
  for (const auto& task : tasks) task.cancel();
  for (const auto& task : tasks) CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(stuck.what_came() == "");
}

IO_TEST("cancel: a second request while the kernel is being asked changes nothing") {
  Stuck stuck;
  for (const Kind& kind : waiting_kinds) {
    CAPTURE(kind.name);
    std::string message;
    const auto work = [&]() -> coil::Coro<void> {
      try {
        co_await kind.wait(stuck);
      } catch (const coil::CancelledError& cancelled) {
        message = cancelled.message();
      }
      co_await coil::yield();  // what was delivered once is not delivered again
    };
    auto task = coil::create_task(work);
    co_await settle();
    task.cancel("first");
    task.cancel("second");
    co_await task;
    CHECK(message == "first");
    CHECK(task.cancelling() == 2);
  }
}

IO_TEST("cancel: leaves the descriptor as good as before") {
  const Ends pipe = coil_test::make_pipe();
  for (int round = 0; round < 100; ++round) {
    auto reading = coil::create_task(read_text(pipe.out));
    co_await coil::yield();
    if (round % 2 == 0) co_await coil::yield();
    reading.cancel();
    CHECK_AWAIT_THROWS(reading, coil::CancelledError);
  }
  auto reading = coil::create_task(read_text(pipe.out));
  co_await settle();
  put(pipe.in, "for the last one");
  const std::string text = co_await reading;
  CHECK(text == "for the last one");
}

IO_TEST("cancel: of one reader leaves the others waiting") {
  const Ends pipe = coil_test::make_pipe();
  auto first = coil::create_task(read_text(pipe.out));
  auto second = coil::create_task(read_text(pipe.out));
  co_await settle();
  first.cancel();
  CHECK_AWAIT_THROWS(first, coil::CancelledError);
  CHECK(!second.done());
  put(pipe.in, "text");
  const std::string text = co_await second;
  CHECK(text == "text");
}

IO_TEST("cancel: reaches an operation through gather, task group, timeout and child coroutines") {
  Stuck stuck;
  const auto deep = [&]() -> coil::Coro<void> { co_await read_text(stuck.pair.out); };
  const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(read_text(stuck.pipe.out));
    co_await coil::timeout(1h, deep);
  };
  const auto work = [&]() -> coil::Coro<void> {
    co_await coil::gather(coil::task_group(body), read_text(stuck.tcp.out), coil::readable(stuck.terminal.out));
  };
  auto task = coil::create_task(work);
  co_await settle();
  CHECK(coil_test::metrics().operations_in_flight == 4);
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(coil_test::metrics().operations_in_flight == 0);
}

// ---- Done already ----------------------------------------------------------------------------------------

namespace {

/// Cancels `task`, which is to be started, in the turn of its first step: after it, before the kernel hears of it.
template <class T>
void cancel_when_started(const coil::Task<T>& task, std::string message = {}) {
  coil::create_task([task, message]() -> coil::Coro<void> {
    task.cancel(message);
    co_return;
  });
}

}  // namespace

IO_TEST("completed: a read that finds its bytes returns them although it was cancelled, the next wait throws") {
  const Ends pipe = coil_test::make_pipe();
  put(pipe.in, "saved");
  std::string text;
  std::string message;
  const auto work = [&]() -> coil::Coro<void> {
    text = co_await read_text(pipe.out);
    try {
      co_await coil::sleep(1s);
    } catch (const coil::CancelledError& cancelled) {
      message = cancelled.message();
      throw;
    }
  };
  auto task = coil::create_task(work);
  cancel_when_started(task, "too late");
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(text == "saved");
  CHECK(message == "too late");
  CHECK(coil_test::elapsed() == 0s);
}

IO_TEST("completed: the next wait that throws may be an operation of the kernel, which then does nothing") {
  const Ends pipe = coil_test::make_pipe();
  put(pipe.in, "ab");
  std::string text;
  const auto work = [&]() -> coil::Coro<void> {
    text = co_await read_text(pipe.out, 1);
    text += co_await read_text(pipe.out, 1);
  };
  auto task = coil::create_task(work);
  cancel_when_started(task);
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(text == "a");
  CHECK(coil_test::take_all(pipe.out) == "b");
}

IO_TEST("completed: a write that went out says so although it was cancelled") {
  const Ends pipe = coil_test::make_pipe();
  std::size_t written = 0;
  const auto work = [&]() -> coil::Coro<void> {
    written = co_await write_text(pipe.in, "sent");
    co_await coil::yield();
  };
  auto task = coil::create_task(work);
  cancel_when_started(task);
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(written == 4);
  CHECK(coil_test::take_all(pipe.out) == "sent");
}

IO_TEST("completed: an operation that failed throws its error although it was cancelled, the next wait throws") {
  std::string error;
  const auto work = [&]() -> coil::Coro<void> {
    try {
      co_await read_text(-1);
    } catch (const std::system_error& e) {
      error = e.what();
    }
    co_await coil::yield();
  };
  auto task = coil::create_task(work);
  cancel_when_started(task);
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(error == "read(fd -1): Bad file descriptor");
}

IO_TEST("completed: a task that waits no more ends with its value") {
  const Ends pipe = coil_test::make_pipe();
  put(pipe.in, "saved");
  auto task = coil::create_task(read_text(pipe.out));
  cancel_when_started(task);
  const std::string text = co_await task;
  CHECK(text == "saved");
  CHECK(!task.cancelled());
}

IO_TEST("completed: uncancel() withdraws the request that the result has overtaken") {
  const Ends pipe = coil_test::make_pipe();
  put(pipe.in, "saved");
  const auto work = [&]() -> coil::Coro<std::string> {
    std::string text = co_await read_text(pipe.out);
    CHECK(coil::current_task().cancelling() == 1);
    CHECK(coil::current_task().uncancel() == 0);
    co_await coil::sleep(1s);
    co_return text;
  };
  auto task = coil::create_task(work);
  cancel_when_started(task);
  const std::string text = co_await task;
  CHECK(text == "saved");
  CHECK(coil_test::elapsed() == 1s);
}

IO_TEST("completed: read_exactly that is full returns although it was cancelled") {
  const Ends pipe = coil_test::make_pipe();
  put(pipe.in, "abcd");
  const GuardedBuffer buffer(4);
  const auto work = [&]() -> coil::Coro<void> { co_await coil::read_exactly(pipe.out, buffer.bytes()); };
  auto task = coil::create_task(work);
  cancel_when_started(task);
  co_await task;
  CHECK(buffer.text() == "abcd");
}

IO_TEST("completed: when bytes and the deadline of wait_for meet, they are returned or stay where they are") {
  const Ends pipe = coil_test::make_pipe();
  const auto work = [&]() -> coil::Coro<std::string> {
    const std::string text = co_await coil::wait_for(read_text(pipe.out), 1s);
    co_return text;
  };
  coil::get_running_loop().call_later(1s, [&] { put(pipe.in, "just in time"); });
  auto task = coil::create_task(work);
  auto outcome = co_await coil::as_result(task);
  const std::string left = coil_test::take_all(pipe.out);
  CHECK((outcome.has_value() ? outcome.value() : "") + left == "just in time");
}

IO_TEST("completed: read_exactly that is full gives its bytes to a task that only returns, however late the request") {
  for (int turns = 0; turns < 6; ++turns) {
    CAPTURE(turns);
    const Ends pipe = coil_test::make_pipe();
    auto reader = [&]() -> coil::Coro<std::string> {
      GuardedBuffer buffer(3);
      co_await coil::read_exactly(pipe.out, buffer.bytes());
      co_return buffer.text();
    };
    auto task = coil::create_task(reader);
    co_await coil::yield();
    put(pipe.in, "abc");
    for (int i = 0; i < turns; ++i) co_await coil::yield();
    task.cancel();
    auto outcome = co_await coil::as_result(task);
    const bool got = outcome.has_value() && outcome.value() == "abc";
    CHECK((got || coil_test::take_all(pipe.out) == "abc"));
  }
}
