// Items between loops and threads: order, limits, shutdown, cancellation, and many at once.
#include <coil/threadsafe_queue.hpp>
#include <coil/to_thread.hpp>

#include "../support/loop_test.hpp"

#include <atomic>
#include <cmath>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

using coil::Coro;
using coil::ThreadsafeQueue;
using namespace std::chrono_literals;

LOOP_TEST("ThreadsafeQueue: gives items in order, also those that cannot be copied") {
  ThreadsafeQueue<std::unique_ptr<int>> queue;
  queue.put_nowait(std::make_unique<int>(1));
  auto second = std::make_unique<int>(2);
  co_await queue.put(std::move(second));
  queue.put_blocking(std::make_unique<int>(3));
  CHECK(queue.qsize() == 3);
  CHECK(!queue.empty());
  CHECK(!queue.full());
  CHECK(queue.maxsize() == 0);
  const auto a = co_await queue.get();
  const auto b = queue.get_nowait();
  const auto c = queue.get_blocking();
  CHECK(*a == 1);
  CHECK(*b == 2);
  CHECK(*c == 3);
  CHECK(queue.empty());
  CHECK_THROWS_AS(queue.get_nowait(), coil::QueueEmpty);
}

LOOP_TEST("ThreadsafeQueue: a task that waits gets the item of a thread, and a thread that of a task") {
  ThreadsafeQueue<std::string> to_task;
  ThreadsafeQueue<std::string> to_thread;
  auto got = coil::create_task(to_task.get());
  auto answer = coil::create_task(coil::to_thread([&] {
    to_task.put_blocking("from the thread");
    return to_thread.get_blocking();
  }));
  const std::string item = co_await got;
  CHECK(item == "from the thread");
  co_await to_thread.put("from the task");
  const std::string other = co_await answer;
  CHECK(other == "from the task");
}

LOOP_TEST("ThreadsafeQueue: bounded, it lets those who put wait, in order; an item belongs to who has waited longest") {
  ThreadsafeQueue<int> queue(1);
  queue.put_nowait(1);
  CHECK(queue.full());
  CHECK_THROWS_AS(queue.put_nowait(2), coil::QueueFull);
  CHECK_THROWS_WITH_AS(queue.put_blocking(2),
                       "coil: ThreadsafeQueue::put_blocking() would block the event loop: use co_await",
                       std::logic_error);
  auto second = coil::create_task(queue.put(2));
  auto third = coil::create_task(queue.put(3));
  co_await coil::yield();
  CHECK(queue.get_nowait() == 1);
  CHECK(queue.full());  // the second is in
  co_await second;
  CHECK(!third.done());
  CHECK(queue.get_nowait() == 2);
  co_await third;
  CHECK(queue.get_nowait() == 3);
  CHECK_THROWS_WITH_AS(queue.get_blocking(),
                       "coil: ThreadsafeQueue::get_blocking() would block the event loop: use co_await",
                       std::logic_error);
  auto first_getter = coil::create_task(queue.get());
  co_await coil::yield();
  queue.put_nowait(4);
  CHECK(queue.empty());  // it is promised
  CHECK_THROWS_AS(queue.get_nowait(), coil::QueueEmpty);
  CHECK(queue.full());
  const int item = co_await first_getter;
  CHECK(item == 4);
}

LOOP_TEST("ThreadsafeQueue: no item is lost when a get is cancelled, before or after its item has come") {
  ThreadsafeQueue<int> queue;
  for (const bool other_waits : {false, true}) {
    auto first = coil::create_task(queue.get());
    coil::Task<int> second;
    if (other_waits) second = coil::create_task(queue.get());
    co_await coil::yield();
    queue.put_nowait(7);
    first.cancel();
    CHECK_AWAIT_THROWS(first, coil::CancelledError);
    const int item = other_waits ? co_await second : queue.get_nowait();
    CHECK(item == 7);
  }
  auto early = coil::create_task(queue.get());
  co_await coil::yield();
  early.cancel();
  queue.put_nowait(8);
  CHECK_AWAIT_THROWS(early, coil::CancelledError);
  CHECK(queue.get_nowait() == 8);
}

LOOP_TEST("ThreadsafeQueue: a put that is cancelled has put its item or has not, and says which") {
  ThreadsafeQueue<std::shared_ptr<int>> queue(1);
  auto item = std::make_shared<int>(1);
  queue.put_nowait(nullptr);
  auto early = coil::create_task(queue.put(item));
  co_await coil::yield();
  early.cancel();
  CHECK_AWAIT_THROWS(early, coil::CancelledError);
  CHECK(item.use_count() == 1);
  bool thrown_later = false;
  auto body = [&]() -> coil::Coro<void> {
    co_await queue.put(item);
    try {
      co_await coil::yield();
    } catch (const coil::CancelledError&) {
      thrown_later = true;
    }
  };
  auto late = coil::create_task(body());
  co_await coil::yield();
  CHECK(queue.get_nowait() == nullptr);  // now its item is in
  late.cancel();
  co_await late;
  CHECK(thrown_later);
  CHECK(queue.get_nowait() == item);
}

LOOP_TEST("ThreadsafeQueue: shut down it takes no more, gives what it has, and wakes all who wait") {
  ThreadsafeQueue<int> queue(1);
  queue.put_nowait(1);
  auto put = coil::create_task(queue.put(2));
  co_await coil::yield();
  queue.shutdown();
  CHECK_AWAIT_THROWS(put, coil::QueueShutDown);
  CHECK_AWAIT_THROWS(queue.put(3), coil::QueueShutDown);
  CHECK_THROWS_AS(queue.put_nowait(3), coil::QueueShutDown);
  const int item = co_await queue.get();
  CHECK(item == 1);
  CHECK_AWAIT_THROWS(queue.get(), coil::QueueShutDown);
  CHECK_THROWS_AS(queue.get_nowait(), coil::QueueShutDown);
  CHECK_THROWS_AS(queue.get_blocking(), coil::QueueShutDown);
  ThreadsafeQueue<int> other;
  auto get = coil::create_task(other.get());
  auto in_thread = coil::create_task(coil::to_thread([&] { return other.get_blocking(); }));
  co_await coil::yield();
  other.shutdown();
  CHECK_AWAIT_THROWS(get, coil::QueueShutDown);
  CHECK_AWAIT_THROWS(in_thread, coil::QueueShutDown);
}

LOOP_TEST("ThreadsafeQueue: shut down at once it drops its items, also one that was promised") {
  auto item = std::make_shared<int>(1);
  ThreadsafeQueue<std::shared_ptr<int>> queue;
  auto get = coil::create_task(queue.get());
  co_await coil::yield();
  queue.put_nowait(item);
  queue.put_nowait(item);
  queue.shutdown(true);
  CHECK(item.use_count() == 1);
  CHECK_AWAIT_THROWS(get, coil::QueueShutDown);
  CHECK(queue.empty());
}

LOOP_TEST("ThreadsafeQueue: whoever waits when it is destroyed ends with a std::logic_error, or cancelled") {
  auto queue = std::make_unique<ThreadsafeQueue<int>>();
  auto first = coil::create_task(queue->get());
  auto second = coil::create_task(queue->get());
  co_await coil::yield();
  queue.reset();
  second.cancel();
  CHECK_AWAIT_FAILS_WITH(first, "coil: the ThreadsafeQueue was destroyed while somebody waited for it");
  CHECK_AWAIT_THROWS(second, coil::CancelledError);
}

LOOP_TEST("ThreadsafeQueue: what moving an item throws leaves the queue as it was, and comes to who put it") {
  struct Moody {
    explicit Moody(int v) : value(v) {}
    Moody(Moody&& other) : value(other.value), angry(other.angry) {
      if (angry != nullptr && *angry) throw std::runtime_error("not now");
    }
    int value;
    const bool* angry = nullptr;
  };
  bool angry = false;
  ThreadsafeQueue<Moody> queue(1);
  Moody item(1);
  item.angry = &angry;
  queue.put_nowait(std::move(item));
  auto put = coil::create_task(queue.put(std::move(item)));
  co_await coil::yield();
  angry = true;
  CHECK_THROWS_WITH(queue.get_nowait(), "not now");
  CHECK(queue.qsize() == 1);
  angry = false;
  {
    const Moody first = co_await queue.get();
    CHECK(first.value == 1);
  }
  co_await put;
  CHECK(queue.qsize() == 1);
}

TEST_CASE("ThreadsafeQueue: a thread waits for a while, then says that the queue is empty, or full") {
  ThreadsafeQueue<std::unique_ptr<int>> queue(1);
  CHECK_THROWS_WITH_AS(queue.get_blocking_for(0s), "coil: ThreadsafeQueue::get_blocking_for(): the queue is empty",
                       coil::QueueEmpty);
  const auto start = std::chrono::steady_clock::now();
  CHECK_THROWS_AS(queue.get_blocking_for(20ms), coil::QueueEmpty);
  CHECK(std::chrono::steady_clock::now() - start >= 20ms);
  queue.put_blocking_for(std::make_unique<int>(1), -1s);  // there is room
  CHECK_THROWS_WITH_AS(queue.put_blocking_for(std::make_unique<int>(2), 1ms),
                       "coil: ThreadsafeQueue::put_blocking_for(): the queue is full", coil::QueueFull);
  CHECK(*queue.get_blocking_for(1h) == 1);
  CHECK(queue.empty());
  queue.put_nowait(std::make_unique<int>(3));  // those who gave up stand in line no more
  CHECK(*queue.get_nowait() == 3);
  queue.shutdown();
  CHECK_THROWS_AS(queue.get_blocking_for(1h), coil::QueueShutDown);
  CHECK_THROWS_AS(queue.put_blocking_for(nullptr, 1h), coil::QueueShutDown);
}

LOOP_TEST("ThreadsafeQueue: a thread that waits for a while is served in time, and a loop is not blocked") {
  ThreadsafeQueue<int> queue(1);
  CHECK_THROWS_WITH_AS(queue.get_blocking_for(1s),
                       "coil: ThreadsafeQueue::get_blocking_for() would block the event loop: use co_await",
                       std::logic_error);
  auto get = coil::create_task(coil::to_thread([&] { return queue.get_blocking_for(1h); }));
  co_await queue.put(1);
  const int item = co_await get;
  CHECK(item == 1);
  queue.put_nowait(2);
  auto put = coil::create_task(coil::to_thread([&] { queue.put_blocking_for(3, std::chrono::hours::max()); }));
  CHECK(queue.get_nowait() == 2);
  co_await put;
  CHECK(queue.get_nowait() == 3);
  CHECK_AWAIT_FAILS_WITH(coil::to_thread([&] { queue.get_blocking_for(std::chrono::duration<double>(NAN)); }),
                         "coil: a duration that is not a number");
}

TEST_CASE("ThreadsafeQueue: whoever gives up in the moment in which an item comes has it, or the queue has") {
  constexpr int rounds = coil_test::sanitized ? 200 : 500;
  ThreadsafeQueue<int> queue;
  std::atomic<int> got{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> getters;
  for (const int wait : {1, 20, 50}) {
    getters.emplace_back([&, wait] {
      while (!stop) {
        try {
          got += queue.get_blocking_for(std::chrono::microseconds(wait));
        } catch (const coil::QueueEmpty&) {
        }
      }
    });
  }
  for (int i = 0; i < rounds; ++i) {
    queue.put_nowait(1);
    if (i % 8 == 0) std::this_thread::yield();
  }
  while (queue.qsize() != 0) std::this_thread::yield();
  stop = true;
  for (std::thread& getter : getters) getter.join();
  CHECK(got == rounds);
}

LOOP_TEST("ThreadsafeQueue: join waits, in tasks and threads, until each item was called done") {
  ThreadsafeQueue<int> queue(2);
  co_await queue.join();  // nothing was put
  CHECK_THROWS_WITH_AS(queue.task_done(), "coil: ThreadsafeQueue::task_done() called more often than items were put",
                       std::invalid_argument);
  auto put = coil::create_task([&]() -> Coro<void> {
    for (int i = 0; i < 3; ++i) co_await queue.put(i);
  });
  co_await coil::yield();
  CHECK_THROWS_WITH_AS(queue.join_blocking(),
                       "coil: ThreadsafeQueue::join_blocking() would block the event loop: use co_await",
                       std::logic_error);
  auto in_task = coil::create_task(queue.join());
  auto given_up = coil::create_task(queue.join());
  auto in_thread = coil::create_task(coil::to_thread([&] { queue.join_blocking(); }));
  co_await coil::yield();
  given_up.cancel();
  CHECK_AWAIT_THROWS(given_up, coil::CancelledError);
  for (int i = 0; i < 3; ++i) {
    const int item = co_await queue.get();
    CHECK(item == i);
    CHECK(!in_task.done());
    CHECK(!in_thread.done());
    queue.task_done();
  }
  co_await coil::gather(in_task, in_thread, put);
  CHECK_THROWS_AS(queue.task_done(), std::invalid_argument);
}

LOOP_TEST("ThreadsafeQueue: what is dropped by a shutdown counts as done") {
  ThreadsafeQueue<int> queue;
  for (int i = 0; i < 3; ++i) queue.put_nowait(i);
  static_cast<void>(queue.get_nowait());
  auto joined = coil::create_task(queue.join());
  co_await coil::yield();
  queue.shutdown(true);
  co_await coil::yield();
  CHECK(!joined.done());  // one was taken, and is dealt with still
  queue.task_done();
  co_await joined;
}

TEST_CASE(
    "ThreadsafeQueue: two loops and four threads pass a hundred thousand items, each once, each maker's in order") {
  constexpr int makers = 3;
  constexpr int items = coil_test::sanitized ? 5'000 : 50'000;
  for (const std::size_t maxsize : {0U, 1U, 64U}) {
    ThreadsafeQueue<std::pair<int, int>> queue(maxsize);
    std::vector<std::vector<int>> seen(makers, std::vector<int>(items, 0));  // each place written by one taker
    std::atomic<bool> in_order{true};
    std::atomic<int> makers_left{makers};
    struct Last {
      std::vector<int> of = std::vector<int>(makers, -1);
    };
    const auto note = [&](Last& last, const std::pair<int, int>& item) {
      const auto maker = static_cast<std::size_t>(item.first);
      if (last.of[maker] >= item.second) in_order = false;
      last.of[maker] = item.second;
      ++seen[maker][static_cast<std::size_t>(item.second)];
    };
    const auto made = [&] {
      if (--makers_left == 0) queue.shutdown();
    };
    auto put_all = [&](int maker) -> coil::Coro<void> {
      for (int i = 0; i < items; ++i) co_await queue.put(std::pair(maker, i));
      made();
    };
    auto get_all = [&]() -> coil::Coro<void> {
      Last last;
      try {
        for (;;) note(last, co_await queue.get());
      } catch (const coil::QueueShutDown&) {
      }
    };
    std::vector<std::thread> threads;
    for (const int maker : {0, 1}) {
      threads.emplace_back([&, maker] {
        for (int i = 0; i < items; ++i) queue.put_blocking(std::pair(maker, i));
        made();
      });
    }
    threads.emplace_back([&] {
      Last last;
      try {
        for (;;) note(last, queue.get_blocking());
      } catch (const coil::QueueShutDown&) {
      }
    });
    threads.emplace_back([&] { coil::run(get_all); });
    auto main = [&]() -> coil::Coro<void> { co_await coil::gather(put_all(2), get_all()); };
    coil::run(main);
    for (std::thread& thread : threads) thread.join();
    CHECK(in_order);
    for (const auto& of_maker : seen) CHECK(of_maker == std::vector<int>(items, 1));
  }
}

TEST_CASE("ThreadsafeQueue: gets that are cancelled all the time lose no item") {
  constexpr int items = coil_test::sanitized ? 2'000 : 20'000;
  ThreadsafeQueue<int> queue(8);
  std::thread maker([&] {
    for (int i = 0; i < items; ++i) queue.put_blocking(i);
    queue.shutdown();
  });
  std::vector<int> got;
  int cancelled = 0;
  auto main = [&]() -> coil::Coro<void> {
    for (;;) {
      auto task = coil::create_task(queue.get());
      for (int i = 0; i < 2 && !task.done(); ++i) co_await coil::yield();
      task.cancel();
      auto outcome = co_await coil::as_result(task);
      if (outcome.has_value()) {
        got.push_back(outcome.value());
      } else if (outcome.cancelled()) {
        ++cancelled;
      } else {
        break;
      }
    }
  };
  coil::run(main);
  maker.join();
  std::vector<int> expected(items);
  std::iota(expected.begin(), expected.end(), 0);
  CHECK(got == expected);
}
