#include <coil/queue.hpp>

#include <coil/call_graph.hpp>

#include "../support/loop_test.hpp"

#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using coil::create_task;
using coil::yield;

static_assert(!std::is_copy_constructible_v<coil::Queue<int>> && !std::is_move_constructible_v<coil::Queue<int>>);

LOOP_TEST("queue: gives the items in the order in which they were put") {
  coil::Queue<int> queue;
  for (const int item : {1, 3, 2}) co_await queue.put(item);
  std::vector<int> items;
  for (int i = 0; i < 3; ++i) items.push_back(co_await queue.get());
  CHECK(items == std::vector<int>{1, 3, 2});
}

LOOP_TEST("queue: qsize, empty, full and maxsize say how it stands") {
  coil::Queue<int> queue(2);
  CHECK((queue.empty() && !queue.full() && queue.qsize() == 0 && queue.maxsize() == 2));
  co_await queue.put(1);
  CHECK((!queue.empty() && !queue.full() && queue.qsize() == 1));
  co_await queue.put(2);
  CHECK((!queue.empty() && queue.full() && queue.qsize() == 2));
  co_await queue.get();
  CHECK((!queue.empty() && !queue.full() && queue.qsize() == 1));
}

LOOP_TEST("queue: one without a maxsize is never full") {
  coil::Queue<int> queue;
  CHECK(queue.maxsize() == 0);
  for (int i = 0; i < 10'000; ++i) {
    queue.put_nowait(i);
    CHECK(!queue.full());
  }
  for (int i = 0; i < 10'000; ++i) CHECK(queue.get_nowait() == i);
  CHECK(queue.empty());
  co_await yield();
}

LOOP_TEST("queue: put and get do not yield if they need not wait") {
  coil_test::TurnCounter turns;
  coil::Queue<int> queue(1);
  co_await yield();
  const int before = turns.count();
  for (int i = 0; i < 100; ++i) {
    co_await queue.put(i);
    const int item = co_await queue.get();
    CHECK(item == i);
  }
  CHECK(turns.count() == before);
}

LOOP_TEST("queue: get waits for an item, put never runs the task that it wakes") {
  coil::Queue<int> queue;
  std::string log;
  auto get = [&]() -> coil::Coro<void> {
    const int item = co_await queue.get();
    log += "got " + std::to_string(item);
  };
  auto getter = create_task(get());
  co_await coil::sleep(1s);
  CHECK(!getter.done());
  co_await queue.put(7);
  CHECK(log == "");
  CHECK(queue.qsize() == 1);  // the item is in the queue until the task runs
  co_await getter;
  CHECK(log == "got 7");
  CHECK(queue.empty());
}

LOOP_TEST("queue: put waits while the queue is full") {
  coil::Queue<int> queue(2);
  std::vector<int> put;
  auto produce = [&]() -> coil::Coro<void> {
    for (int i = 0; i < 3; ++i) {
      co_await queue.put(i);
      put.push_back(i);
    }
  };
  auto producer = create_task(produce());
  co_await coil::sleep(1s);
  CHECK(put == std::vector<int>{0, 1});
  const int first = co_await queue.get();
  CHECK(first == 0);
  co_await yield();
  CHECK(put == std::vector<int>{0, 1, 2});
  CHECK(queue.get_nowait() == 1);
  CHECK(queue.get_nowait() == 2);
  CHECK(producer.done());
}

LOOP_TEST("queue: items go to the tasks that wait in the order in which those came") {
  coil::Queue<int> queue;
  std::string log;
  auto get = [&](char name) -> coil::Coro<void> {
    const int item = co_await queue.get();
    log += name + std::to_string(item) + " ";
  };
  auto a = create_task(get('a'));
  auto b = create_task(get('b'));
  auto c = create_task(get('c'));
  co_await yield();
  for (const int item : {1, 2, 3}) queue.put_nowait(item);
  co_await coil::gather(a, b, c);
  CHECK(log == "a1 b2 c3 ");
}

LOOP_TEST("queue: tasks that wait to put do so in the order in which they came") {
  coil::Queue<int> queue(1);
  queue.put_nowait(0);
  std::vector<coil::Task<void>> putters;
  for (int i = 1; i <= 4; ++i) putters.push_back(create_task(queue.put(i)));
  co_await yield();
  for (int i = 0; i <= 4; ++i) {
    const int item = co_await queue.get();
    CHECK(item == i);
  }
  co_await coil::gather(putters);
}

LOOP_TEST("queue: get_nowait of an empty one throws QueueEmpty, put_nowait into a full one QueueFull") {
  coil::Queue<int> queue(1);
  CHECK_THROWS_AS(queue.get_nowait(), coil::QueueEmpty);
  CHECK_THROWS_WITH(queue.get_nowait(), "coil: Queue::get_nowait(): the queue is empty");
  queue.put_nowait(1);
  CHECK_THROWS_AS(queue.put_nowait(2), coil::QueueFull);
  CHECK_THROWS_WITH(queue.put_nowait(2), "coil: Queue::put_nowait(): the queue is full");
  CHECK(queue.get_nowait() == 1);
  CHECK(queue.empty());
  static_assert(std::is_base_of_v<std::runtime_error, coil::QueueEmpty>);
  static_assert(std::is_base_of_v<std::runtime_error, coil::QueueFull>);
  static_assert(std::is_base_of_v<std::runtime_error, coil::QueueShutDown>);
  co_await yield();
}

LOOP_TEST("queue: while tasks wait to put, get_nowait gives what is there and wakes one of them for each") {
  coil::Queue<int> queue(2);
  auto putters = [&](int count) {
    std::vector<coil::Task<void>> tasks;
    for (int i = 0; i < count; ++i) tasks.push_back(create_task(queue.put(i)));
    return tasks;
  }(4);
  co_await yield();
  for (auto left = queue.qsize(); left != 0; --left) queue.get_nowait();
  CHECK(queue.empty());
  co_await coil::gather(putters);
  CHECK(queue.qsize() == 2);
}

LOOP_TEST("queue: an item that comes between a task's wake-up and its turn may be taken by another; it waits again") {
  coil::Queue<int> queue;
  std::string log;
  auto get = [&](char name) -> coil::Coro<void> {
    const int item = co_await queue.get();
    log += name + std::to_string(item) + " ";
  };
  auto a = create_task(get('a'));
  co_await yield();
  queue.put_nowait(1);
  CHECK(queue.get_nowait() == 1);
  auto b = create_task(get('b'));
  co_await coil::sleep(1s);
  CHECK(log == "");
  queue.put_nowait(2);
  queue.put_nowait(3);
  co_await coil::gather(a, b);
  CHECK(log == "a2 b3 ");
}

LOOP_TEST("queue: a task whose item was taken waits behind those who came meanwhile, as in asyncio") {
  coil::Queue<int> queue;
  std::string log;
  auto get = [&](char name) -> coil::Coro<void> {
    const int item = co_await queue.get();
    log += name + std::to_string(item) + " ";
  };
  auto a = create_task(get('a'));
  auto b = create_task(get('b'));
  co_await yield();
  queue.put_nowait(1);
  CHECK(queue.get_nowait() == 1);
  co_await yield();
  queue.put_nowait(2);
  queue.put_nowait(3);
  co_await coil::gather(a, b);
  CHECK(log == "b2 a3 ");
}

LOOP_TEST("queue: of two tasks that were woken the one that finds nothing left waits again") {
  coil::Queue<int> queue;
  std::string log;
  auto get = [&](char name) -> coil::Coro<void> {
    for (int i = 0; i < 2; ++i) {
      const int item = co_await queue.get();
      log += name + std::to_string(item) + " ";
    }
  };
  auto a = create_task(get('a'));
  auto b = create_task(get('b'));
  co_await yield();
  queue.put_nowait(1);
  queue.put_nowait(2);  // both are woken, and a takes both: the second get need not wait
  co_await yield();
  CHECK(log == "a1 a2 ");
  CHECK(!b.done());
  queue.put_nowait(3);
  queue.put_nowait(4);
  co_await b;
  CHECK(log == "a1 a2 b3 b4 ");
}

LOOP_TEST("queue: a place that came free between a task's wake-up and its turn may be taken by another") {
  coil::Queue<int> queue(1);
  queue.put_nowait(1);
  auto putter = create_task(queue.put(2));
  co_await yield();
  CHECK(queue.get_nowait() == 1);
  queue.put_nowait(9);
  co_await coil::sleep(1s);
  CHECK(!putter.done());
  CHECK(queue.get_nowait() == 9);
  co_await putter;
  CHECK(queue.get_nowait() == 2);
}

LOOP_TEST("queue: where tasks that were robbed stand is told by the call graph") {
  coil::Queue<int> queue;
  auto get = [&]() -> coil::Coro<int> { co_return co_await queue.get(); };
  auto getter = create_task(get());
  co_await yield();
  queue.put_nowait(1);
  CHECK(queue.get_nowait() == 1);
  co_await yield();
  const auto graph = coil::capture_call_graph(getter);
  CHECK(graph.frames.size() == 2);
  CHECK(std::string(graph.frames.back().where.file_name()).find("queue_test") != std::string::npos);
  queue.put_nowait(2);
  const int item = co_await getter;
  CHECK(item == 2);
}

LOOP_TEST("queue: a producer and a consumer of a queue of one take turns") {
  coil::Queue<int> queue(1);
  int sum = 0;
  auto produce = [&]() -> coil::Coro<void> {
    for (int i = 0; i < 100; ++i) co_await queue.put(i);
  };
  auto consume = [&]() -> coil::Coro<void> {
    for (int i = 0; i < 100; ++i) sum += co_await queue.get();
  };
  co_await coil::gather(produce(), consume());
  CHECK(sum == 4950);
}

LOOP_TEST("queue: put and get can be given to gather, wait_for, as_result and create_task") {
  coil::Queue<std::string> queue(1);
  const auto [nothing, item] = co_await coil::gather(queue.put("a"), queue.get());
  CHECK(item == "a");
  CHECK_AWAIT_THROWS(coil::wait_for(queue.get(), 1s), coil::TimeoutError);
  auto put = create_task(queue.put("b"));
  co_await put;
  CHECK_AWAIT_THROWS(coil::wait_for(queue.put("c"), 1s), coil::TimeoutError);
  auto outcome = co_await coil::as_result(queue.get());
  CHECK(outcome.value() == "b");
  CHECK(queue.empty());
  auto joined = co_await coil::as_result(coil::wait_for(queue.join(), 1s));
  CHECK(!joined.has_value());
}

TEST_CASE("queue: may be made, filled and emptied outside of a loop, and used in one run after another") {
  coil::Queue<int> queue(2);
  queue.put_nowait(1);
  for (int i = 0; i < 2; ++i) {
    auto main = [&]() -> coil::Coro<void> {
      const int item = co_await queue.get();
      co_await queue.put(item + 1);
    };
    coil::run(main, coil_test::virtual_time);
  }
  CHECK(queue.get_nowait() == 3);
}

TEST_CASE("queue: to wait in another loop than before throws std::logic_error, and no item is lost") {
  coil::Queue<int> queue(1);
  auto first = [&]() -> coil::Coro<void> { CHECK_AWAIT_THROWS(coil::wait_for(queue.get(), 1s), coil::TimeoutError); };
  coil::run(first, coil_test::virtual_time);
  auto main = [&]() -> coil::Coro<void> {
    CHECK_AWAIT_FAILS_WITH(queue.get(),
                           "coil: Queue::get(): it belongs to another event loop, the first one that waited for it");
    co_await queue.put(1);
    CHECK_AWAIT_FAILS_WITH(queue.put(2),
                           "coil: Queue::put(): it belongs to another event loop, the first one that waited for it");
    CHECK_AWAIT_FAILS_WITH(queue.join(),
                           "coil: Queue::join(): it belongs to another event loop, the first one that waited for it");
    const int item = co_await queue.get();
    CHECK(item == 1);
  };
  coil::run(main, coil_test::virtual_time);
}

LOOP_TEST("queue: what would wake a task, called in another thread, throws std::logic_error and changes nothing") {
  coil::Queue<int> queue(1);
  auto getter = create_task(queue.get());
  co_await yield();
  std::string log;
  const auto refused = [&](auto call) {
    std::thread([&] {
      try {
        call();
        log += "done;";
      } catch (const std::logic_error&) {
        log += "refused;";
      }
    }).join();
  };
  refused([&] { queue.put_nowait(1); });
  refused([&] { queue.shutdown(); });
  CHECK(queue.empty());
  queue.put_nowait(1);
  const int item = co_await getter;
  CHECK(item == 1);
  queue.put_nowait(2);
  auto putter = create_task(queue.put(3));
  auto joiner = create_task(queue.join());
  co_await yield();
  refused([&] { queue.get_nowait(); });
  refused([&] { queue.task_done(); });
  CHECK(log == "refused;refused;refused;refused;");
  CHECK(queue.qsize() == 1);
  CHECK(queue.get_nowait() == 2);
  co_await putter;
  for (int i = 0; i < 3; ++i) queue.task_done();
  co_await joiner;
}

LOOP_TEST("queue: one that is destroyed ends those who wait, and those just woken, with a std::logic_error") {
  std::optional<coil::Queue<int>> queue(std::in_place, 1);
  auto robbed = create_task(queue->get());
  auto woken = create_task(queue->get());
  auto waiting = create_task(queue->get());
  auto cancelled = create_task(queue->get());
  co_await yield();
  queue->put_nowait(1);
  queue->get_nowait();
  queue->put_nowait(2);
  auto putter = create_task(queue->put(3), {.eager = true});
  auto joiner = create_task(queue->join(), {.eager = true});
  cancelled.cancel();
  queue.reset();
  CHECK_AWAIT_FAILS_WITH(robbed, "coil: the Queue was destroyed while a task waited for it");
  for (const auto& task : {woken, waiting}) CHECK_AWAIT_THROWS(task, std::logic_error);
  for (const auto& task : {putter, joiner}) CHECK_AWAIT_THROWS(task, std::logic_error);
  CHECK_AWAIT_THROWS(cancelled, coil::CancelledError);
}

LOOP_TEST("queue: may be destroyed as soon as all is done; who waited in join goes on") {
  std::optional<coil::Queue<int>> queue(std::in_place);
  queue->put_nowait(1);
  auto joiner = create_task(queue->join());
  co_await yield();
  queue->task_done();
  queue.reset();
  co_await joiner;
}

TEST_CASE("queue: one of main's that workers still wait for when main ends leaves them cancelled") {
  coil::Task<void> worker;
  int sum = 0;
  auto main = [&]() -> coil::Coro<void> {
    coil::Queue<int> queue;
    auto work = [](coil::Queue<int>& items, int& total) -> coil::Coro<void> {
      for (;;) {
        total += co_await items.get();
        items.task_done();
      }
    };
    worker = create_task(work(queue, sum));
    for (const int item : {1, 2, 3}) queue.put_nowait(item);
    co_await queue.join();
  };
  coil::run(main, coil_test::virtual_time);
  CHECK(worker.cancelled());
  CHECK(sum == 6);
}
