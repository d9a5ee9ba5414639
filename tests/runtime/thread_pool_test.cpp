#include <coil/thread_pool.hpp>
#include <coil/to_thread.hpp>

#include "../support/child.hpp"
#include "../support/loop_test.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <atomic>
#include <latch>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

std::string thread_name() {
  char name[16] = {};
  ::prctl(PR_GET_NAME, name);
  return name;
}

}  // namespace

LOOP_TEST("ThreadPool: calls functions in its threads, which are named PREFIX-N and started on demand") {
  coil::ThreadPool pool(3, "pool");
  CHECK(pool.max_workers() == 3);
  const std::string first = co_await pool.run(thread_name);
  const std::string again = co_await pool.run(thread_name);
  CHECK(first == "pool-0");
  CHECK(again == "pool-0");  // an idle thread is reused
  std::latch all(3);
  std::mutex mutex;
  std::set<std::string> names;
  const auto meet = [&] {
    all.arrive_and_wait();
    const std::lock_guard lock(mutex);
    names.insert(thread_name());
  };
  co_await coil::gather(pool.run(meet), pool.run(meet), pool.run(meet));
  CHECK(names == std::set<std::string>{"pool-0", "pool-1", "pool-2"});
}

LOOP_TEST("ThreadPool: of a long prefix the beginning is kept") {
  coil::ThreadPool pool(1, "a prefix that is too long");
  const std::string name = co_await pool.run(thread_name);
  CHECK(name == "a prefix that-0");
}

LOOP_TEST("ThreadPool: by default it has a thread for each CPU and four more, at most 32") {
  coil::ThreadPool pool;
  CHECK(pool.max_workers() == std::min(32U, std::thread::hardware_concurrency() + 4));
  CHECK(pool.max_workers() == coil::ThreadPool::default_max_workers());
  const std::string name = co_await pool.run(thread_name);
  CHECK(name == "coil-0");
}

TEST_CASE("ThreadPool: without threads it is a std::invalid_argument") {
  CHECK_THROWS_AS(coil::ThreadPool(0), std::invalid_argument);
}

LOOP_TEST("ThreadPool: no more functions run at a time than it has threads, and they begin in order") {
  coil::ThreadPool pool(2);
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  std::mutex mutex;
  std::vector<int> order;
  std::vector<coil::Task<void>> tasks;
  for (int i = 0; i < 50; ++i) {
    tasks.push_back(coil::create_task(pool.run([&, i] {
      const int now = ++running;
      for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
      }
      {
        const std::lock_guard lock(mutex);
        order.push_back(i);
      }
      std::this_thread::yield();
      --running;
    })));
  }
  co_await coil::gather(tasks);
  CHECK(most <= 2);
  REQUIRE(order.size() == 50);
  for (int i = 0; i < 50; ++i) CHECK(std::abs(order[static_cast<std::size_t>(i)] - i) <= 1);
}

LOOP_TEST("ThreadPool: run after shutdown is a std::logic_error, at the call and at the await") {
  coil::ThreadPool pool(1);
  auto early = pool.run([] { return 1; });
  pool.shutdown();
  pool.shutdown(false);  // twice is fine
  CHECK_THROWS_WITH_AS(static_cast<void>(pool.run([] {})), "coil: ThreadPool::run() after shutdown()",
                       std::logic_error);
  CHECK_AWAIT_FAILS_WITH(early, "coil: ThreadPool::run() after shutdown()");
}

LOOP_TEST("ThreadPool: shutdown waits for all functions that were awaited, also those not begun") {
  coil::ThreadPool pool(1);
  std::atomic<int> ran{0};
  std::vector<coil::Task<void>> tasks;
  for (int i = 0; i < 10; ++i) tasks.push_back(coil::create_task(pool.run([&] { ++ran; })));
  co_await coil::yield();
  pool.shutdown();
  CHECK(ran == 10);
  co_await coil::gather(tasks);
}

LOOP_TEST("ThreadPool: shutdown(false) does not wait, and the functions still run") {
  std::latch go(1);
  std::atomic<int> ran{0};
  {
    coil::ThreadPool pool(1);
    auto first = coil::create_task(pool.run([&] {
      go.wait();
      ++ran;
    }));
    auto second = coil::create_task(pool.run([&] { ++ran; }));
    co_await coil::yield();
    pool.shutdown(false);
    CHECK(ran == 0);
    go.count_down();
    co_await coil::gather(first, second);
  }
  CHECK(ran == 2);
}

LOOP_TEST("ThreadPool: shutdown from one of its threads is a std::logic_error") {
  coil::ThreadPool pool(1);
  CHECK_AWAIT_FAILS_WITH(pool.run([&] { pool.shutdown(); }), "coil: ThreadPool::shutdown() waits for this very thread");
}

LOOP_TEST("ThreadPool: a call that outlives the pool is refused") {
  std::unique_ptr<coil::ThreadPool> pool = std::make_unique<coil::ThreadPool>(1);
  auto call = pool->run([] { return 1; });
  pool.reset();
  CHECK_AWAIT_FAILS_WITH(call, "coil: ThreadPool::run() after shutdown()");
}

TEST_CASE("ThreadPool: serves several loops at once") {
  coil_test::LeakCheck leaks;
  coil::ThreadPool pool(2);
  std::atomic<int> sum{0};
  const auto program = [&] {
    auto main = [&]() -> coil::Coro<void> {
      const auto here = std::this_thread::get_id();
      for (int i = 0; i < 500; ++i) {
        const int one = co_await pool.run([] { return 1; });
        if (std::this_thread::get_id() == here) sum += one;
      }
    };
    coil::run(main);
  };
  std::thread first(program);
  std::thread second(program);
  first.join();
  second.join();
  CHECK(sum == 1000);
}

LOOP_TEST("ThreadPool: its threads have all signals blocked, and the loop's thread is as it was") {
  sigset_t before;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  coil::ThreadPool pool(1);
  const bool blocked = co_await pool.run([] {
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return ::sigismember(&mask, SIGTERM) == 1 && ::sigismember(&mask, SIGINT) == 1;
  });
  CHECK(blocked);
  sigset_t after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  CHECK(::sigismember(&after, SIGTERM) == ::sigismember(&before, SIGTERM));
}

TEST_CASE("ThreadPool: where no thread can be started the await says so; where one runs, it does everything") {
  const auto result = coil_test::in_child([] {
    const auto main = [](bool one_before) -> coil::Coro<int> {
      coil::ThreadPool pool(4);
      if (one_before) co_await pool.run([] {});
      const rlimit none{0, 0};
      ::setrlimit(RLIMIT_NPROC, &none);
      int sum = 0;
      for (int i = 0; i < 3; ++i) {
        const auto outcome = co_await coil::as_result(pool.run([] { return 1; }));
        try {
          if (outcome.has_value()) ++sum;
          if (outcome.exception()) std::rethrow_exception(outcome.exception());
        } catch (const std::system_error& error) {
          if (error.code().value() == EAGAIN) sum += 10;
        }
      }
      co_return sum;
    };
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 77;  // root may start as many as it likes
    const int with_one = coil::run(main(true));
    const int with_none = coil::run(main(false));
    return with_one == 3 && with_none == 30 ? 0 : 1;
  });
  const bool cannot_become_nobody = result.exited_with(77);
  CHECK((result.exited_with(0) || cannot_become_nobody));
}

LOOP_TEST("run_in_executor: starts the function at once and gives a Task") {
  coil::ThreadPool pool(1);
  auto& loop = coil::get_running_loop();
  std::atomic<bool> ran{false};
  coil::Task<int> task = loop.run_in_executor(
      pool,
      [&](int value) {
        ran = true;
        return value;
      },
      5);
  while (!ran) std::this_thread::yield();  // the loop does not turn
  const int first = co_await task;
  const int second = co_await task;
  CHECK(first == 5);
  CHECK(second == 5);
  const int defaulted = co_await loop.run_in_executor(nullptr, [] { return 6; });
  CHECK(defaulted == 6);
}

LOOP_TEST("run_in_executor: after shutdown it is a std::logic_error at the call") {
  coil::ThreadPool pool(1);
  pool.shutdown();
  CHECK_THROWS_AS(coil::get_running_loop().run_in_executor(pool, [] {}), std::logic_error);
  co_await coil::yield();
}

LOOP_TEST("run_in_executor: cancelling its Task is cancelling the await of a function") {
  coil::ThreadPool pool(1);
  std::latch go(1);
  std::atomic<bool> finished{false};
  auto task = coil::get_running_loop().run_in_executor(pool, [&] {
    go.wait();
    finished = true;
  });
  auto queued = coil::get_running_loop().run_in_executor(pool, [] { FAIL("called after all"); });
  queued.cancel();
  CHECK_AWAIT_THROWS(queued, coil::CancelledError);
  go.count_down();
  co_await task;
  CHECK(finished);
}
