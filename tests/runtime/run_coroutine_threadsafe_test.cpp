#include <coil/run_coroutine_threadsafe.hpp>
#include <coil/to_thread.hpp>

#include "../support/loop_test.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

using coil::run_coroutine_threadsafe;
using coil_test::virtual_time;
using namespace std::chrono_literals;

namespace {

coil::Coro<int> add(int a, int b) {
  co_await coil::yield();
  co_return a + b;
}

coil::Coro<void> fail() {
  co_await coil::yield();
  throw std::runtime_error("in the loop");
}

/// What a future ended with.
template <class T>
std::string end_of(std::future<T>& future) {
  try {
    future.get();
    return "a value";
  } catch (const coil::CancelledError&) {
    return "CancelledError";
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace

LOOP_TEST("run_coroutine_threadsafe: a coroutine's result comes to the other thread, of any kind") {
  auto& loop = coil::get_running_loop();
  static int variable = 5;
  const int sum = co_await coil::to_thread([&] {
    std::future<int> future = run_coroutine_threadsafe([] { return add(20, 22); }, loop);
    return future.get();
  });
  CHECK(sum == 42);
  const bool same = co_await coil::to_thread([&] {
    auto owned = std::make_unique<int>(7);  // what the callable owns lives until its coroutine ends
    auto body = [owned = std::move(owned)]() -> coil::Coro<std::unique_ptr<int>> {
      co_await coil::yield();
      co_return std::make_unique<int>(*owned);
    };
    auto reference = [&]() -> coil::Coro<int&> {
      co_await coil::yield();
      co_return variable;
    };
    auto nothing = []() -> coil::Coro<void> { co_await coil::yield(); };
    run_coroutine_threadsafe(nothing, loop).get();
    return *run_coroutine_threadsafe(std::move(body), loop).get() == 7 &&
           &run_coroutine_threadsafe(reference, loop).get() == &variable;
  });
  CHECK(same);
}

TEST_CASE("run_coroutine_threadsafe: takes a coroutine that was made in the calling thread") {
  int sum = 0;
  auto main = [&]() -> coil::Coro<void> {
    auto& loop = coil::get_running_loop();
    sum = co_await coil::to_thread([&] { return run_coroutine_threadsafe(add(20, 22), loop).get(); });
  };
  coil::run(main, virtual_time);
  CHECK(sum == 42);
}

LOOP_TEST("run_coroutine_threadsafe: what the coroutine throws, or its cancellation, comes to the other thread") {
  auto& loop = coil::get_running_loop();
  const std::string error = co_await coil::to_thread([&] {
    auto future = run_coroutine_threadsafe(fail, loop);
    return end_of(future);
  });
  CHECK(error == "in the loop");
  const std::string cancelled = co_await coil::to_thread([&] {
    auto body = []() -> coil::Coro<void> {
      coil::current_task().cancel();
      co_await coil::sleep(1h);
    };
    auto future = run_coroutine_threadsafe(body, loop);
    return end_of(future);
  });
  CHECK(cancelled == "CancelledError");
}

LOOP_TEST("run_coroutine_threadsafe: in the loop's own thread it starts the coroutine all the same") {
  auto future = run_coroutine_threadsafe([] { return add(1, 2); }, coil::get_running_loop());
  while (future.wait_for(0s) != std::future_status::ready) co_await coil::yield();
  CHECK(future.get() == 3);
}

TEST_CASE("run_coroutine_threadsafe: if the loop ends first the future gets CancelledError, at whatever point it is") {
  coil_test::LeakCheck leaks;
  std::optional<std::future<int>> waiting;
  std::optional<std::future<int>> unstarted;
  std::optional<std::future<int>> never_taken;
  auto owned = std::make_shared<int>(1);
  auto sleeper = [owned]() -> coil::Coro<int> {
    co_await coil::sleep(1h);
    co_return 1;
  };
  {
    coil::Runner runner(virtual_time);
    auto main = [&]() -> coil::Coro<void> {
      waiting = run_coroutine_threadsafe(sleeper, coil::get_running_loop());
      for (int i = 0; i < 5; ++i) co_await coil::yield();
      unstarted = run_coroutine_threadsafe(sleeper, coil::get_running_loop());
    };
    runner.run(main);
    never_taken = run_coroutine_threadsafe(sleeper, runner.loop());
  }
  CHECK(end_of(*waiting) == "CancelledError");
  CHECK(end_of(*unstarted) == "CancelledError");
  CHECK(end_of(*never_taken) == "CancelledError");
  CHECK(owned.use_count() == 2);  // ours, and the callable's
}

TEST_CASE("run_coroutine_threadsafe: on a loop that is closed it is a std::logic_error") {
  coil::Loop* loop = nullptr;
  auto main = [&]() -> coil::Coro<void> {
    loop = &coil::get_running_loop();
    co_await coil::yield();
  };
  coil::run(main, virtual_time);
  CHECK_THROWS_WITH_AS(run_coroutine_threadsafe(fail, *loop),
                       "coil: run_coroutine_threadsafe() on a loop that is closed", std::logic_error);
  CHECK_THROWS_AS(run_coroutine_threadsafe(add(1, 2), *loop), std::logic_error);
}

TEST_CASE(
    "run_coroutine_threadsafe: while the loop ends, each call gives a value, CancelledError or std::logic_error") {
  constexpr int rounds = coil_test::sanitized ? 50 : 200;
  for (int round = 0; round < rounds; ++round) {
    std::atomic<coil::Loop*> loop{nullptr};
    std::thread other([&] {
      loop.wait(nullptr);
      for (;;) {
        try {
          auto future = run_coroutine_threadsafe([] { return add(1, 2); }, *loop.load());
          const std::string end = end_of(future);
          if (end != "a value" && end != "CancelledError") std::abort();
        } catch (const std::logic_error&) {
          return;
        }
      }
    });
    auto main = [&]() -> coil::Coro<void> {
      loop = &coil::get_running_loop();
      loop.notify_one();
      for (int i = 0; i < round % 20; ++i) co_await coil::yield();
    };
    coil::run(main, virtual_time);
    other.join();
  }
}

// Without the check for leaks, which counts what was made and freed in this thread alone.
TEST_CASE("run_coroutine_threadsafe: the memory of coroutines that end in another thread comes back") {
  constexpr int rounds = coil_test::sanitized ? 20 : 500;
  std::size_t most = 0;
  auto main = [&]() -> coil::Coro<void> {
    auto& loop = coil::get_running_loop();
    most = co_await coil::to_thread([&] {
      for (int round = 0; round < rounds; ++round) {
        std::vector<std::future<int>> futures;
        for (int i = 0; i < 200; ++i) futures.push_back(run_coroutine_threadsafe(add(i, 1), loop));
        for (auto& future : futures) future.get();
      }
      return coil::detail::frame_pool.slab_bytes();
    });
  };
  coil::run(main);
  CHECK(most < 1 << 20);  // all of them together take 6 MiB
}
