// sendfile to a socket: large files, its place in the line of the writers, what happens when one side is closed.
#include <coil/coil.hpp>
#include <coil/testing.hpp>
#include <coil/transfer.hpp>

#include "../support/net_test.hpp"

#include <fcntl.h>

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil_test::Ends;
using coil_test::Fd;
using coil_test::numbers;
using coil_test::receive_all;
using coil_test::settle;

IO_TEST("sendfile: a file that is many times what the socket holds arrives whole, and the socket waits as before") {
  const coil_test::TemporaryDirectory folder;
  const std::string content = numbers(8'000'000);
  const Fd file = folder.open("file", content);
  Ends pair = coil_test::make_tcp_pair();
  auto receiving = coil::create_task(receive_all(pair.out));
  const std::size_t sent = co_await coil::sendfile(pair.in, file, 0, content.size() + 1000);
  CHECK(sent == content.size());
  CHECK((::fcntl(pair.in, F_GETFL) & O_NONBLOCK) == 0);
  pair.in.close();
  const std::string received = co_await receiving;
  CHECK(received == content);
}

IO_TEST("sendfile: what is not in the page cache is read by the ring") {
  const coil_test::TemporaryDirectory folder;
  const std::string content = numbers(3'000'000);
  const Fd file = folder.open("file", content);
  REQUIRE(::fsync(file) == 0);
  REQUIRE(::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0);
  Ends pair = coil_test::make_tcp_pair();
  auto receiving = coil::create_task(receive_all(pair.out));
  const std::size_t sent = co_await coil::sendfile(pair.in, file, 0, content.size());
  CHECK(sent == content.size());
  pair.in.close();
  const std::string received = co_await receiving;
  CHECK(received == content);
}

IO_TEST("sendfile: a file of /proc, which has no size and no page cache") {
  const Fd file(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  Ends pair = coil_test::make_socket_pair();
  const std::size_t sent = co_await coil::sendfile(pair.in, file, 0, 100'000);
  CHECK(sent > 100);
  pair.in.close();
  const std::string received = co_await receive_all(pair.out);
  CHECK(received.size() == sent);
  CHECK(received.starts_with("Name:"));
}

IO_TEST("sendfile: it keeps its place among the writers of an Fd") {
  const coil_test::TemporaryDirectory folder;
  const std::string content(5'000'000, 'f');
  const Fd file = folder.open("file", content);
  Ends pair = coil_test::make_tcp_pair();
  coil::Fd out(pair.in.release());
  const std::string before(3'000'000, 'a');
  const std::string after(3'000'000, 'z');
  auto receiving = coil::create_task(receive_all(pair.out));
  auto first = coil::create_task([](coil::Fd& to, const std::string& text) -> coil::Coro<void> {
    co_await coil::send_all(to, text);
  }(out, before));
  auto second = coil::create_task(coil::sendfile(out, file, 0, content.size()));
  auto third = coil::create_task(
      [](coil::Fd& to, const std::string& text) -> coil::Coro<void> { co_await coil::send_all(to, text); }(out, after));
  co_await first;
  co_await second;
  co_await third;
  co_await out.close();
  const std::string received = co_await receiving;
  CHECK(received == before + content + after);
}

IO_TEST("sendfile: closing the socket ends it at once, closing the file when there is room again") {
  const coil_test::TemporaryDirectory folder;
  const std::string content(8'000'000, 'f');
  for (const bool close_file : {true, false}) {
    coil::Fd file(folder.open("file", content).release());
    Ends pair = coil_test::make_tcp_pair();
    coil::Fd out(pair.in.release());
    std::size_t progress = 0;
    auto sending = coil::create_task(coil::sendfile(out, file, 0, content.size(), &progress));
    while (progress == 0) co_await coil::yield();
    for (int i = 0; i < 100; ++i) co_await settle();
    CHECK(!sending.done());
    co_await (close_file ? file : out).close();
    if (close_file) {
      auto receiving = coil::create_task(receive_all(pair.out));
      CHECK_AWAIT_THROWS(sending, std::system_error);
      co_await out.close();
      const std::string received = co_await receiving;
      CHECK(received.size() == progress);
    } else {
      CHECK_AWAIT_THROWS(sending, std::system_error);
    }
    CHECK(progress < content.size());
  }
}

IO_TEST("sendfile: cancelled while it waits for the peer, it says how much was sent") {
  const coil_test::TemporaryDirectory folder;
  const std::string content = numbers(8'000'000);
  const Fd file = folder.open("file", content);
  Ends pair = coil_test::make_tcp_pair();
  std::size_t progress = 0;
  auto sending = coil::create_task(coil::sendfile(pair.in, file, std::nullopt, content.size(), &progress));
  for (int i = 0; i < 100; ++i) co_await settle();
  sending.cancel();
  CHECK_AWAIT_THROWS(sending, coil::CancelledError);
  CHECK(progress > 0);
  CHECK(::lseek(file, 0, SEEK_CUR) == static_cast<off_t>(progress));
  pair.in.close();
  const std::string received = co_await receive_all(pair.out);
  CHECK(received == content.substr(0, progress));
}
