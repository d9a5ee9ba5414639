// The ring as a loop uses it: what it counts, how often it enters the kernel, how it ends.
#include <coil/detail/ring.hpp>

#include "../support/child.hpp"
#include "../support/io_test.hpp"

#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using coil_test::Ends;
using coil_test::Fd;
using coil_test::metrics;
using coil_test::put;
using coil_test::read_text;
using coil_test::running_ring;
using coil_test::settle;
using coil_test::write_text;

// ---- Metrics ---------------------------------------------------------------------------------------------

TEST_CASE("metrics: a loop without operations counts none, its own are left out") {
  auto main = []() -> coil::Coro<void> {
    bool called = false;
    for (int round = 0; round < 3; ++round) {
      CHECK(metrics().operations_in_flight == 0);
      CHECK(metrics().submissions == 0);
      CHECK(metrics().completions == 0);
      std::thread peer([&, loop = &coil::get_running_loop()] { loop->call_soon_threadsafe([&] { called = true; }); });
      peer.join();
      co_await settle();
      CHECK(called);
    }
    co_await coil::sleep(1s);
    CHECK(metrics().submissions == 0);
  };
  coil::run(main, coil_test::virtual_time);
}

IO_TEST("metrics: operations are in flight from their wait to their end") {
  const Ends pipe = coil_test::make_pipe();
  std::vector<coil::Task<std::string>> readers;
  for (int i = 0; i < 3; ++i) readers.push_back(coil::create_task(read_text(pipe.out, 1)));
  CHECK(metrics().operations_in_flight == 0);
  co_await coil::yield();
  CHECK(metrics().operations_in_flight == 3);
  CHECK(metrics().submissions == 3);
  CHECK(metrics().completions == 0);
  put(pipe.in, "x");
  co_await settle();
  CHECK(metrics().operations_in_flight == 2);
  CHECK(metrics().completions == 1);
  for (const auto& reader : readers) reader.cancel();
  co_await settle();
  CHECK(metrics().operations_in_flight == 0);
  CHECK(metrics().submissions == 3);
  CHECK(metrics().completions == 3);
}

// ---- System calls ----------------------------------------------------------------------------------------

IO_TEST("system calls: none in turns that have other work and nothing to submit") {
  co_await settle();
  const auto before = running_ring().counters().enters;
  const auto spin = []() -> coil::Coro<void> {
    for (int i = 0; i < 100; ++i) co_await coil::yield();
  };
  std::vector<coil::Coro<void>> spinners;
  for (int i = 0; i < 1000; ++i) spinners.push_back(spin());
  co_await coil::gather(std::move(spinners));
  CHECK(running_ring().counters().enters == before);
}

IO_TEST("system calls: none either while operations wait in the kernel") {
  const Ends pipe = coil_test::make_pipe();
  auto reading = coil::create_task(read_text(pipe.out));
  co_await settle();
  const auto before = running_ring().counters().enters;
  for (int i = 0; i < 1000; ++i) co_await coil::yield();
  CHECK(running_ring().counters().enters == before);
  CHECK(!reading.done());
}

IO_TEST("system calls: none for timers that are due") {
  co_await settle();
  const auto before = running_ring().counters().enters;
  for (int i = 0; i < 100; ++i) co_await coil::sleep(0s);
  CHECK(running_ring().counters().enters == before);
}

IO_TEST("system calls: a loop that is never idle makes one for what the kernel has completed, within a few turns") {
  const Ends pipe = coil_test::make_pipe();
  auto reading = coil::create_task(read_text(pipe.out));
  co_await settle();
  put(pipe.in, "x");
  for (int turn = 0; turn < 10; ++turn) co_await coil::yield();
  CHECK(reading.done());
  co_await reading;
}

TEST_CASE("system calls: one for a turn that submits and waits") {
  coil_test::LeakCheck leaks;
  std::uint64_t enters = 0;
  constexpr int rounds = 100;
  auto main = [&]() -> coil::Coro<void> {
    const Ends pipe = coil_test::make_pipe();
    co_await settle();
    const auto before = running_ring().counters().enters;
    for (int i = 0; i < rounds; ++i) {
      co_await write_text(pipe.in, "x");
      co_await read_text(pipe.out);
    }
    enters = running_ring().counters().enters - before;
  };
  coil::run(main);  // in virtual time it is one more, to see whether the clock may jump
  CHECK(enters == 2 * rounds);
}

TEST_CASE("system calls: one for all that a turn submits") {
  coil_test::LeakCheck leaks;
  std::uint64_t enters = 0;
  auto main = [&]() -> coil::Coro<void> {
    const Ends pipe = coil_test::make_pipe();
    std::vector<coil::Coro<std::size_t>> writers;
    for (int i = 0; i < 200; ++i) writers.push_back(write_text(pipe.in, "x"));
    const auto before = running_ring().counters().enters;
    co_await coil::gather(std::move(writers));
    enters = running_ring().counters().enters - before;
  };
  coil::run(main);
  CHECK(enters == 1);
}

IO_TEST("system calls: one more to cancel, and the answer comes with it") {
  const Ends pipe = coil_test::make_pipe();
  auto reading = coil::create_task(read_text(pipe.out));
  co_await settle();
  const auto before = running_ring().counters().enters;
  reading.cancel();
  co_await settle();
  CHECK(reading.cancelled());
  CHECK(running_ring().counters().enters <= before + 2);
}

// ---- The end of a run ------------------------------------------------------------------------------------

TEST_CASE("end: tasks that are left in an operation are cancelled, and the kernel holds nothing any more") {
  coil_test::LeakCheck leaks;
  int cancelled = 0;
  const Ends pipe = coil_test::make_pipe();
  auto wait = [&]() -> coil::Coro<void> {
    try {
      co_await read_text(pipe.out);
    } catch (const coil::CancelledError&) {
      ++cancelled;
      throw;
    }
  };
  auto main = [&]() -> coil::Coro<int> {
    for (int i = 0; i < 1000; ++i) coil::create_task(wait());
    co_await settle();
    CHECK(metrics().operations_in_flight == 1000);
    co_return 5;
  };
  CHECK(coil::run(main) == 5);
  CHECK(cancelled == 1000);
  put(pipe.in, "nobody takes this");
  CHECK(coil_test::take_all(pipe.out) == "nobody takes this");
}

TEST_CASE("end: an operation that completes although it was cancelled at the end still gives its result") {
  coil_test::LeakCheck leaks;
  const coil_test::TemporaryDirectory folder;
  const Fd file = folder.open("file", "");
  const std::string large(8 << 20, 'x');
  std::size_t written = 0;
  auto write = [&]() -> coil::Coro<void> { written = co_await coil::write(file, large, 0); };
  auto main = [&]() -> coil::Coro<void> {
    coil::create_task(write());
    co_await coil::yield();
    co_await coil::yield();
  };
  coil::run(main);
  CHECK(std::filesystem::file_size(folder / "file") == written);
}

TEST_CASE("end: cleanup of a cancelled task may use the ring") {
  coil_test::LeakCheck leaks;
  const Ends pipe = coil_test::make_pipe();
  auto wait = [&]() -> coil::Coro<void> {
    auto outcome = co_await coil::as_result(read_text(pipe.out));
    co_await write_text(pipe.in, outcome.cancelled() ? "goodbye" : "hello");
  };
  auto main = [&]() -> coil::Coro<void> {
    coil::create_task(wait());
    co_await settle();
  };
  coil::run(main);
  CHECK(coil_test::take_all(pipe.out) == "goodbye");
}

TEST_CASE("end: an exception of main as well leaves nothing in the kernel") {
  coil_test::LeakCheck leaks;
  const Ends pipe = coil_test::make_pipe();
  auto main = [&]() -> coil::Coro<void> {
    for (int i = 0; i < 10; ++i) coil::create_task(read_text(pipe.out));
    co_await settle();
    throw std::runtime_error("main failed");
  };
  CHECK_THROWS_WITH(coil::run(main), "main failed");
  put(pipe.in, "x");
  CHECK(coil_test::take_all(pipe.out) == "x");
}

TEST_CASE("end: operations go on from one run of a Runner to the next") {
  coil_test::LeakCheck leaks;
  const Ends pipe = coil_test::make_pipe();
  coil::Task<std::string> reading;
  coil::Runner runner;
  runner.run([&]() -> coil::Coro<void> {
    reading = coil::create_task(read_text(pipe.out));
    co_await settle();
  });
  put(pipe.in, "in between");
  auto second = [&]() -> coil::Coro<std::string> { co_return co_await reading; };
  CHECK(runner.run(second) == "in between");
}

// Cancelling looked for the running loop, and there was none.
TEST_CASE("end: a task may be cancelled between two runs of a Runner, whatever it waits for") {
  coil_test::LeakCheck leaks;
  const Ends pipe = coil_test::make_pipe();
  std::vector<coil::TaskRef> tasks;
  coil::Runner runner;
  runner.run([&]() -> coil::Coro<void> {
    tasks.push_back(coil::create_task(read_text(pipe.out)));
    tasks.push_back(coil::create_task(coil::sleep(coil_test::ages)));
    tasks.push_back(coil::create_task(coil::gather(read_text(pipe.out), coil_test::value_after(coil_test::ages, 1))));
    co_await settle();
  });
  for (const coil::TaskRef& task : tasks) CHECK(task.cancel());
  runner.run(settle());
  for (const coil::TaskRef& task : tasks) CHECK(task.cancelled());
}

TEST_CASE("end: an operation that is cancelled between two runs of a Runner ends in the next one") {
  coil_test::LeakCheck leaks;
  const Ends pipe = coil_test::make_pipe();
  coil::Task<std::string> reading;
  coil::Runner runner;
  runner.run([&]() -> coil::Coro<void> {
    reading = coil::create_task(read_text(pipe.out));
    co_await settle();
  });
  reading.cancel();
  auto second = [&]() -> coil::Coro<bool> {
    const auto outcome = co_await coil::as_result(reading);
    co_return outcome.cancelled();
  };
  CHECK(runner.run(second));
}

TEST_CASE("end: a thousand rings one after the other leave no descriptor") {
  coil_test::LeakCheck leaks;
  const Ends pipe = coil_test::make_pipe();
  auto main = [&]() -> coil::Coro<void> {
    coil::create_task(read_text(pipe.out));
    co_await coil::yield();
  };
  for (int i = 0; i < 1000; ++i) coil::run(main);
}

// ---- Threads ---------------------------------------------------------------------------------------------

TEST_CASE("threads: loops in several threads do not disturb each other, and talk through a pipe") {
  coil_test::LeakCheck leaks;
  constexpr int count = 4;
  std::vector<Ends> pipes;
  for (int i = 0; i < count; ++i) pipes.push_back(coil_test::make_pipe());
  std::vector<std::string> received(count);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      auto main = [&]() -> coil::Coro<void> {
        for (int round = 0; round < 200; ++round) {
          co_await write_text(pipes[(i + 1) % count].in, std::to_string(i));
          received[i] += co_await read_text(pipes[i].out, 1);
        }
      };
      coil::run(main);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < count; ++i)
    CHECK(received[i] == std::string(200, static_cast<char>('0' + (i + count - 1) % count)));
}

TEST_CASE("fork: a child that goes on with its parent's loop ends with a sentence, and the parent goes on") {
  coil_test::LeakCheck leaks;
  const Ends pipe = coil_test::make_pipe();
  const auto result = coil_test::in_child([&] {
    auto main = [&]() -> coil::Coro<int> {
      auto reading = coil::create_task(read_text(pipe.out));
      co_await settle();
      const pid_t child = ::fork();
      if (child == 0) {
        co_await write_text(pipe.in, "from the child");
        ::_exit(0);
      }
      int status = 0;
      ::waitpid(child, &status, 0);
      if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT) co_return 1;
      for (int round = 0; round < 10; ++round) {
        co_await write_text(pipe.in, "text");
        const std::string text = co_await reading;
        if (text != "text") co_return 2;
        reading = coil::create_task(read_text(pipe.out));
      }
      co_return 0;
    };
    return coil::run(main);
  });
  CAPTURE(result.output);
  CAPTURE(result.status);
  CHECK(result.exited_with(0));
  CHECK(result.said("coil: after fork() the child went on in its parent's event loop"));
}
