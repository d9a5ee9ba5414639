// The C++ half of meetings_queue.py.
#include "meetings.hpp"

using namespace conformance;

namespace {

using Queue = coil::Queue<int>;

coil::Coro<void> gets(std::string name, Queue& queue) {
  try {
    const int item = co_await queue.get();
    log(name, "got", item);
  } catch (const coil::QueueShutDown&) {
    log(name, std::current_exception());
  }
}

coil::Coro<void> puts(std::string name, Queue& queue, int item) {
  const std::string failure = co_await failure_of(queue.put(item));
  log(name, failure);
}

}  // namespace

SCENARIO("queue: a get that is cancelled after its item came loses none") {
  Queue queue;
  auto getter = [&](std::string name) { return gets(name, queue); };
  const Tasks tasks = parties("abc", getter);
  co_await sleep(0s);
  queue.put_nowait(1);
  queue.put_nowait(2);
  tasks[0].cancel("enough");
  const std::string failure = co_await failure_of(tasks[0]);
  log(failure);
  co_await turns(2);
  log(done(tasks), queue.qsize());
}

SCENARIO("queue: a put that is cancelled after its place came puts nothing, and passes the place on") {
  Queue queue(1);
  queue.put_nowait(0);
  int item = 0;
  auto putter = [&](std::string name) { return puts(name, queue, ++item); };
  const Tasks tasks = parties("abc", putter);
  co_await sleep(0s);
  log(queue.get_nowait());
  tasks[0].cancel("enough");
  tasks[2].cancel("enough");
  co_await turns(3);
  const std::size_t size = queue.qsize();
  const int got = queue.get_nowait();
  log(done(tasks), size, got);
}

SCENARIO("queue: two workers and a join") {
  Queue queue;
  for (int item = 0; item < 4; ++item) queue.put_nowait(item);
  auto worker = [&](std::string name) -> coil::Coro<void> {
    for (;;) {
      const int item = co_await queue.get();
      log(name, item);
      co_await sleep(100ms);
      queue.task_done();
    }
  };
  const Tasks workers = parties("ab", worker);
  co_await queue.join();
  log("joined", queue.qsize());
  co_await queue.join();
  log(failure_in([&] { queue.task_done(); }));
  for (const auto& each : workers) each.cancel();
  co_await coil::gather(coil::return_exceptions, workers);
}

SCENARIO("queue: shut down while it is empty, and while it is full") {
  for (const bool immediate : {false, true}) {
    Queue empty;
    Queue full(1);
    full.put_nowait(1);
    auto joins = [&]() -> coil::Coro<void> {
      const std::string failure = co_await failure_of(full.join());
      log("joined", failure);
    };
    Tasks tasks;
    tasks.push_back(create_task(gets("getter", empty)));
    tasks.push_back(create_task(joins));
    tasks.push_back(create_task(puts("putter", full, 2)));
    co_await sleep(0s);
    empty.shutdown(immediate);
    full.shutdown(immediate);
    co_await empty.join();
    log(empty.qsize(), full.qsize(), full.full());
    co_await turns(2);
    log(done(tasks));
    if (!immediate) {
      co_await gets("late getter", full);
      co_await turns(1);
      full.task_done();
    }
    co_await turns(2);
    log(done(tasks));
    for (Queue* queue : {&empty, &full}) {
      log(failure_in([&] { queue->put_nowait(3); }), failure_in([&] { queue->get_nowait(); }),
          failure_in([&] { queue->task_done(); }));
      const std::string of_put = co_await failure_of(queue->put(3));
      const std::string of_get = co_await failure_of(queue->get());
      log(of_put, of_get);
    }
  }
}

SCENARIO("queue: shut down at once, while an item is worked on") {
  Queue queue;
  queue.put_nowait(1);
  queue.put_nowait(2);
  auto joins = [&]() -> coil::Coro<void> {
    co_await queue.join();
    log("joined");
  };
  auto task = create_task(joins);
  const int got = co_await queue.get();
  log(got);
  co_await sleep(0s);
  queue.shutdown(true);
  log(queue.qsize());
  co_await turns(2);
  const bool joined = task.done();
  const auto first = failure_in([&] { queue.task_done(); });
  const auto second = failure_in([&] { queue.task_done(); });
  log(joined, first, second);
  co_await task;
}
