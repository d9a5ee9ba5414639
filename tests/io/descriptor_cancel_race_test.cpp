// Cancellation against completion, ten thousand times each: one of them wins, and nothing is lost or done twice.
#include <coil/descriptor.hpp>

#include "../support/io_test.hpp"
#include "../support/race.hpp"

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>

using coil_test::Ends;
using coil_test::Fd;
using coil_test::GuardedBuffer;
using coil_test::orders;
using coil_test::put;
using coil_test::race;
using coil_test::read_text;
using coil_test::rounds;
using coil_test::Tally;
using coil_test::write_text;

namespace {

/// A read of one byte races with a cancel; the byte is returned, or left for the next one.
coil::Coro<void> race_reads(const Ends& ends) {
  Tally tally;
  for (int round = 0; round < rounds; ++round) {
    CAPTURE(round);
    const std::string byte(1, static_cast<char>('a' + round % 26));
    const auto send = [&] { put(ends.in, byte); };
    const auto outcome = co_await race(round % orders, read_text(ends.out, 1), send, tally);
    std::string left;
    if (outcome.cancelled()) left = co_await read_text(ends.out, 10);
    REQUIRE((outcome.cancelled() ? left : outcome.value()) == byte);
  }
  CHECK(coil_test::take_all(ends.out) == "");
  CHECK(coil_test::metrics().submissions == coil_test::metrics().completions);
}

}  // namespace

IO_TEST("race: a byte written into a pipe is returned by the read that was cancelled, or by the next one") {
  const Ends pipe = coil_test::make_pipe();
  co_await race_reads(pipe);
}

IO_TEST("race: the same with a Unix stream socket") {
  const Ends pair = coil_test::make_socket_pair();
  co_await race_reads(pair);
}

IO_TEST("race: the same with a Unix datagram socket") {
  const Ends pair = coil_test::make_socket_pair(SOCK_DGRAM);
  co_await race_reads(pair);
}

IO_TEST("race: the same with a TCP connection") {
  const Ends pair = coil_test::make_tcp_pair();
  co_await race_reads(pair);
}

IO_TEST("race: the same with a pipe that does not block") {
  const Ends pipe = coil_test::make_pipe(O_NONBLOCK);
  co_await race_reads(pipe);
}

IO_TEST("race: a request that came too late for a read is not thrown at the yield of another task") {
  const Ends pipe = coil_test::make_pipe();
  auto reader = coil::create_task(read_text(pipe.out, 1));
  co_await coil_test::settle();
  put(pipe.in, "x");
  coil::get_running_loop().call_soon([&] { reader.cancel(); });
  co_await coil::yield();  // the read is complete, then it is cancelled, then its task has the result
  co_await coil::yield();
  CHECK(reader.result() == "x");
}

IO_TEST("race: an eventfd is counted down by the read that returns, and only by that") {
  const Fd counter = coil_test::make_eventfd(0, EFD_SEMAPHORE);
  Tally tally;
  const std::uint64_t one = 1;
  const auto count = [&] { put(counter, {reinterpret_cast<const char*>(&one), sizeof one}); };
  for (int round = 0; round < rounds; ++round) {
    CAPTURE(round);
    const auto outcome = co_await race(round % orders, read_text(counter, 8), count, tally);
    if (outcome.cancelled()) co_await read_text(counter, 8);
  }
  CHECK(coil_test::take_all(counter) == "");
}

IO_TEST("race: read_exactly in two halves returns all, or progress says what it took") {
  const Ends pipe = coil_test::make_pipe();
  Tally tally;
  std::size_t progress = 0;
  const GuardedBuffer buffer(4);
  const auto read_four = [&]() -> coil::Coro<int> {
    co_await coil::read_exactly(pipe.out, buffer.bytes(), &progress);
    co_return 4;
  };
  const auto send_rest = [&] { put(pipe.in, "cd"); };
  for (int round = 0; round < rounds; ++round) {
    CAPTURE(round);
    put(pipe.in, "ab");
    progress = 0;
    const auto outcome = co_await race(round % orders, read_four(), send_rest, tally);
    const std::string left = coil_test::take_all(pipe.out);
    REQUIRE(buffer.text(progress) + left == "abcd");
    if (outcome.has_value()) REQUIRE(progress == 4);
  }
}

IO_TEST("race: a write that waited for room says that it was written, or was not") {
  const Ends pipe = coil_test::make_pipe();
  REQUIRE(::fcntl(pipe.in, F_SETPIPE_SZ, 4096) == 4096);
  Tally tally;
  std::size_t taken = 0;
  const auto make_room = [&] {
    const std::string all = coil_test::take_all(pipe.out);
    taken += static_cast<std::size_t>(std::count(all.begin(), all.end(), 'x'));
  };
  std::size_t written = 0;
  for (int round = 0; round < rounds; ++round) {
    coil_test::fill_up(pipe.in);
    const auto outcome = co_await race(round % orders, write_text(pipe.in, "x"), make_room, tally);
    if (outcome.has_value()) written += outcome.value();
    make_room();
    REQUIRE(written == taken);
  }
}

IO_TEST("race: a poll that is cancelled takes nothing away") {
  const Ends pipe = coil_test::make_pipe();
  Tally tally;
  const auto wait = [&]() -> coil::Coro<int> {
    co_await coil::readable(pipe.out);
    co_return 1;
  };
  const auto send = [&] { put(pipe.in, "x"); };
  for (int round = 0; round < rounds; ++round) {
    CAPTURE(round);
    co_await race(round % orders, wait(), send, tally);
    REQUIRE(coil_test::take_all(pipe.out) == "x");
  }
}

// ---- Against another thread ------------------------------------------------------------------------------

namespace {

/// Writes one byte to `fd` each time it is told to, from another thread.
class Writer {
public:
  explicit Writer(int fd) : thread_([this, fd] { work(fd); }) {}
  ~Writer() {
    told_ = -1;
    told_.notify_one();
    thread_.join();
  }
  /// Returns at once.
  void tell(char byte) {
    written_ = false;
    told_ = byte;
    told_.notify_one();
  }
  void wait_until_written() const { written_.wait(false); }

private:
  void work(int fd) {
    for (;;) {
      told_.wait(0);
      const int byte = told_.exchange(0);
      if (byte < 0) return;
      put(fd, std::string(1, static_cast<char>(byte)));
      written_ = true;
      written_.notify_one();
    }
  }
  std::atomic<int> told_ = 0;
  std::atomic<bool> written_ = true;
  std::thread thread_;
};

coil::Coro<void> race_with_thread(const Ends& ends) {
  Writer writer(ends.in);
  for (int round = 0; round < rounds; ++round) {
    CAPTURE(round);
    const char byte = static_cast<char>('a' + round % 26);
    auto task = coil::create_task(read_text(ends.out, 1));
    for (int i = 0; i < round % 3; ++i) co_await coil::yield();
    writer.tell(byte);
    for (int i = 0; i < round % 7; ++i) co_await coil::yield();
    for (int i = 0; i < round % 499; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
    task.cancel();
    auto outcome = co_await coil::as_result(task);
    std::string left;
    if (outcome.cancelled()) left = co_await read_text(ends.out, 10);
    REQUIRE((outcome.cancelled() ? left : outcome.value()) == std::string(1, byte));
    writer.wait_until_written();
  }
}

}  // namespace

IO_TEST("race: against a thread that writes into a pipe, no byte is lost") {
  const Ends pipe = coil_test::make_pipe();
  co_await race_with_thread(pipe);
}

IO_TEST("race: against a thread that writes into a TCP connection, no byte is lost") {
  const Ends pair = coil_test::make_tcp_pair();
  co_await race_with_thread(pair);
}
