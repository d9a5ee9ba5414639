// call_soon_threadsafe from many threads, and while the loop ends.
#include <coil/loop.hpp>

#include "../support/loop_test.hpp"
#include "loop_parts.hpp"

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

using coil_test::virtual_time;

namespace {

/// Counts itself: what is posted is destroyed exactly once, whether it ran or not.
struct Counted {
  static inline std::atomic<int> alive{0};
  Counted() { ++alive; }
  Counted(const Counted&) { ++alive; }
  ~Counted() { --alive; }
};

bool is_refused(coil::Loop& loop) {
  try {
    loop.call_soon_threadsafe([] {});
  } catch (const std::logic_error& refusal) {
    return std::string(refusal.what()) == "coil: call_soon_threadsafe() on a loop that is closed";
  }
  return false;
}

}  // namespace

LOOP_TEST("call_soon_threadsafe: eight threads with 100,000 calls each lose none, and each keeps its order") {
  constexpr int threads = 8;
  constexpr int calls = coil_test::sanitized ? 20'000 : 100'000;
  auto& loop = coil::get_running_loop();
  auto all = loop.create_future<void>();
  std::vector<int> next(threads, 0);
  bool in_order = true;
  int finished = 0;
  std::latch start(threads);
  std::vector<std::thread> others;
  for (int t = 0; t < threads; ++t) {
    others.emplace_back([&, t] {
      start.arrive_and_wait();
      for (int i = 0; i < calls; ++i) {
        loop.call_soon_threadsafe([&, t, i] {
          int& expected = next[static_cast<std::size_t>(t)];
          in_order = in_order && expected == i;
          if (++expected == calls && ++finished == threads) all.set_result();
        });
      }
    });
  }
  co_await all;
  for (auto& other : others) other.join();
  CHECK(in_order);
  CHECK(next == std::vector<int>(threads, calls));
}

LOOP_TEST("call_soon_threadsafe: however many calls come before the loop looks, it is woken once") {
  auto& loop = coil::get_running_loop();
  int seen = 0;
  const auto before = coil::detail::parts_of(*coil::detail::this_loop).wake_up.completions();
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) loop.call_soon_threadsafe([&] { ++seen; });
  });
  other.join();  // the loop did not turn meanwhile
  while (seen == 0) co_await coil::yield();
  CHECK(seen == 1000);
  CHECK(coil::detail::parts_of(*coil::detail::this_loop).wake_up.completions() == before + 1);
}

TEST_CASE(
    "call_soon_threadsafe: racing with the end of the loop, a call is run, dropped or refused, and nothing leaks") {
  coil_test::LeakCheck leaks;
  for (int round = 0; round < 200; ++round) {
    std::atomic<coil::Loop*> loop{nullptr};
    std::atomic<int> accepted{0};
    int ran = 0;
    std::thread other([&] {
      while (loop == nullptr) std::this_thread::yield();
      try {
        for (;;) {
          loop.load()->call_soon_threadsafe([&ran, counted = Counted()] { ++ran; });
          ++accepted;
        }
      } catch (const std::logic_error&) {
      }
    });
    auto main = [&]() -> coil::Coro<void> {
      loop = &coil::get_running_loop();
      for (int i = 0; i < round % 10; ++i) co_await coil::yield();
      while (accepted == 0) co_await coil::yield();
    };
    coil::run(main, virtual_time);
    other.join();
    CHECK(ran <= accepted);
  }
  CHECK(Counted::alive == 0);
}

TEST_CASE("call_soon_threadsafe: once the loop has ended it is a logic_error, also from a thread that comes late") {
  coil_test::LeakCheck leaks;
  std::vector<coil::Loop*> loops;
  for (int i = 0; i < 3; ++i) {
    auto main = [&]() -> coil::Coro<void> {
      loops.push_back(&coil::get_running_loop());
      co_return;
    };
    coil::run(main, virtual_time);
  }
  for (coil::Loop* loop : loops) CHECK(is_refused(*loop));
  bool refused = false;
  std::thread other([&] { refused = is_refused(*loops.front()); });
  other.join();
  CHECK(refused);
}

TEST_CASE("call_soon_threadsafe: a Runner's loop takes calls between two runs, and refuses them once it is closed") {
  coil_test::LeakCheck leaks;
  coil::Runner runner(virtual_time);
  coil::Loop& loop = runner.loop();
  int ran = 0;
  std::thread early([&] { loop.call_soon_threadsafe([&] { ++ran; }); });
  early.join();
  auto main = [&]() -> coil::Coro<void> {
    while (ran == 0) co_await coil::yield();
  };
  runner.run(main);
  CHECK(ran == 1);
  runner.close();
  CHECK(is_refused(loop));
}

TEST_CASE("call_soon_threadsafe: what was posted and never ran is released when the loop ends") {
  coil_test::LeakCheck leaks;
  auto main = [&]() -> coil::Coro<void> {
    auto& loop = coil::get_running_loop();
    std::thread other([&] { loop.call_soon_threadsafe([counted = Counted()] { FAIL("ran after main"); }); });
    other.join();
    co_return;
  };
  coil::run(main, virtual_time);
  CHECK(Counted::alive == 0);
}

TEST_CASE("Runner: a run in another thread than the one that made its loop is a logic_error") {
  coil_test::LeakCheck leaks;
  coil::Runner runner(virtual_time);
  runner.loop();
  std::string said;
  auto main = []() -> coil::Coro<void> { co_return; };
  std::thread other([&] {
    try {
      runner.run(main);
    } catch (const std::logic_error& error) {
      said = error.what();
    }
  });
  other.join();
  CHECK(said == "coil: this Runner's loop was made in another thread; run it there");
  runner.run(main);
}
