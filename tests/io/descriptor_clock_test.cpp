// Virtual time and the kernel: the clock waits for what the kernel finishes by itself, and for nothing else.
#include <coil/descriptor.hpp>

#include "../support/io_test.hpp"

#include <string>
#include <thread>

using namespace std::chrono_literals;
using coil_test::elapsed;
using coil_test::Ends;
using coil_test::Fd;
using coil_test::put;
using coil_test::read_text;
using coil_test::write_text;

namespace {

coil::Coro<int> done(coil::Coro<void> operation) {
  co_await std::move(operation);
  co_return 1;
}

}  // namespace

IO_TEST("virtual time: a timeout around a read of an empty pipe fires at once") {
  const Ends pipe = coil_test::make_pipe();
  CHECK_AWAIT_THROWS(coil::wait_for(read_text(pipe.out), coil_test::ages), coil::TimeoutError);
  CHECK(elapsed() == coil_test::ages);
  CHECK(coil_test::metrics().operations_in_flight == 0);
}

IO_TEST("virtual time: the same for sockets, terminals, eventfds, full pipes and polls") {
  const Ends pair = coil_test::make_socket_pair();
  const Ends tcp = coil_test::make_tcp_pair();
  const Ends terminal = coil_test::make_terminal();
  const Fd counter = coil_test::make_eventfd();
  const Ends full = coil_test::make_pipe();
  coil_test::fill_up(full.in);
  for (const int fd : {int{pair.out}, int{tcp.out}, int{terminal.out}, int{counter}}) {
    CHECK_AWAIT_THROWS(coil::wait_for(read_text(fd), 1h), coil::TimeoutError);
    CHECK_AWAIT_THROWS(coil::wait_for(coil::readable(fd), 1h), coil::TimeoutError);
  }
  CHECK_AWAIT_THROWS(coil::wait_for(write_text(full.in, "x"), 1h), coil::TimeoutError);
  CHECK_AWAIT_THROWS(coil::wait_for(coil::writable(full.in), 1h), coil::TimeoutError);
  CHECK(elapsed() == 10h);
}

IO_TEST("virtual time: what the kernel has already comes before the next timer") {
  const Ends pipe = coil_test::make_pipe();
  const Ends tcp = coil_test::make_tcp_pair();
  const Fd counter = coil_test::make_eventfd(7);
  put(pipe.in, "pipe");
  put(tcp.in, "tcp");
  coil::get_running_loop().call_later(1ns, [] {});
  const std::string from_pipe = co_await read_text(pipe.out);
  const std::string from_counter = co_await read_text(counter, 8);
  CHECK(from_pipe == "pipe");
  CHECK(from_counter.size() == 8);
  CHECK(elapsed() == 0s);
}

IO_TEST("virtual time: a conversation of tasks over a socket takes no time") {
  const Ends pair = coil_test::make_socket_pair();
  const auto answer = [&]() -> coil::Coro<void> {
    for (;;) {
      std::string question = co_await read_text(pair.out);
      if (question.empty()) co_return;
      co_await write_text(pair.out, question + "!");
    }
  };
  const auto ask = [&]() -> coil::Coro<void> {
    for (int i = 0; i < 100; ++i) {
      co_await write_text(pair.in, std::to_string(i));
      const std::string reply = co_await read_text(pair.in);
      CHECK(reply == std::to_string(i) + "!");
    }
    ::shutdown(pair.in, SHUT_WR);
  };
  const auto body = [&]() -> coil::Coro<void> { co_await coil::gather(answer(), ask()); };
  co_await coil::timeout(1ns, body);
  CHECK(elapsed() == 0s);
}

// With nothing ready the clock jumped although the rest of the read was on its way back to the kernel.
IO_TEST("virtual time: read_exactly that finds all its parts is done before the next timer") {
  const Ends pair = coil_test::make_socket_pair(SOCK_DGRAM);
  for (const std::string_view part : {"ab", "cd", "ef"}) put(pair.in, part);
  std::string text(6, '-');
  const auto body = [&]() -> coil::Coro<void> {
    co_await coil::read_exactly(pair.out, std::as_writable_bytes(std::span(text)));
  };
  co_await coil::timeout(1ns, body);
  CHECK(text == "abcdef");
  CHECK(elapsed() == 0s);
}

IO_TEST("virtual time: operations on regular files are waited for, however short the timeout") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "content");
  const std::string path = folder / "file";
  const std::string large(2 << 20, 'x');
  const Fd much = folder.open("much", large);

  const auto read = [&]() -> coil::Coro<void> { co_await read_text(file); };
  const auto write = [&]() -> coil::Coro<void> { co_await write_text(file, "more"); };
  const auto read_much = [&]() -> coil::Coro<void> {
    std::string buffer(large.size(), ' ');
    co_await coil::read_exactly(much, std::as_writable_bytes(std::span(buffer)));
  };
  const auto write_much = [&]() -> coil::Coro<void> { co_await coil::write_all(much, large); };
  const auto sync = [&]() -> coil::Coro<void> { co_await coil::fsync(file); };
  const auto sync_data = [&]() -> coil::Coro<void> { co_await coil::fdatasync(file); };
  const auto open_and_close = [&]() -> coil::Coro<void> {
    const int fd = co_await coil::openat(AT_FDCWD, path, O_RDONLY);
    co_await coil::close(fd);
  };
  const auto look = [&]() -> coil::Coro<void> {
    const struct statx found = co_await coil::statx(AT_FDCWD, path, 0, STATX_SIZE);
    CHECK(found.stx_size >= 7);
  };
  const auto rename = [&]() -> coil::Coro<void> { co_await coil::renameat(AT_FDCWD, path, AT_FDCWD, folder / "new"); };
  const auto remove = [&]() -> coil::Coro<void> { co_await coil::unlinkat(AT_FDCWD, folder / "new"); };
  const auto make = [&]() -> coil::Coro<void> { co_await coil::mkdirat(AT_FDCWD, folder / "directory", 0700); };

  int ended = 0;
  ended += co_await coil::wait_for(done(read()), 1ns);
  ended += co_await coil::wait_for(done(write()), 1ns);
  ended += co_await coil::wait_for(done(read_much()), 1ns);
  ended += co_await coil::wait_for(done(write_much()), 1ns);
  ended += co_await coil::wait_for(done(sync()), 1ns);
  ended += co_await coil::wait_for(done(sync_data()), 1ns);
  ended += co_await coil::wait_for(done(open_and_close()), 1ns);
  ended += co_await coil::wait_for(done(look()), 1ns);
  ended += co_await coil::wait_for(done(rename()), 1ns);
  ended += co_await coil::wait_for(done(remove()), 1ns);
  ended += co_await coil::wait_for(done(make()), 1ns);
  CHECK(ended == 11);
  CHECK(elapsed() == 0s);
}

IO_TEST("virtual time: a sleeper waits until the files are done") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "");
  std::string order;
  const auto sleeper = [&]() -> coil::Coro<void> {
    co_await coil::sleep(1ns);
    order += "sleeper;";
  };
  const auto writer = [&]() -> coil::Coro<void> {
    for (int i = 0; i < 10; ++i) co_await write_text(file, "x");
    co_await coil::fsync(file);
    order += "writer;";
  };
  co_await coil::gather(sleeper(), writer());
  CHECK(order == "writer;sleeper;");
}

IO_TEST("virtual time: with no timer left the loop waits for a peer in real time") {
  const Ends pipe = coil_test::make_pipe();
  auto reading = coil::create_task(read_text(pipe.out));
  co_await coil_test::settle();
  std::thread peer([&] { put(pipe.in, "from outside"); });
  const std::string text = co_await reading;
  peer.join();
  CHECK(text == "from outside");
  CHECK(elapsed() == 0s);
}

TEST_CASE("real time: a timeout around a read of an empty pipe fires, and not too early") {
  coil_test::LeakCheck leaks;
  auto main = []() -> coil::Coro<void> {
    const Ends pipe = coil_test::make_pipe();
    const auto start = std::chrono::steady_clock::now();
    CHECK_AWAIT_THROWS(coil::wait_for(read_text(pipe.out), 5ms), coil::TimeoutError);
    CHECK(std::chrono::steady_clock::now() - start >= 5ms);
  };
  coil::run(main);
}
