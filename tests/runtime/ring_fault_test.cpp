// The ring when the kernel is difficult: calls that fail, completions in any order, late and twice. Played by the shim.
#include <coil/detail/ring.hpp>

#include "../support/child.hpp"
#include "../support/io_test.hpp"
#include "../support/ring_shim.hpp"

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using coil_test::Ends;
using coil_test::Fd;
using coil_test::metrics;
using coil_test::put;
using coil_test::read_text;
using coil_test::RingShim;
using coil_test::settle;
using coil_test::write_text;

namespace {

// Release builds spare the check, so what it says cannot be tested there.
#ifdef NDEBUG
constexpr bool checks_generations = false;
#else
constexpr bool checks_generations = true;
#endif

unsigned seed_of_this_run() {
  const char* given = std::getenv("COIL_SEED");
  return given != nullptr ? static_cast<unsigned>(std::atoi(given)) : std::random_device()();
}

/// Sends texts through pipes and cancels reads in between; everything has to arrive.
coil::Coro<void> mixed_work(int rounds) {
  const auto talk = [](int number, int times) -> coil::Coro<void> {
    const Ends pair = coil_test::make_socket_pair();
    for (int i = 0; i < times; ++i) {
      auto early = coil::create_task(read_text(pair.out));
      if (i % 2 == 0) co_await coil::yield();
      early.cancel();
      CHECK_AWAIT_THROWS(early, coil::CancelledError);
      auto reading = coil::create_task(read_text(pair.out));
      const std::string sent = std::to_string(number * 1000 + i);
      co_await write_text(pair.in, sent);
      const std::string received = co_await reading;
      CHECK(received == sent);
    }
  };
  std::vector<coil::Coro<void>> talks;
  for (int i = 0; i < 20; ++i) talks.push_back(talk(i, rounds));
  co_await coil::gather(std::move(talks));
}

/// Runs `main` with rings of one entry and of the usual size; everything has to be gone at the end.
template <class F>
void run_small_and_large(F main) {
  for (const unsigned entries : {1U, 256U}) {
    CAPTURE(entries);
    coil_test::LeakCheck leaks;
    const auto whole = [&]() -> coil::Coro<void> {
      co_await main();
      co_await coil_test::end_operations();
    };
    coil::run(whole, coil::RunOptions{.ring_entries = entries});
  }
}

}  // namespace

// The kernel does not find an operation that it is about to try again, as a connect to a Unix socket whose queue is
// full, says ENOENT, and goes on with it. The task waited for ever.
TEST_CASE("cancel: one that the kernel does not find while it goes on with the operation is tried again") {
  run_small_and_large([]() -> coil::Coro<void> {
    const Ends pipe = coil_test::make_pipe();
    int asked = 0;
    RingShim shim;
    shim.submission = [&](io_uring_sqe& sqe) {
      if (sqe.opcode == IORING_OP_ASYNC_CANCEL && ++asked <= 3) shim.answer(sqe, -ENOENT);
    };
    auto reading = coil::create_task(read_text(pipe.out));
    co_await settle();
    reading.cancel();
    CHECK_AWAIT_THROWS(reading, coil::CancelledError);
    CHECK(asked == 4);
  });
}

TEST_CASE("cancel: one that comes too late is not tried again") {
  run_small_and_large([]() -> coil::Coro<void> {
    const Ends pipe = coil_test::make_pipe();
    int asked = 0;
    RingShim shim;
    shim.submission = [&](io_uring_sqe& sqe) { asked += sqe.opcode == IORING_OP_ASYNC_CANCEL; };
    auto reading = coil::create_task(read_text(pipe.out));
    co_await settle();
    put(pipe.in, "text");
    reading.cancel();
    [[maybe_unused]] const auto outcome = co_await coil::as_result(reading);
    co_await settle();
    CHECK(asked <= 1);
  });
}

// ---- Calls that fail -------------------------------------------------------------------------------------

TEST_CASE("enter: EINTR, EAGAIN, EBUSY, ENOMEM and ETIME half of the time cost turns, nothing else") {
  const unsigned seed = seed_of_this_run();
  CAPTURE(seed);
  for (const int error : {EINTR, EAGAIN, EBUSY, ENOMEM, ETIME}) {
    CAPTURE(error);
    run_small_and_large([&]() -> coil::Coro<void> {
      std::minstd_rand random(seed);
      RingShim shim;
      shim.enter = [&] { return random() % 2 == 0 ? -error : 0; };
      co_await mixed_work(10);
    });
  }
}

TEST_CASE("enter: while nothing can be submitted operations wait in line, and go out in order") {
  coil_test::LeakCheck leaks;
  auto main = []() -> coil::Coro<void> {
    const Ends pipe = coil_test::make_pipe();
    int refused = 0;
    RingShim shim;
    shim.enter = [&] { return refused++ < 200 ? -EBUSY : 0; };
    std::string expected;
    std::vector<coil::Coro<std::size_t>> writers;
    for (int i = 0; i < 100; ++i) {
      const std::string text = std::to_string(i) + ' ';
      expected += text;
      writers.push_back(write_text(pipe.in, text));
    }
    co_await coil::gather(std::move(writers));
    CHECK(refused > 200);
    CHECK(coil_test::take_all(pipe.out) == expected);
  };
  coil::run(main, coil::RunOptions{.ring_entries = 4});
}

TEST_CASE("enter: what is made when there is room again goes out after what waits in line") {
  coil_test::LeakCheck leaks;
  auto main = []() -> coil::Coro<void> {
    const Ends pipe = coil_test::make_pipe();
    bool refuse = true;
    RingShim shim;
    shim.enter = [&] { return refuse ? -EBUSY : 0; };
    std::vector<coil::Task<std::size_t>> writers;
    for (int i = 0; i < 20; ++i) writers.push_back(coil::create_task(write_text(pipe.in, "1")));
    co_await coil::yield();
    refuse = false;
    co_await write_text(pipe.in, "2");
    for (const auto& writer : writers) co_await writer;
    CHECK(coil_test::take_all(pipe.out) == std::string(20, '1') + "2");
  };
  coil::run(main, coil::RunOptions{.ring_entries = 4});
}

TEST_CASE("enter: operations that are cancelled while they wait in line never reach the kernel") {
  coil_test::LeakCheck leaks;
  auto main = []() -> coil::Coro<void> {
    const Ends pipe = coil_test::make_pipe();
    bool refuse = true;
    int written = 0;
    RingShim shim;
    shim.enter = [&] { return refuse ? -EAGAIN : 0; };
    shim.submission = [&](io_uring_sqe& sqe) { written += sqe.opcode == IORING_OP_WRITE; };
    std::vector<coil::Task<std::size_t>> writers;
    for (int i = 0; i < 100; ++i) writers.push_back(coil::create_task(write_text(pipe.in, "x")));
    co_await settle();
    CHECK(metrics().operations_in_flight == 100);
    for (const auto& writer : writers) writer.cancel();
    co_await settle();
    const auto done = [](const auto& writer) { return writer.done(); };
    CHECK(std::count_if(writers.begin(), writers.end(), done) >= 90);  // all but those in the submission queue
    refuse = false;
    std::size_t sent = 0;
    for (const auto& writer : writers) {
      auto outcome = co_await coil::as_result(writer);
      if (outcome.has_value()) sent += outcome.value();
    }
    CHECK(written <= 8);
    CHECK(coil_test::take_all(pipe.out).size() == sent);
  };
  coil::run(main, coil::RunOptions{.ring_entries = 4});
}

TEST_CASE("enter: a cancellation that finds no room is sent later; the operation may end before") {
  coil_test::LeakCheck leaks;
  auto main = []() -> coil::Coro<void> {
    std::vector<Ends> pipes;
    for (int i = 0; i < 50; ++i) pipes.push_back(coil_test::make_pipe());
    std::vector<coil::Task<std::string>> readers;
    for (const Ends& pipe : pipes) readers.push_back(coil::create_task(read_text(pipe.out)));
    co_await settle();
    int refused = 0;
    RingShim shim;
    shim.enter = [&] { return refused++ < 100 ? -EAGAIN : 0; };
    for (const auto& reader : readers) reader.cancel();
    for (const Ends& pipe : pipes) put(pipe.in, "x");
    for (std::size_t i = 0; i < readers.size(); ++i) {
      auto outcome = co_await coil::as_result(readers[i]);
      CHECK((outcome.has_value() ? outcome.value() : "") + coil_test::take_all(pipes[i].out) == "x");
    }
    co_await coil_test::end_operations();
  };
  coil::run(main, coil::RunOptions{.ring_entries = 4});
}

TEST_CASE("enter: completions that the kernel dropped end the program with a sentence") {
  const auto child = coil_test::in_child([] {
    auto main = []() -> coil::Coro<void> {
      RingShim shim;
      shim.enter = [] { return -EBADR; };
      const Ends pipe = coil_test::make_pipe();
      co_await read_text(pipe.out);
    };
    coil::run(main);
    return 0;
  });
  CAPTURE(child.output);
  CHECK(child.killed_by(SIGABRT));
  CHECK(child.said("coil: "));
  CHECK(child.said("EBADR"));
}

TEST_CASE("enter: any other error ends the program with a sentence") {
  for (const int error : {EEXIST, EBADF, EINVAL, EFAULT, ENXIO}) {
    CAPTURE(error);
    const auto child = coil_test::in_child([error] {
      auto main = [error]() -> coil::Coro<void> {
        RingShim shim;
        shim.enter = [error] { return -error; };
        co_await read_text(STDIN_FILENO);
      };
      coil::run(main);
      return 0;
    });
    CAPTURE(child.output);
    CHECK(child.killed_by(SIGABRT));
    CHECK(child.said("io_uring_enter failed"));
  }
}

// ---- Completions -----------------------------------------------------------------------------------------

TEST_CASE("completions: in any order, those of cancellations among them, mean the same") {
  const unsigned seed = seed_of_this_run();
  CAPTURE(seed);
  run_small_and_large([&]() -> coil::Coro<void> {
    std::mt19937 random(seed);
    RingShim shim;
    shim.completions = [&](std::span<io_uring_cqe*> batch) {
      for (std::size_t left = batch.size(); left > 1; --left) std::swap(*batch[left - 1], *batch[random() % left]);
    };
    co_await mixed_work(50);
  });
}

TEST_CASE("completions: whatever a cancellation is answered, the operation's own completion counts") {
  run_small_and_large([]() -> coil::Coro<void> {
    for (const int answer : {0, -ENOENT, -EALREADY, -EINVAL}) {
      CAPTURE(answer);
      const Ends pipe = coil_test::make_pipe();
      RingShim shim;
      std::vector<std::uint64_t> cancels;
      shim.submission = [&](io_uring_sqe& sqe) {
        if (sqe.opcode == IORING_OP_ASYNC_CANCEL) cancels.push_back(sqe.user_data);
      };
      shim.completions = [&](std::span<io_uring_cqe*> batch) {
        for (io_uring_cqe* cqe : batch)
          if (std::find(cancels.begin(), cancels.end(), cqe->user_data) != cancels.end()) cqe->res = answer;
      };
      auto reading = coil::create_task(read_text(pipe.out));
      co_await settle();
      reading.cancel();
      CHECK_AWAIT_THROWS(reading, coil::CancelledError);
      CHECK(!cancels.empty());
    }
  });
}

TEST_CASE("completions: a cancellation names one operation only, not a descriptor") {
  run_small_and_large([]() -> coil::Coro<void> {
    const Ends pipe = coil_test::make_pipe();
    RingShim shim;
    shim.submission = [](io_uring_sqe& sqe) {
      if (sqe.opcode == IORING_OP_ASYNC_CANCEL)
        CHECK((sqe.cancel_flags & (IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL)) == 0);
    };
    std::vector<coil::Task<std::string>> readers;
    for (int i = 0; i < 10; ++i) readers.push_back(coil::create_task(read_text(pipe.out, 1)));
    co_await settle();
    readers[4].cancel();
    CHECK_AWAIT_THROWS(readers[4], coil::CancelledError);
    put(pipe.in, "123456789");
    for (std::size_t i = 0; i < readers.size(); ++i) {
      if (i == 4) continue;
      const std::string byte = co_await readers[i];
      CHECK(byte.size() == 1);
    }
  });
}

TEST_CASE("completions: one for an operation that is over ends the program with a sentence" *
          doctest::skip(!checks_generations)) {
  const auto child = coil_test::in_child([] {
    auto main = []() -> coil::Coro<void> {
      const Ends pipe = coil_test::make_pipe();
      put(pipe.in, "text");
      std::uint64_t dead = 0;
      RingShim shim;
      shim.submission = [&](io_uring_sqe& sqe) {
        if (sqe.fd == pipe.out && dead == 0) dead = sqe.user_data;
      };
      co_await read_text(pipe.out);
      shim.completions = [&](std::span<io_uring_cqe*> batch) { batch[0]->user_data = dead; };
      co_await write_text(pipe.in, "x");
    };
    coil::run(main);
    return 0;
  });
  CAPTURE(child.output);
  CHECK(child.killed_by(SIGABRT));
  CHECK(child.said("a completion came for an operation that is over"));
}

TEST_CASE("completions: one that comes twice ends the program with a sentence" * doctest::skip(!checks_generations)) {
  const auto child = coil_test::in_child([] {
    auto main = []() -> coil::Coro<void> {
      const Ends pipe = coil_test::make_pipe();
      RingShim shim;
      shim.completions = [](std::span<io_uring_cqe*> batch) {
        if (batch.size() > 1) batch[1]->user_data = batch[0]->user_data;
      };
      co_await coil::gather(write_text(pipe.in, "x"), write_text(pipe.in, "y"));
    };
    coil::run(main);
    return 0;
  });
  CAPTURE(child.output);
  CHECK(child.killed_by(SIGABRT));
  CHECK(child.said("a completion came for an operation that is over"));
}

TEST_CASE("completions: every submission has a tag of its own among those in flight") {
  run_small_and_large([]() -> coil::Coro<void> {
    std::vector<std::uint64_t> in_flight;
    RingShim shim;
    shim.submission = [&](io_uring_sqe& sqe) {
      if (sqe.opcode == IORING_OP_ASYNC_CANCEL) return;
      CHECK(std::find(in_flight.begin(), in_flight.end(), sqe.user_data) == in_flight.end());
      in_flight.push_back(sqe.user_data);
    };
    shim.completions = [&](std::span<io_uring_cqe*> batch) {
      for (const io_uring_cqe* cqe : batch) std::erase(in_flight, cqe->user_data);
    };
    co_await mixed_work(10);
  });
}
