// RunOptions::busy_poll: the loop looks before it sleeps.
#include <coil/coil.hpp>

#include "../support/io_test.hpp"

#include <thread>

using namespace std::chrono_literals;
using coil_test::Fd;
using coil_test::put;

namespace {

/// Runs `body` on a loop that looks for longer than anything here takes; gives how often the loop has slept.
template <class Body>
std::uint64_t sleeps_of(Body body) {
  coil_test::LeakCheck leaks;
  std::uint64_t sleeps = 0;
  auto main = [&]() -> coil::Coro<void> {
    const std::uint64_t before = coil::get_running_loop().metrics().wakeups;
    co_await body();
    sleeps = coil::get_running_loop().metrics().wakeups - before;
  };
  coil::run(main, {.busy_poll = 1s});
  return sleeps;
}

}  // namespace

TEST_CASE("busy_poll: what another thread posts is found without sleeping") {
  int called = 0;
  const std::uint64_t sleeps = sleeps_of([&]() -> coil::Coro<void> {
    coil::Loop& loop = coil::get_running_loop();
    auto all = loop.create_future<void>();
    std::thread other([&] {
      for (int i = 0; i < 1000; ++i)
        loop.call_soon_threadsafe([&] {
          if (++called == 1000) all.set_result();
        });
    });
    co_await all;
    other.join();
  });
  CHECK(called == 1000);
  CHECK(sleeps == 0);
}

TEST_CASE("busy_poll: what the kernel completes is found without sleeping, with other things at the same time") {
  int read = 0;
  const std::uint64_t sleeps = sleeps_of([&]() -> coil::Coro<void> {
    coil_test::Ends there = coil_test::make_socket_pair();
    coil_test::Ends back = coil_test::make_socket_pair();
    std::thread other([&] {
      char byte = 0;
      while (::recv(there.out, &byte, 1, 0) == 1) put(back.out, "x");
    });
    for (; read < 200; ++read) {
      put(there.in, "x");
      std::byte byte{};
      co_await coil::read(back.in, std::span(&byte, 1));
      if (read % 50 == 0) co_await coil::sleep(1ms);
    }
    there.in.close();
    other.join();
  });
  CHECK(read == 200);
  CHECK(sleeps == 0);
}

TEST_CASE("busy_poll: functions in threads end as ever, and the clock of a test stands still") {
  auto main = []() -> coil::Coro<int> {
    co_await coil::sleep(100h);
    co_return co_await coil::to_thread([] { return 42; });
  };
  CHECK(coil::run(main, {.clock = coil::Clock::virtual_, .busy_poll = 1s}) == 42);
  CHECK(coil::run([]() -> coil::Coro<int> { co_return co_await coil::to_thread([] { return 42; }); },
                  {.busy_poll = 1s}) == 42);
}

TEST_CASE("busy_poll: who waits for nothing that comes soon sleeps after all") {
  auto main = []() -> coil::Coro<void> {
    const std::uint64_t before = coil::get_running_loop().metrics().wakeups;
    co_await coil::sleep(5ms);
    CHECK(coil::get_running_loop().metrics().wakeups > before);
  };
  coil::run(main, {.busy_poll = 1us});
}

TEST_CASE("busy_poll: is from nothing to a second") {
  auto main = []() -> coil::Coro<void> { co_await coil::yield(); };
  CHECK_THROWS_WITH_AS(coil::run(main, {.busy_poll = -1ns}), "coil: RunOptions::busy_poll: 0 to 1 s",
                       std::invalid_argument);
  CHECK_THROWS_AS(coil::run(main, {.busy_poll = 2s}), std::invalid_argument);
}
