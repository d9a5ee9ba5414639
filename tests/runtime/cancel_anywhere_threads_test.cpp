// Tasks that meet threads and other loops, and what else waits in tasks, cancelled at each suspension: nothing is left, and
// what was held is free.
#include <coil/cancel_everywhere.hpp>

#include <coil/queue.hpp>
#include <coil/run_coroutine_threadsafe.hpp>
#include <coil/semaphore.hpp>
#include <coil/thread.hpp>
#include <coil/thread_pool.hpp>
#include <coil/threadsafe.hpp>
#include <coil/threadsafe_queue.hpp>
#include <coil/to_thread.hpp>

#include "../support/everywhere.hpp"

#include <stop_token>

using namespace std::chrono_literals;
using coil::Coro;
using coil_test::Everywhere;

namespace {

Coro<void> work() {
  co_await coil::yield();
  co_await coil::sleep(1ms);
}

Coro<void> deadlines() {
  const auto soon = [] { return coil::get_running_loop().time() + 2ms; };
  co_await coil::timeout_at(soon(), work);
  const auto late = []() -> Coro<void> { co_await coil::sleep(9ms); };
  [[maybe_unused]] const auto outcome = co_await coil::as_result(coil::timeout_at(soon(), late));
  co_await coil::timeout(std::nullopt, work);
}

Coro<void> other_queues() {
  coil::LifoQueue<int> stack(1);
  coil::BoundedSemaphore permits(1);
  const auto put = [&]() -> Coro<void> {
    for (int i = 0; i < 3; ++i) co_await stack.put(i);
  };
  const auto get = [&]() -> Coro<void> {
    for (int i = 0; i < 3; ++i) {
      const auto permit = co_await permits.scoped();
      co_await stack.get();
      co_await coil::sleep(1ms);
    }
  };
  co_await coil::gather(put(), get(), get(), put());
  CHECK(!permits.locked());
}

Coro<void> shared_between_threads() {
  coil::ThreadsafeQueue<int> queue(1);
  coil::ThreadsafeLock lock;
  coil::ThreadsafeSemaphore permits(1);
  coil::ThreadsafeEvent event;
  const auto put = [&]() -> Coro<void> {
    for (int i = 0; i < 3; ++i) {
      co_await queue.put(i);
      const auto held = co_await lock.scoped();
      co_await coil::sleep(1ms);
    }
    event.set();
  };
  const auto get = [&]() -> Coro<void> {
    for (int i = 0; i < 3; ++i) {
      co_await queue.get();
      co_await permits.acquire();
      const auto held = co_await lock.scoped();
      permits.release();
    }
    co_await event.wait();
  };
  co_await coil::gather(put(), get(), event.wait());
  const bool free = lock.try_acquire() && permits.try_acquire();
  CHECK(free);
  lock.release();
}

Coro<void> started_threads() {
  const auto quick = [] { return 1; };
  const auto patient = [](std::stop_token stop) {
    while (!stop.stop_requested()) std::this_thread::yield();
  };
  auto one = coil::start_thread(quick);
  auto other = coil::start_thread(patient);
  co_await one;
  other.request_stop();
  co_await other;
}

Coro<void> thread_pools() {
  coil::ThreadPool pool(1);
  const auto quick = [] { return 1; };
  co_await coil::gather(pool.run(quick), pool.run(quick));
  co_await coil::get_running_loop().run_in_executor(pool, quick);
}

Coro<int> answer() {
  co_await coil::yield();  // a virtual clock stands still while a thread is at work
  co_await coil::yield();
  co_return 1;
}

// The coroutine is made here: frames are counted by the thread that makes and destroys them.
Coro<void> from_other_threads() {
  coil::Loop& loop = coil::get_running_loop();
  const auto ask = [&loop](Coro<int> question) {
    auto result = coil::run_coroutine_threadsafe(std::move(question), loop);
    try {
      return result.get();
    } catch (const coil::CancelledError&) {
      return 0;
    }
  };
  Coro<int> question = answer();
  co_await coil::to_thread(ask, std::move(question));
}

constexpr coil::testing::CancelOptions with_threads{.settling = 1s};

}  // namespace

TEST_CASE("whatever awaits threads and what they share, nothing is left wherever it is cancelled") {
  Everywhere everywhere;
  everywhere.cancel({
      {"deadlines", deadlines},
      {"other_queues", other_queues},
      {"shared_between_threads", shared_between_threads},
      {"started_threads", started_threads, with_threads},
      {"thread_pools", thread_pools, with_threads},
      {"from_other_threads", from_other_threads, with_threads, false},
  });
  CHECK(everywhere.points() >= 100);
}
