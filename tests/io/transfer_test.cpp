// splice and sendfile.
#include <coil/transfer.hpp>

#include "../support/net_test.hpp"

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil_test::Ends;
using coil_test::Fd;
using coil_test::numbers;
using coil_test::put;
using coil_test::receive_all;
using coil_test::settle;
using coil_test::take_all;

namespace {

std::size_t threads() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) ++count;
  return count;
}

}  // namespace

// ---- splice ----------------------------------------------------------------------------------------------

IO_TEST("splice: moves bytes from a file at an offset to a pipe, and on to a socket") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "abcdefgh");
  const Ends pipe = coil_test::make_pipe();
  const Ends pair = coil_test::make_socket_pair();
  const std::size_t in = co_await coil::splice(file, 2, pipe.in, -1, 4);
  CHECK(in == 4);
  CHECK(::lseek(file, 0, SEEK_CUR) == 0);
  const std::size_t out = co_await coil::splice(pipe.out, pair.in, 100);
  CHECK(out == 4);
  CHECK(take_all(pair.out) == "cdef");
}

IO_TEST("splice: waits for bytes, and for room") {
  const Ends from = coil_test::make_socket_pair();
  const Ends pipe = coil_test::make_pipe();
  auto moving = coil::create_task(coil::splice(from.out, pipe.in, 100));
  co_await settle();
  CHECK(!moving.done());
  put(from.in, "text");
  const std::size_t moved = co_await moving;
  CHECK(moved == 4);

  const std::size_t full = coil_test::fill_up(pipe.in);
  put(from.in, "more");
  auto waiting = coil::create_task(coil::splice(from.out, pipe.in, 100));
  co_await settle();
  CHECK(!waiting.done());
  std::string all = take_all(pipe.out);  // the kernel may move the rest already meanwhile
  co_await waiting;
  all += take_all(pipe.out);
  CHECK(all.size() == 4 + full + 4);
  CHECK(all.ends_with("more"));
}

IO_TEST("splice: is 0 at the end, and for nothing to move") {
  Ends from = coil_test::make_socket_pair();
  const Ends pipe = coil_test::make_pipe();
  const std::size_t nothing = co_await coil::splice(from.out, pipe.in, 0);
  CHECK(nothing == 0);
  from.in.close();
  const std::size_t end = co_await coil::splice(from.out, pipe.in, 100);
  CHECK(end == 0);
}

IO_TEST("splice: with SPLICE_F_NONBLOCK what would wait is EAGAIN") {
  const Ends from = coil_test::make_pipe();
  const Ends pipe = coil_test::make_pipe();
  CHECK_AWAIT_FAILS_WITH(coil::splice(from.out, pipe.in, 100, SPLICE_F_NONBLOCK),
                         "splice: Resource temporarily unavailable");
}

IO_TEST("splice: errors name the call and the descriptor") {
  const Ends pair = coil_test::make_socket_pair();
  const Ends other = coil_test::make_socket_pair();
  CHECK_AWAIT_FAILS_WITH(coil::splice(pair.out, other.in, 100),
                         "splice(fd " + std::to_string(other.in) + "): Invalid argument");
}

// Each that waited was a thread of the kernel.
IO_TEST("splice: two hundred that wait take no threads, and are cancelled without losing a byte") {
  std::vector<Ends> sources;
  std::vector<Ends> pipes;
  std::vector<coil::Task<std::size_t>> moving;
  for (int i = 0; i < 200; ++i) {
    sources.push_back(coil_test::make_socket_pair());
    pipes.push_back(coil_test::make_pipe());
    moving.push_back(coil::create_task(coil::splice(sources.back().out, pipes.back().in, 100)));
  }
  for (int i = 0; i < 100; ++i) co_await settle();
  CHECK(threads() < 64);
  for (const auto& task : moving) task.cancel();
  for (const auto& task : moving) CHECK_AWAIT_THROWS(task, coil::CancelledError);
  for (const Ends& source : sources) {
    put(source.in, "x");
    CHECK(take_all(source.out) == "x");
  }
}

IO_TEST("splice: one that waits does not hold the virtual clock") {
  const Ends from = coil_test::make_pipe();
  const Ends pipe = coil_test::make_pipe();
  CHECK_AWAIT_THROWS(coil::wait_for(coil::splice(from.out, pipe.in, 100), 1h), coil::TimeoutError);
  CHECK(coil_test::elapsed() == 1h);
}

IO_TEST("splice: ends when one of its descriptors is closed") {
  Ends from = coil_test::make_pipe();
  Ends pipe = coil_test::make_pipe();
  coil::Fd in(from.out.release());
  coil::Fd out(pipe.in.release());
  auto moving = coil::create_task(coil::splice(in, out, 100));
  co_await settle();
  co_await in.close();
  CHECK_AWAIT_THROWS(moving, std::system_error);
  CHECK_AWAIT_THROWS(coil::splice(in, out, 100), std::system_error);
  co_await out.close();
}

IO_TEST("splice: a descriptor that it was begun with stays open until it is over") {
  Ends from = coil_test::make_pipe();
  const Ends to = coil_test::make_pipe();
  put(from.in, "text");
  coil::Fd in(from.out.release());
  const auto close_it = [&]() -> coil::Coro<void> {
    in.close_now();
    co_return;
  };
  auto moving = coil::create_task(coil::splice(in, to.in, 100));
  auto closing = coil::create_task(close_it());  // in the same turn, before the kernel has seen the splice
  const std::size_t moved = co_await moving;
  CHECK(moved == 4);
  CHECK(take_all(to.out) == "text");
  co_await closing;
}

// ---- sendfile --------------------------------------------------------------------------------------------

IO_TEST("sendfile: sends a file, a part of it, and what is left of it") {
  const coil_test::TemporaryDirectory folder;
  const std::string content = numbers(1'000'000);
  const Fd file = folder.open("file", content);
  Ends pair = coil_test::make_tcp_pair();
  auto receiving = coil::create_task(receive_all(pair.out));
  const std::size_t whole = co_await coil::sendfile(pair.in, file, 0, content.size());
  const std::size_t part = co_await coil::sendfile(pair.in, file, 1000, 10);
  const std::size_t rest = co_await coil::sendfile(pair.in, file, content.size() - 5, 100);
  const std::size_t nothing = co_await coil::sendfile(pair.in, file, content.size(), 100);
  CHECK(whole == content.size());
  CHECK(part == 10);
  CHECK(rest == 5);
  CHECK(nothing == 0);
  CHECK(::lseek(file, 0, SEEK_CUR) == 0);
  pair.in.close();
  const std::string received = co_await receiving;
  CHECK(received == content + content.substr(1000, 10) + content.substr(content.size() - 5));
}

IO_TEST("sendfile: without an offset the file position is used, and moves on") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "abcdefgh");
  const Ends pipe = coil_test::make_pipe();
  const std::size_t first = co_await coil::sendfile(pipe.in, file, 3);
  CHECK(first == 3);
  CHECK(::lseek(file, 0, SEEK_CUR) == 3);
  std::size_t progress = 0;
  const std::size_t second = co_await coil::sendfile(pipe.in, file, std::nullopt, 100, &progress);
  CHECK(second == 5);
  CHECK(progress == 5);
  CHECK(::lseek(file, 0, SEEK_CUR) == 8);
  CHECK(take_all(pipe.out) == "abcdefgh");
}

IO_TEST("sendfile: one that is cancelled halfway leaves the position behind what was sent") {
  const coil_test::TemporaryDirectory folder;
  const std::string content = numbers(2'000'000);
  const Fd file = folder.open("file", content);
  const Ends pipe = coil_test::make_pipe();
  std::size_t progress = 77;
  auto sending = coil::create_task(coil::sendfile(pipe.in, file, std::nullopt, content.size(), &progress));
  for (int i = 0; i < 100; ++i) co_await settle();
  sending.cancel();
  CHECK_AWAIT_THROWS(sending, coil::CancelledError);
  const std::string received = take_all(pipe.out);
  CHECK(!received.empty());
  CHECK(received == content.substr(0, received.size()));
  CHECK(progress == received.size());
  CHECK(::lseek(file, 0, SEEK_CUR) == static_cast<off_t>(received.size()));
}

IO_TEST("sendfile: to a peer that goes away is EPIPE or ECONNRESET, and says how far it came") {
  const coil_test::TemporaryDirectory folder;
  const std::string content = numbers(4'000'000);
  const Fd file = folder.open("file", content);
  Ends pair = coil_test::make_socket_pair();
  std::size_t progress = 0;
  auto sending = coil::create_task(coil::sendfile(pair.in, file, 0, content.size(), &progress));
  for (int i = 0; i < 100; ++i) co_await settle();
  pair.out.close();
  CHECK_AWAIT_THROWS(sending, std::system_error);
  CHECK(progress > 0);
  CHECK(progress < content.size());
}

IO_TEST("sendfile: from a pipe is ESPIPE, and takes nothing") {
  const Ends from = coil_test::make_pipe();
  const Ends to = coil_test::make_pipe();
  put(from.in, "text");
  CHECK_AWAIT_FAILS_WITH(coil::sendfile(to.in, from.out, 4), "sendfile: Illegal seek");
  CHECK(take_all(from.out) == "text");
}

IO_TEST("sendfile: two at once to one Fd are not mixed, and with an offset leave the position alone") {
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", std::string(1000, 'a') + std::string(1000, 'b'));
  Ends pair = coil_test::make_socket_pair();
  const coil::Fd out(pair.in.release());
  co_await coil::gather(coil::sendfile(out, file, 0, 1000), coil::sendfile(out, file, 1000, 1000));
  CHECK(take_all(pair.out) == std::string(1000, 'a') + std::string(1000, 'b'));
}
