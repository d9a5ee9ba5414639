// poll(), readable() and writable(): the way in for libraries that have a descriptor.
#include <coil/poll.hpp>

#include "../support/io_test.hpp"

#include <poll.h>

#include <string>

using namespace std::chrono_literals;
using coil_test::Ends;
using coil_test::Fd;
using coil_test::put;
using coil_test::settle;

IO_TEST("poll: gives the events that are there, at once") {
  const Ends pipe = coil_test::make_pipe();
  put(pipe.in, "x");
  const int in = co_await coil::poll(pipe.out, POLLIN);
  const int out = co_await coil::poll(pipe.in, POLLOUT);
  CHECK(in == POLLIN);
  CHECK(out == POLLOUT);
}

IO_TEST("poll: waits for an event, and takes nothing") {
  const Ends pipe = coil_test::make_pipe();
  auto polling = coil::create_task(coil::poll(pipe.out, POLLIN));
  co_await settle();
  CHECK(!polling.done());
  put(pipe.in, "x");
  const int events = co_await polling;
  CHECK(events == POLLIN);
  CHECK(coil_test::take_all(pipe.out) == "x");
}

IO_TEST("poll: gives only events that were asked for") {
  const Ends pair = coil_test::make_socket_pair();
  put(pair.in, "x");
  const int out = co_await coil::poll(pair.out, POLLOUT);
  const int both = co_await coil::poll(pair.out, POLLIN | POLLOUT | POLLPRI);
  CHECK(out == POLLOUT);
  CHECK(both == (POLLIN | POLLOUT));
}

IO_TEST("poll: an end is an event, asked for or not") {
  Ends pipe = coil_test::make_pipe();
  auto polling = coil::create_task(coil::poll(pipe.out, POLLIN));
  auto for_nothing = coil::create_task(coil::poll(pipe.out, 0));
  co_await settle();
  CHECK(!polling.done());
  CHECK(!for_nothing.done());
  pipe.in.close();
  const int events = co_await polling;
  const int unasked = co_await for_nothing;
  CHECK((events & POLLHUP) != 0);
  CHECK((unasked & POLLHUP) != 0);
}

IO_TEST("poll: a pipe without a reader is an error event") {
  Ends pipe = coil_test::make_pipe();
  pipe.out.close();
  const int events = co_await coil::poll(pipe.in, POLLOUT);
  CHECK((events & POLLERR) != 0);
}

IO_TEST("poll: the peer's shutdown is POLLRDHUP") {
  const Ends pair = coil_test::make_tcp_pair();
  auto polling = coil::create_task(coil::poll(pair.out, POLLRDHUP));
  co_await settle();
  CHECK(!polling.done());
  REQUIRE(::shutdown(pair.in, SHUT_WR) == 0);
  const int events = co_await polling;
  CHECK(events == POLLRDHUP);
}

// Not for POLLPRI alone: the kernel does not wake that.
IO_TEST("poll: urgent data is POLLPRI, for one that waits for POLLIN as well") {
  const Ends pair = coil_test::make_tcp_pair();
  auto polling = coil::create_task(coil::poll(pair.out, POLLIN | POLLPRI));
  co_await settle();
  CHECK(!polling.done());
  REQUIRE(::send(pair.in, "!", 1, MSG_OOB) == 1);
  pollfd arrived{pair.out, POLLPRI, 0};
  REQUIRE(::poll(&arrived, 1, -1) == 1);
  const int events = co_await coil::wait_for(polling, 1s);
  CHECK((events & POLLPRI) != 0);
}

IO_TEST("poll: a listening socket is readable when a connection comes") {
  const Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage address{};
  address.ss_family = AF_UNIX;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(sa_family_t);  // an address of the kernel's choice
  REQUIRE(::bind(listener, generic, size) == 0);
  REQUIRE(::listen(listener, 1) == 0);
  size = sizeof address;
  REQUIRE(::getsockname(listener, generic, &size) == 0);
  auto polling = coil::create_task(coil::readable(listener));
  co_await settle();
  CHECK(!polling.done());
  const Fd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(client, generic, size) == 0);
  co_await polling;
  const Fd accepted(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
}

IO_TEST("readable: waits until there is something to read") {
  const Ends terminal = coil_test::make_terminal();
  auto waiting = coil::create_task(coil::readable(terminal.out));
  co_await settle();
  CHECK(!waiting.done());
  put(terminal.in, "typed");
  co_await waiting;
  CHECK(coil_test::take_all(terminal.out) == "typed");
}

IO_TEST("readable: the end of file is something to read") {
  Ends pipe = coil_test::make_pipe();
  auto waiting = coil::create_task(coil::readable(pipe.out));
  co_await settle();
  pipe.in.close();
  co_await waiting;
}

IO_TEST("writable: waits until there is room") {
  const Ends pipe = coil_test::make_pipe();
  co_await coil::writable(pipe.in);
  coil_test::fill_up(pipe.in);
  auto waiting = coil::create_task(coil::writable(pipe.in));
  co_await settle();
  CHECK(!waiting.done());
  coil_test::take_all(pipe.out);
  co_await waiting;
}

IO_TEST("writable: an eventfd at its limit is not") {
  const Fd counter = coil_test::make_eventfd();
  const std::uint64_t most = UINT64_MAX - 1;
  put(counter, {reinterpret_cast<const char*>(&most), sizeof most});
  auto waiting = coil::create_task(coil::writable(counter));
  co_await settle();
  CHECK(!waiting.done());
  CHECK(coil_test::take_all(counter).size() == 8);
  co_await waiting;
}

IO_TEST("poll: regular files and directories are always ready") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "");
  const Fd directory(::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const int events = co_await coil::poll(file, POLLIN | POLLOUT);
  CHECK(events == (POLLIN | POLLOUT));
  co_await coil::readable(directory);
}

IO_TEST("poll: several wait for one descriptor, all are told") {
  const Ends pipe = coil_test::make_pipe();
  int told = 0;
  const auto wait = [&]() -> coil::Coro<void> {
    co_await coil::readable(pipe.out);
    ++told;
  };
  const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    for (int i = 0; i < 10; ++i) group.create_task(wait());
    co_await settle();
    CHECK(told == 0);
    put(pipe.in, "x");
  };
  co_await coil::task_group(body);
  CHECK(told == 10);
}

IO_TEST("poll: one way is waited for while the other is used") {
  const Ends pair = coil_test::make_socket_pair();
  auto waiting = coil::create_task(coil::readable(pair.out));
  co_await settle();
  for (int i = 0; i < 10; ++i) co_await coil_test::write_text(pair.out, "x");
  CHECK(!waiting.done());
  put(pair.in, "y");
  co_await waiting;
}

IO_TEST("poll: a descriptor that is not open is EBADF, and named") {
  CHECK_AWAIT_FAILS_WITH(coil::poll(-1, POLLIN), "poll(fd -1): Bad file descriptor");
  Fd fd = coil_test::make_eventfd();
  const int closed = fd;
  fd.close();
  const std::string text = "poll(fd " + std::to_string(closed) + "): Bad file descriptor";
  CHECK_AWAIT_FAILS_WITH(coil::poll(closed, POLLIN), text);
  CHECK_AWAIT_FAILS_WITH(coil::readable(closed), text);
  CHECK_AWAIT_FAILS_WITH(coil::writable(closed), text);
}

IO_TEST("poll: nothing comes for a descriptor after the wait was cancelled") {
  const Ends pipe = coil_test::make_pipe();
  CHECK_AWAIT_THROWS(coil::wait_for(coil::readable(pipe.out), 1s), coil::TimeoutError);
  put(pipe.in, "x");
  co_await settle();
  CHECK(coil_test::metrics().completions == coil_test::metrics().submissions);
  CHECK(coil_test::take_all(pipe.out) == "x");
}
