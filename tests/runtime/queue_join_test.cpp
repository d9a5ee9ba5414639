// task_done, join and shutdown: the same for each kind of queue.
#include <coil/queue.hpp>

#include "../support/loop_test.hpp"

#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil::create_task;
using coil::yield;

namespace {

template <class Queue>
coil::Coro<void> check_all_shut(Queue& queue) {
  CHECK_AWAIT_THROWS(queue.put("data"), coil::QueueShutDown);
  CHECK_THROWS_AS(queue.put_nowait("data"), coil::QueueShutDown);
  CHECK_AWAIT_THROWS(queue.get(), coil::QueueShutDown);
  CHECK_THROWS_AS(queue.get_nowait(), coil::QueueShutDown);
}

}  // namespace

// A LOOP_TEST for each kind of queue.
#define QUEUE_TEST_OF(body, sentence)                                                         \
  template <class Queue>                                                                      \
  static coil::Coro<void> body(coil_test::Reports& reports);                                  \
  TEST_CASE_TEMPLATE(sentence, Queue, coil::Queue<std::string>, coil::LifoQueue<std::string>, \
                     coil::PriorityQueue<std::string>) {                                      \
    coil_test::run_loop_test(body<Queue>);                                                    \
  }                                                                                           \
  template <class Queue>                                                                      \
  static coil::Coro<void> body([[maybe_unused]] coil_test::Reports& reports)
#define QUEUE_TEST(sentence) QUEUE_TEST_OF(DOCTEST_ANONYMOUS(queue_test_body_), sentence)

QUEUE_TEST("queue join: task_done() more often than items were put throws std::invalid_argument") {
  Queue queue;
  CHECK_THROWS_AS(queue.task_done(), std::invalid_argument);
  co_await queue.put("a");
  queue.task_done();
  CHECK_THROWS_WITH(queue.task_done(), "coil: Queue::task_done() called more often than items were put");
  CHECK(queue.qsize() == 1);
}

QUEUE_TEST("queue join: of a queue that nothing was put into does not wait") {
  coil_test::TurnCounter turns;
  Queue queue;
  co_await yield();
  const int before = turns.count();
  co_await queue.join();
  co_await queue.join();
  CHECK(turns.count() == before);
}

QUEUE_TEST("queue join: waits until task_done() was called for every item") {
  Queue queue;
  int worked = 0;
  for (int i = 0; i < 100; ++i) queue.put_nowait("item");
  auto work = [&]() -> coil::Coro<void> {
    for (;;) {
      co_await queue.get();
      co_await yield();
      ++worked;
      queue.task_done();
    }
  };
  auto a = create_task(work());
  auto b = create_task(work());
  co_await queue.join();
  CHECK(worked == 100);
  a.cancel();
  b.cancel();
  co_await coil::gather(coil::return_exceptions, a, b);
}

QUEUE_TEST("queue join: is not ended by get, only by task_done()") {
  Queue queue;
  queue.put_nowait("a");
  auto joiner = create_task(queue.join());
  co_await queue.get();
  co_await coil::sleep(1s);
  CHECK(!joiner.done());
  queue.task_done();
  co_await joiner;
}

QUEUE_TEST("queue join: goes on although something was put after the last task_done()") {
  Queue queue;
  queue.put_nowait("a");
  auto joiner = create_task(queue.join());
  co_await yield();
  queue.task_done();
  queue.put_nowait("b");
  co_await joiner;
  CHECK_AWAIT_THROWS(coil::wait_for(queue.join(), 1s), coil::TimeoutError);
}

QUEUE_TEST("queue shutdown: of an empty one wakes those in get, and refuses everything") {
  Queue queue;
  auto getter = create_task(queue.get());
  co_await yield();
  queue.shutdown();
  CHECK(queue.qsize() == 0);
  co_await queue.join();
  co_await yield();
  CHECK(getter.done());
  CHECK_AWAIT_THROWS(getter, coil::QueueShutDown);
  co_await check_all_shut(queue);
}

QUEUE_TEST("queue shutdown: what is in the queue can still be taken, then get throws QueueShutDown") {
  Queue queue(1);
  queue.put_nowait("data");
  auto joiner = create_task(queue.join());
  auto putter = create_task(queue.put("data2"));
  co_await yield();
  CHECK(!putter.done());
  queue.shutdown();
  CHECK(queue.qsize() == 1);
  co_await yield();
  CHECK_AWAIT_THROWS(putter, coil::QueueShutDown);
  CHECK_THROWS_AS(queue.put_nowait("data"), coil::QueueShutDown);
  const std::string item = co_await queue.get();
  CHECK(item == "data");
  CHECK(!joiner.done());
  co_await check_all_shut(queue);
  queue.task_done();
  co_await joiner;
  CHECK_THROWS_AS(queue.task_done(), std::invalid_argument);
}

QUEUE_TEST("queue shutdown: immediately drops the items and ends join") {
  Queue queue;
  queue.put_nowait("data");
  queue.put_nowait("more");
  auto joiner = create_task(queue.join());
  co_await yield();
  queue.shutdown(true);
  CHECK(queue.empty());
  co_await joiner;
  co_await check_all_shut(queue);
  CHECK_THROWS_AS(queue.task_done(), std::invalid_argument);
}

QUEUE_TEST("queue shutdown: immediately, while an item is worked on, ends join with its task_done()") {
  Queue queue;
  queue.put_nowait("data");
  queue.put_nowait("data");
  auto joiner = create_task(queue.join());
  co_await queue.get();
  queue.shutdown(true);
  CHECK(queue.empty());
  co_await yield();
  CHECK(!joiner.done());
  queue.task_done();
  CHECK_THROWS_AS(queue.task_done(), std::invalid_argument);
  co_await joiner;
}

QUEUE_TEST("queue shutdown: immediately, after items were counted as done too early, counts none twice") {
  Queue queue;
  queue.put_nowait("a");
  queue.put_nowait("b");
  queue.task_done();
  queue.shutdown(true);
  co_await queue.join();
  CHECK_THROWS_AS(queue.task_done(), std::invalid_argument);
}

QUEUE_TEST("queue shutdown: twice is once; immediately after politely drops what is left") {
  Queue queue;
  queue.put_nowait("a");
  queue.shutdown();
  queue.shutdown();
  CHECK(queue.qsize() == 1);
  queue.shutdown(true);
  CHECK(queue.empty());
  co_await queue.join();
}

QUEUE_TEST("queue shutdown: wakes all who wait to put, and none of their items gets in") {
  Queue queue(1);
  queue.put_nowait("a");
  std::vector<coil::Task<void>> putters;
  for (int i = 0; i < 3; ++i) putters.push_back(create_task(queue.put("late")));
  co_await yield();
  queue.shutdown();
  for (auto& putter : putters) CHECK_AWAIT_THROWS(putter, coil::QueueShutDown);
  CHECK(queue.get_nowait() == "a");
  CHECK(queue.empty());
}

QUEUE_TEST("queue shutdown: a put that was woken before does not get its item in any more") {
  Queue queue(1);
  queue.put_nowait("a");
  auto putter = create_task(queue.put("b"));
  co_await yield();
  CHECK(queue.get_nowait() == "a");
  queue.shutdown();
  CHECK_AWAIT_THROWS(putter, coil::QueueShutDown);
  CHECK(queue.empty());
}

QUEUE_TEST("queue shutdown: a get that was woken before still gets its item, unless that was dropped") {
  for (const bool immediate : {false, true}) {
    Queue queue;
    auto getter = create_task(queue.get());
    co_await yield();
    queue.put_nowait("a");
    queue.shutdown(immediate);
    auto outcome = co_await coil::as_result(getter);
    CHECK(outcome.has_value() == !immediate);
    if (immediate) CHECK_THROWS_AS(outcome.value(), coil::QueueShutDown);
  }
}

QUEUE_TEST("queue shutdown: a get that was robbed and waits again is woken") {
  Queue queue;
  auto getter = create_task(queue.get());
  co_await yield();
  queue.put_nowait("a");
  queue.get_nowait();
  co_await yield();
  CHECK(!getter.done());
  queue.shutdown();
  CHECK_AWAIT_THROWS(getter, coil::QueueShutDown);
}

QUEUE_TEST("queue shutdown: and a cancel in the same turn is a cancellation") {
  Queue queue;
  auto getter = create_task(queue.get());
  co_await yield();
  queue.shutdown();
  getter.cancel();
  CHECK_AWAIT_THROWS(getter, coil::CancelledError);
}

LOOP_TEST("queue shutdown: items that are dropped are destroyed once the queue is shut, and may look at it") {
  struct Witness {
    Witness(coil::Queue<Witness>& queue, std::string& log) : queue_(&queue), log_(&log) {}
    Witness(Witness&& other) noexcept : queue_(std::exchange(other.queue_, nullptr)), log_(other.log_) {}
    Witness& operator=(Witness&& other) noexcept {
      std::swap(queue_, other.queue_);
      return *this;
    }
    ~Witness() {
      if (queue_ == nullptr) return;
      try {
        queue_->put_nowait(Witness(*this, 0));
      } catch (const coil::QueueShutDown&) {
        *log_ += "shut;";
      }
    }
    Witness(const Witness& of, int) : queue_(nullptr), log_(of.log_) {}

  private:
    coil::Queue<Witness>* queue_;
    std::string* log_;
  };
  std::string log;
  coil::Queue<Witness> queue;
  queue.put_nowait(Witness(queue, log));
  queue.put_nowait(Witness(queue, log));
  queue.shutdown(true);
  CHECK(log == "shut;shut;");
  co_await yield();
}
