// A ring that is too small for what goes through it, and signals without end: slower, but nothing is lost.
#include <coil/detail/ring.hpp>

#include "../support/io_test.hpp"

#include <signal.h>
#include <sys/time.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil_test::Ends;
using coil_test::Fd;
using coil_test::metrics;
using coil_test::put;
using coil_test::read_text;
using coil_test::settle;
using coil_test::write_text;

namespace {

/// Runs `main` with a ring of `entries`; everything has to be gone at its end.
template <class F>
void run_with(unsigned entries, F main) {
  coil_test::LeakCheck leaks;
  const auto whole = [&]() -> coil::Coro<void> {
    co_await main();
    co_await coil_test::end_operations();
    CHECK(metrics().submissions == metrics().completions);
  };
  coil::run(whole, coil::RunOptions{.ring_entries = entries, .clock = coil::Clock::virtual_});
}

constexpr int many = 10'000;

}  // namespace

TEST_CASE("full: ten thousand reads through a submission queue of four all get their event") {
  run_with(4, []() -> coil::Coro<void> {
    const Fd counter = coil_test::make_eventfd(0, EFD_SEMAPHORE);
    int done = 0;
    const auto take_one = [&]() -> coil::Coro<void> {
      const std::string one = co_await read_text(counter, 8);
      done += one.size() == 8;
    };
    const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
      for (int i = 0; i < many; ++i) group.create_task(take_one());
      co_await settle();
      CHECK(metrics().operations_in_flight == many);
      const std::uint64_t count = many;
      put(counter, {reinterpret_cast<const char*>(&count), sizeof count});
    };
    co_await coil::task_group(body);
    CHECK(done == many);
    CHECK(coil_test::take_all(counter) == "");
  });
}

TEST_CASE("full: ten thousand reads of a hundred pipes through a submission queue of four get all bytes") {
  run_with(4, []() -> coil::Coro<void> {
    std::vector<Ends> pipes;
    for (int i = 0; i < 100; ++i) pipes.push_back(coil_test::make_pipe());
    std::vector<std::string> received(pipes.size());
    const auto read_one = [&](std::size_t index) -> coil::Coro<void> {
      const std::string byte = co_await read_text(pipes[index].out, 1);
      received[index] += byte;
    };
    const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
      for (std::size_t i = 0; i < many; ++i) group.create_task(read_one(i % pipes.size()));
      co_await settle();
      for (const Ends& pipe : pipes) put(pipe.in, std::string(many / pipes.size(), 'x'));
    };
    co_await coil::task_group(body);
    for (const std::string& bytes : received) CHECK(bytes == std::string(many / pipes.size(), 'x'));
  });
}

TEST_CASE("full: writes through a submission queue of one go out in the order in which they were made") {
  run_with(1, []() -> coil::Coro<void> {
    const Ends pipe = coil_test::make_pipe();
    std::string expected;
    std::vector<coil::Coro<std::size_t>> writers;
    for (int i = 0; i < 1000; ++i) {
      const std::string text = std::to_string(i) + ' ';
      expected += text;
      writers.push_back(write_text(pipe.in, text));
    }
    co_await coil::gather(std::move(writers));
    CHECK(coil_test::take_all(pipe.out) == expected);
  });
}

TEST_CASE("full: hundreds of completions at once in a completion queue of four, none is lost") {
  run_with(1, []() -> coil::Coro<void> {
    std::vector<Fd> counters;
    for (int i = 0; i < 500; ++i) counters.push_back(coil_test::make_eventfd());
    std::vector<coil::Task<std::string>> readers;
    for (const Fd& counter : counters) readers.push_back(coil::create_task(read_text(counter, 8)));
    co_await settle();
    CHECK(metrics().operations_in_flight == 500);
    const std::uint64_t one = 1;
    for (const Fd& counter : counters) put(counter, {reinterpret_cast<const char*>(&one), sizeof one});
    for (const auto& reader : readers) {
      const std::string count = co_await reader;
      CHECK(count.size() == 8);
    }
  });
}

TEST_CASE("full: ten thousand operations are cancelled at once through a submission queue of one") {
  run_with(1, []() -> coil::Coro<void> {
    const Ends pipe = coil_test::make_pipe();
    std::vector<coil::Task<std::string>> readers;
    for (int i = 0; i < many; ++i) readers.push_back(coil::create_task(read_text(pipe.out)));
    co_await settle();
    for (const auto& reader : readers) reader.cancel();
    int cancelled = 0;
    for (const auto& reader : readers) {
      auto outcome = co_await coil::as_result(reader);
      cancelled += outcome.cancelled();
    }
    CHECK(cancelled == many);
    put(pipe.in, "kept");
    CHECK(coil_test::take_all(pipe.out) == "kept");
  });
}

TEST_CASE("full: operations that are cancelled in the turn of their start, through a submission queue of one") {
  run_with(1, []() -> coil::Coro<void> {
    const Ends pipe = coil_test::make_pipe();
    std::vector<coil::Task<std::string>> readers;
    for (int i = 0; i < 1000; ++i) readers.push_back(coil::create_task(read_text(pipe.out)));
    const auto cancel_all = [&]() -> coil::Coro<void> {
      for (const auto& reader : readers) reader.cancel();
      co_return;
    };
    co_await coil::create_task(cancel_all);
    for (const auto& reader : readers) CHECK_AWAIT_THROWS(reader, coil::CancelledError);
  });
}

TEST_CASE("full: timers, files, sockets and threads together through a submission queue of one") {
  run_with(1, []() -> coil::Coro<void> {
    const coil_test::TemporaryDirectory folder;
    const auto work = [&](int number) -> coil::Coro<int> {
      const Ends pair = coil_test::make_socket_pair();
      const std::string path = folder / std::to_string(number);
      co_await coil::sleep(std::chrono::milliseconds(number % 3));
      const Fd file(co_await coil::openat(AT_FDCWD, path, O_RDWR | O_CREAT, 0600));
      co_await coil::write_all(file, path);
      co_await coil::gather(coil::write_all(pair.in, path), read_text(pair.out, path.size()));
      CHECK_AWAIT_THROWS(coil::wait_for(read_text(pair.out), 5ms), coil::TimeoutError);
      co_await coil::unlinkat(AT_FDCWD, path);
      co_return 1;
    };
    std::vector<coil::Coro<int>> workers;
    for (int i = 0; i < 100; ++i) workers.push_back(work(i));
    const std::vector<int> ended = co_await coil::gather(std::move(workers));
    CHECK(ended.size() == 100);
    CHECK(std::filesystem::is_empty(folder.path()));
  });
}

// ---- Signals ---------------------------------------------------------------------------------------------

namespace {

volatile sig_atomic_t alarms = 0;
volatile sig_atomic_t alarm_pipe = -1;

// Every tenth alarm is what a reader waits for: so nine others have hit the loop while it slept.
void on_alarm(int) {
  const int saved = errno;
  alarms = alarms + 1;
  if (alarms % 10 == 0 && alarm_pipe >= 0) {
    [[maybe_unused]] const ssize_t written = ::write(alarm_pipe, "!", 1);
  }
  errno = saved;
}

/// A thousand SIGALRM a second, as long as it lives.
class Storm {
public:
  Storm(int flags, int pipe) {
    alarms = 0;
    alarm_pipe = pipe;
    struct sigaction action{};
    action.sa_handler = on_alarm;
    action.sa_flags = flags;
    ::sigaction(SIGALRM, &action, &before_);
    const itimerval often{{0, 1000}, {0, 1000}};
    ::setitimer(ITIMER_REAL, &often, nullptr);
  }
  Storm(const Storm&) = delete;
  Storm& operator=(const Storm&) = delete;
  ~Storm() {
    const itimerval never{};
    ::setitimer(ITIMER_REAL, &never, nullptr);
    alarm_pipe = -1;
    ::sigaction(SIGALRM, &before_, nullptr);
  }

private:
  struct sigaction before_{};
};

coil::Coro<void> work_in_storm(const Ends& alarm) {
  const coil_test::TemporaryDirectory folder;
  const Ends pair = coil_test::make_socket_pair();
  for (int round = 0; round < 10; ++round) {
    const std::string signal = co_await read_text(alarm.out, 1);  // sleeps through nine alarms
    CHECK(signal == "!");
    for (int i = 0; i < 50; ++i) {
      co_await write_text(pair.in, "x");
      const std::string text = co_await read_text(pair.out);
      CHECK(text == "x");
    }
    const std::string path = folder / std::to_string(round);
    const Fd file(co_await coil::openat(AT_FDCWD, path, O_RDWR | O_CREAT, 0600));
    co_await coil::write_all(file, std::string(3 << 20, 'x'));
    co_await coil::fsync(file);
    CHECK_AWAIT_THROWS(coil::wait_for(read_text(pair.out), 1ms), coil::TimeoutError);
    co_await coil::sleep(1ms);
    co_await coil::unlinkat(AT_FDCWD, path);
  }
  CHECK(alarms >= 100);
}

void check_storm(int flags) {
  coil_test::LeakCheck leaks;
  const Ends alarm = coil_test::make_pipe();
  auto main = [&]() -> coil::Coro<void> {
    const Storm storm(flags, alarm.in);
    co_await work_in_storm(alarm);
    co_await coil_test::end_operations();
  };
  coil::run(main);
}

}  // namespace

TEST_CASE("signals: a thousand a second interrupt every call, and change nothing") { check_storm(0); }

TEST_CASE("signals: the same with SA_RESTART") { check_storm(SA_RESTART); }
