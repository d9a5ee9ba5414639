// What the kernel may do and seldom does: short transfers, interruptions. Played by the shim.
#include <coil/descriptor.hpp>

#include "../support/io_test.hpp"
#include "../support/ring_shim.hpp"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

using coil_test::Ends;
using coil_test::Fd;
using coil_test::GuardedBuffer;
using coil_test::put;
using coil_test::read_text;
using coil_test::RingShim;
using coil_test::write_text;

namespace {

/// Random numbers, the same again with COIL_SEED set to the seed that a failure shows.
class Dice {
public:
  Dice() {
    const char* given = std::getenv("COIL_SEED");
    seed = given != nullptr ? static_cast<unsigned>(std::atoi(given)) : std::random_device()();
    engine_.seed(seed);
  }
  std::size_t below(std::size_t end) { return std::uniform_int_distribution<std::size_t>(0, end - 1)(engine_); }
  unsigned seed;

private:
  std::mt19937 engine_;
};

/// EINTR, and the numbers that the kernel means for itself: ERESTARTSYS to ERESTART_RESTARTBLOCK.
constexpr int interruptions[] = {-EINTR, -512, -513, -514, -515, -516};

bool is_transfer(const io_uring_sqe& sqe) { return sqe.opcode == IORING_OP_READ || sqe.opcode == IORING_OP_WRITE; }

/// Answers `result` to the next submission of `opcode`, and counts how often it is submitted.
class Answer {
public:
  Answer(int opcode, int result) {
    shim_.submission = [this, opcode, result](io_uring_sqe& sqe) {
      if (sqe.opcode == opcode && submitted++ == 0) shim_.answer(sqe, result);
    };
  }
  int submitted = 0;

private:
  RingShim shim_;
};

}  // namespace

// ---- Short transfers -------------------------------------------------------------------------------------

IO_TEST("short: read_exactly and write_all go on, byte for byte, from where they were") {
  const Ends pair = coil_test::make_socket_pair();
  std::string sent;
  for (int i = 0; i < 2000; ++i) sent += std::to_string(i);
  RingShim shim;
  shim.submission = [](io_uring_sqe& sqe) {
    if (is_transfer(sqe)) sqe.len = 1;
  };
  std::string received(sent.size(), '-');
  const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(coil::write_all(pair.in, sent));
    co_await coil::read_exactly(pair.out, std::as_writable_bytes(std::span(received)));
  };
  co_await coil::task_group(body);
  CHECK(received == sent);
}

IO_TEST("short: of every length at random, also in files, read_exactly and write_all pass on all") {
  Dice dice;
  CAPTURE(dice.seed);
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "");
  std::string sent(300'000, ' ');
  for (char& byte : sent) byte = static_cast<char>(dice.below(256));
  RingShim shim;
  shim.submission = [&](io_uring_sqe& sqe) {
    if (is_transfer(sqe)) sqe.len = static_cast<unsigned>(1 + dice.below(std::min(sqe.len, 5000U)));
  };
  co_await coil::write_all(file, sent);
  CHECK(::lseek(file, 0, SEEK_SET) == 0);
  std::string received(sent.size(), '-');
  co_await coil::read_exactly(file, std::as_writable_bytes(std::span(received)));
  CHECK(received == sent);
}

IO_TEST("short: read and write return what was done") {
  const Ends pipe = coil_test::make_pipe();
  RingShim shim;
  shim.submission = [](io_uring_sqe& sqe) {
    if (is_transfer(sqe)) sqe.len = std::min(sqe.len, 3U);
  };
  const std::size_t written = co_await write_text(pipe.in, "abcdef");
  CHECK(written == 3);
  const std::string text = co_await read_text(pipe.out);
  CHECK(text == "abc");
}

IO_TEST("short: a device that takes nothing is EIO, not asked for ever") {
  const Ends pipe = coil_test::make_pipe();
  Answer answer(IORING_OP_WRITE, 0);
  CHECK_AWAIT_FAILS_WITH(coil::write_all(pipe.in, "text"),
                         "write(fd " + std::to_string(pipe.in) + "): Input/output error");
  CHECK(answer.submitted == 1);
}

// ---- Interruptions ---------------------------------------------------------------------------------------

IO_TEST("interrupted: a read is tried again") {
  const Ends pipe = coil_test::make_pipe();
  for (const int interruption : interruptions) {
    CAPTURE(interruption);
    put(pipe.in, "text");
    RingShim shim;
    int left = 3;
    shim.submission = [&](io_uring_sqe& sqe) {
      if (sqe.opcode == IORING_OP_READ && sqe.fd == pipe.out && left-- > 0) shim.answer(sqe, interruption);
    };
    const std::string text = co_await read_text(pipe.out);
    CHECK(text == "text");
  }
}

IO_TEST("interrupted: file operations are tried again") {
  const coil_test::TemporaryDirectory folder;
  const std::string path = folder.file("file", "content");
  const Fd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  for (const int interruption : interruptions) {
    CAPTURE(interruption);
    {
      Answer answer(IORING_OP_OPENAT, interruption);
      const Fd opened(co_await coil::openat(AT_FDCWD, path, O_RDONLY));
      CHECK(answer.submitted == 2);
    }
    {
      Answer answer(IORING_OP_STATX, interruption);
      const struct statx found = co_await coil::statx(AT_FDCWD, path, 0, STATX_SIZE);
      CHECK(found.stx_size == 7);
      CHECK(answer.submitted == 2);
    }
    {
      Answer answer(IORING_OP_FSYNC, interruption);
      co_await coil::fsync(file);
      CHECK(answer.submitted == 2);
    }
    Answer answer(IORING_OP_WRITE, interruption);
    const std::size_t written = co_await coil::write(file, std::string_view("C"), 0);
    CHECK(written == 1);
    CHECK(answer.submitted == 2);
  }
}

// The descriptor is gone whatever close says: to close it again would close another's.
IO_TEST("interrupted: close is not tried again, and has closed") {
  for (const int interruption : interruptions) {
    CAPTURE(interruption);
    Fd fd = coil_test::make_eventfd();
    Answer answer(IORING_OP_CLOSE, interruption);
    co_await coil::close(fd);
    CHECK(answer.submitted == 1);
  }
}

IO_TEST("interrupted: after a request to cancel it counts as cancelled") {
  const Ends pipe = coil_test::make_pipe();
  for (const int interruption : interruptions) {
    CAPTURE(interruption);
    RingShim shim;
    shim.completions = [&](std::span<io_uring_cqe*> batch) {
      for (io_uring_cqe* cqe : batch)
        if (cqe->res == -ECANCELED) cqe->res = interruption;
    };
    auto reading = coil::create_task(read_text(pipe.out));
    co_await coil_test::settle();
    reading.cancel();
    CHECK_AWAIT_THROWS(reading, coil::CancelledError);
  }
}

IO_TEST("interrupted: read_exactly and write_all keep what they have") {
  Dice dice;
  CAPTURE(dice.seed);
  const Ends pair = coil_test::make_socket_pair();
  std::string sent(200'000, ' ');
  for (char& byte : sent) byte = static_cast<char>(dice.below(256));
  RingShim shim;
  shim.submission = [&](io_uring_sqe& sqe) {
    if (!is_transfer(sqe) || (sqe.fd != pair.in && sqe.fd != pair.out)) return;
    sqe.len = static_cast<unsigned>(1 + dice.below(std::min(sqe.len, 3000U)));
    const std::size_t what = dice.below(10);
    if (what < std::size(interruptions)) shim.answer(sqe, interruptions[what]);
    if (what == 6) shim.answer(sqe, -EAGAIN);
  };
  std::string received(sent.size(), '-');
  const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(coil::write_all(pair.in, sent));
    co_await coil::read_exactly(pair.out, std::as_writable_bytes(std::span(received)));
  };
  co_await coil::task_group(body);
  CHECK(received == sent);
}

// ---- Errors ----------------------------------------------------------------------------------------------

IO_TEST("errors: what the kernel answers is what is thrown, for every errno there is") {
  const Ends pipe = coil_test::make_pipe();
  for (int error = 1; error <= 133; ++error) {
    if (error == EINTR || error == EAGAIN || error == EFAULT) continue;
    CAPTURE(error);
    Answer answer(IORING_OP_READ, -error);
    int thrown = 0;
    try {
      co_await read_text(pipe.out);
    } catch (const std::system_error& failure) {
      thrown = failure.code().value();
    }
    CHECK(thrown == error);
  }
}

IO_TEST("errors: read_exactly and write_all say how far they came before one") {
  const Ends pipe = coil_test::make_pipe();
  put(pipe.in, "abc");
  RingShim shim;
  int transfers = 0;
  shim.submission = [&](io_uring_sqe& sqe) {
    if (!is_transfer(sqe) || (sqe.fd != pipe.in && sqe.fd != pipe.out)) return;
    sqe.len = 2;
    if (++transfers % 2 == 0) shim.answer(sqe, -EIO);
  };
  std::size_t progress = 0;
  const GuardedBuffer buffer(3);
  CHECK_AWAIT_THROWS(coil::read_exactly(pipe.out, buffer.bytes(), &progress), std::system_error);
  CHECK(progress == 2);
  CHECK(buffer.text(2) == "ab");
  CHECK_AWAIT_THROWS(coil::write_all(pipe.in, "xyz", &progress), std::system_error);
  CHECK(progress == 2);
  CHECK(coil_test::take_all(pipe.out) == "cxy");
}
