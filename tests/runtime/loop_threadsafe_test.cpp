#include <coil/loop.hpp>

#include "../support/loop_test.hpp"

#include <atomic>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

LOOP_TEST("call_soon_threadsafe: wakes a loop that waits in the kernel") {
  auto& loop = coil::get_running_loop();
  auto reached = loop.create_future<std::thread::id>();
  std::thread other([&] { loop.call_soon_threadsafe([&] { reached.set_result(std::this_thread::get_id()); }); });
  const auto where = co_await reached;
  other.join();
  CHECK(where == std::this_thread::get_id());
}

TEST_CASE("call_soon_threadsafe: wakes a loop that sleeps in real time") {
  coil_test::LeakCheck leaks;
  auto main = [&]() -> coil::Coro<void> {
    auto& loop = coil::get_running_loop();
    auto reached = loop.create_future<void>();
    auto sleeper = coil::create_task(coil::sleep(1h));
    std::thread other([&] { loop.call_soon_threadsafe([&] { reached.set_result(); }); });
    co_await reached;
    other.join();
    sleeper.cancel();
  };
  coil::run(main);
}

LOOP_TEST("call_soon_threadsafe: runs the callbacks of one thread in their order") {
  constexpr int count = 10'000;
  auto& loop = coil::get_running_loop();
  auto all = loop.create_future<void>();
  std::vector<int> seen;
  std::thread other([&] {
    for (int i = 0; i < count; ++i) {
      loop.call_soon_threadsafe([&, i] {
        seen.push_back(i);
        if (i == count - 1) all.set_result();
      });
    }
  });
  co_await all;
  other.join();
  bool in_order = seen.size() == count;
  for (std::size_t i = 0; i < seen.size(); ++i) in_order = in_order && seen[i] == static_cast<int>(i);
  CHECK(in_order);
}

LOOP_TEST("call_soon_threadsafe: loses nothing when many threads call at once") {
  constexpr int threads = 8;
  constexpr int calls = 5'000;
  auto& loop = coil::get_running_loop();
  auto all = loop.create_future<void>();
  int seen = 0;
  std::vector<std::thread> others;
  for (int t = 0; t < threads; ++t) {
    others.emplace_back([&] {
      for (int i = 0; i < calls; ++i) {
        loop.call_soon_threadsafe([&] {
          if (++seen == threads * calls) all.set_result();
        });
      }
    });
  }
  co_await all;
  for (auto& other : others) other.join();
  CHECK(seen == threads * calls);
}

LOOP_TEST("call_soon_threadsafe: from the loop's own thread it is call_soon") {
  auto& loop = coil::get_running_loop();
  std::string log;
  loop.call_soon([&] { log += "a"; });
  loop.call_soon_threadsafe([&] { log += "b"; });
  CHECK(log == "");
  co_await coil::yield();
  co_await coil::yield();
  CHECK(log == "ab");
}

LOOP_TEST("call_soon_threadsafe: an exception in the callback reaches the exception handler") {
  auto& loop = coil::get_running_loop();
  auto after = loop.create_future<void>();
  std::thread other([&] {
    loop.call_soon_threadsafe([] { throw std::runtime_error("from another thread"); });
    loop.call_soon_threadsafe([&] { after.set_result(); });
  });
  co_await after;
  other.join();
  CHECK(reports.take().error == "from another thread");
}

LOOP_TEST("call_soon_threadsafe: a task can be cancelled from another thread through it") {
  auto& loop = coil::get_running_loop();
  auto never = loop.create_future<void>();
  auto wait = [&]() -> coil::Coro<void> { co_await never; };
  auto task = coil::create_task(wait());
  std::thread other([&] { loop.call_soon_threadsafe([&] { task.cancel("by a thread"); }); });
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  other.join();
}

TEST_CASE("loop: in debug mode call_soon from another thread is a logic_error") {
  coil_test::LeakCheck leaks;
  std::atomic<bool> refused{false};
  bool called = false;
  auto main = [&]() -> coil::Coro<void> {
    auto& loop = coil::get_running_loop();
    std::thread other([&] {
      try {
        loop.call_soon([&] { called = true; });
      } catch (const std::logic_error&) {
        refused = true;
      }
    });
    other.join();
    co_await coil::yield();
  };
  coil::run(main, {.debug = true});
  CHECK(refused);
  CHECK(!called);
}

TEST_CASE("loop: two loops in two threads run side by side and do not know each other") {
  coil_test::LeakCheck leaks;
  constexpr int rounds = 1000;
  std::atomic<coil::Loop*> loops[2] = {nullptr, nullptr};
  int counts[2] = {0, 0};
  std::size_t tasks_seen[2] = {0, 0};
  long frames_left[2] = {-1, -1};
  const auto program = [&](int self) {
    auto main = [&]() -> coil::Coro<void> {
      loops[self] = &coil::get_running_loop();
      while (loops[1 - self] == nullptr) co_await coil::sleep(100us);  // both are running now
      auto count = [&]() -> coil::Coro<void> {
        for (int i = 0; i < rounds; ++i) {
          co_await coil::yield();
          ++counts[self];
        }
      };
      co_await coil::gather(count(), count());
      tasks_seen[self] = coil::all_tasks().size();
    };
    coil::run(main);
    frames_left[self] = static_cast<long>(coil::detail::live_frames());
  };
  std::thread first([&] { program(0); });
  std::thread second([&] { program(1); });
  first.join();
  second.join();
  for (int self = 0; self < 2; ++self) {
    CHECK(counts[self] == 2 * rounds);
    CHECK(tasks_seen[self] == 1);
    CHECK(frames_left[self] == 0);
  }
  CHECK(loops[0].load() != loops[1].load());
}

TEST_CASE("loop: two loops in two threads can wake each other with call_soon_threadsafe") {
  coil_test::LeakCheck leaks;
  constexpr int rounds = 200;
  std::atomic<coil::Loop*> loops[2] = {nullptr, nullptr};
  std::atomic<int> hits{0};
  std::atomic<int> finished{0};
  const auto program = [&](int self) {
    auto main = [&]() -> coil::Coro<void> {
      loops[self] = &coil::get_running_loop();
      while (loops[1 - self] == nullptr) co_await coil::sleep(100us);
      for (int i = 0; i < rounds; ++i) {
        loops[1 - self].load()->call_soon_threadsafe([&] { ++hits; });
        co_await coil::yield();
      }
      ++finished;
      while (hits < 2 * rounds || finished < 2) co_await coil::sleep(100us);  // the other may still call
    };
    coil::run(main);
  };
  std::thread first([&] { program(0); });
  std::thread second([&] { program(1); });
  first.join();
  second.join();
  CHECK(hits == 2 * rounds);
}
