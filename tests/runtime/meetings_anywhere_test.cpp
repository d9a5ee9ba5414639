// Programs of tasks that meet, cut off at every one of their steps, once and twice: nothing is held afterwards that should
// be free, nobody waits, and each item is somewhere.
#include <coil/barrier.hpp>
#include <coil/condition.hpp>
#include <coil/event.hpp>
#include <coil/lock.hpp>
#include <coil/queue.hpp>
#include <coil/semaphore.hpp>

#include "../support/loop_test.hpp"

#include <functional>
#include <memory>

using namespace std::chrono_literals;
using coil::create_task;

namespace {

using Item = std::unique_ptr<int>;

// Everything there is to meet at, and what went through the hands of the tasks.
struct Place {
  coil::Lock lock;
  coil::BoundedSemaphore semaphore{2};
  coil::Condition condition;
  coil::Event event;
  coil::Barrier barrier{3};
  coil::Queue<Item> queue{2};
  int inside_lock = 0;
  int inside_semaphore = 0;
  int stock = 0;
  int put = 0;
  int got = 0;

  void check_empty() {
    CHECK(inside_lock == 0);
    CHECK(inside_semaphore == 0);
    CHECK(lock.try_acquire());
    CHECK((semaphore.try_acquire() && semaphore.try_acquire() && !semaphore.try_acquire()));
    CHECK(!condition.locked());
    CHECK(barrier.n_waiting() == 0);
    CHECK(put == got + static_cast<int>(queue.qsize()));
  }
};

// Counts up as long as it lives.
class Inside {
public:
  Inside(int& count, int most) : count_(count) { CHECK(++count_ <= most); }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  ~Inside() { --count_; }

private:
  int& count_;
};

coil::Coro<void> use_lock(Place& place) {
  for (int i = 0; i < 2; ++i) {
    const auto guard = co_await place.lock.scoped();
    const Inside inside(place.inside_lock, 1);
    co_await coil::yield();
  }
}

coil::Coro<void> use_semaphore(Place& place) {
  const auto permit = co_await place.semaphore.scoped();
  const Inside inside(place.inside_semaphore, 2);
  co_await coil::sleep(1ms);
  const auto guard = co_await coil::wait_for(place.lock.scoped(), 3ms);
  const Inside within(place.inside_lock, 1);
  co_await coil::yield();
}

coil::Coro<void> locks(Place& place) {
  co_await coil::gather(use_lock(place), use_semaphore(place), use_lock(place), use_semaphore(place),
                        use_semaphore(place));
}

coil::Coro<void> produce_stock(Place& place) {
  for (int i = 0; i < 3; ++i) {
    const auto guard = co_await place.condition.scoped();
    co_await place.condition.wait_for([&] { return place.stock < 1; });
    ++place.stock;
    place.condition.notify_all();
    co_await coil::yield();
  }
}

coil::Coro<void> consume_stock(Place& place) {
  const auto guard = co_await place.condition.scoped();
  co_await place.condition.wait_for([&] { return place.stock > 0; });
  --place.stock;
  place.condition.notify_all();
}

coil::Coro<void> conditions(Place& place) {
  co_await coil::gather(consume_stock(place), consume_stock(place), produce_stock(place), consume_stock(place));
  CHECK(place.stock == 0);
}

coil::Coro<void> produce(Place& place, int count) {
  for (int i = 0; i < count; ++i) {
    auto item = std::make_unique<int>(i);
    co_await place.queue.put(std::move(item));
    ++place.put;
  }
}

coil::Coro<void> consume(Place& place) {
  for (;;) {
    const Item item = co_await place.queue.get();
    ++place.got;
    const auto permit = co_await place.semaphore.scoped();
    co_await coil::yield();
    place.queue.task_done();
  }
}

coil::Coro<void> pipeline(Place& place) {
  const auto work = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    for (int i = 0; i < 3; ++i) group.create_task(consume(place));
    co_await coil::gather(produce(place, 3), produce(place, 4));
    co_await place.queue.join();
    group.cancel();
  };
  co_await coil::task_group(work);
}

coil::Coro<void> robbery(Place& place) {
  const auto rob = [&]() -> coil::Coro<void> {
    for (int i = 0; i < 4; ++i) {
      if (!place.queue.full()) {
        place.queue.put_nowait(nullptr);
        ++place.put;
      }
      if (!place.queue.empty()) {
        place.queue.get_nowait();
        ++place.got;
      }
      co_await coil::yield();
    }
  };
  const auto take = [&]() -> coil::Coro<void> {
    const Item item = co_await place.queue.get();
    ++place.got;
  };
  co_await coil::gather(take(), take(), rob(), produce(place, 4), rob(), take());
  while (!place.queue.empty()) {
    place.queue.get_nowait();
    ++place.got;
  }
}

coil::Coro<void> rounds(Place& place) {
  const auto party = [&]() -> coil::Coro<void> {
    for (int i = 0; i < 3; ++i) {
      co_await place.barrier.wait();
      co_await coil::yield();
    }
    place.event.set();
  };
  co_await coil::gather(party(), party(), party(), place.event.wait());
}

using Scenario = coil::Coro<void> (*)(Place&);

// Cancels `scenario` after `time` and `steps` yields, and a second time `again` yields later (-1: only once).
coil::Coro<void> cancel_at(Scenario scenario, std::chrono::microseconds time, int steps, int again) {
  const auto frames = coil::detail::live_frames();
  {
    Place place;
    auto task = create_task(scenario, std::ref(place));
    if (time > 0us) co_await coil::sleep(time);
    for (int i = 0; i < steps; ++i) co_await coil::yield();
    task.cancel("cut off");
    if (again >= 0) {
      for (int i = 0; i < again; ++i) co_await coil::yield();
      task.cancel("again");
    }
    auto outcome = co_await coil::as_result(task);
    CHECK((outcome.cancelled() || outcome.has_value()));
    place.check_empty();
  }
  CHECK(coil::get_running_loop().metrics().tasks == 1);
  CHECK(coil::get_running_loop().metrics().timers == 0);
  CHECK(coil::detail::live_frames() == frames);
}

coil::Coro<void> cancel_everywhere(Scenario scenario) {
  for (auto time = 0us; time <= 4000us; time += 500us) {
    for (int steps = 0; steps <= 20; ++steps) {
      for (int again = -1; again <= 3; ++again) {
        CAPTURE(time);
        CAPTURE(steps);
        CAPTURE(again);
        co_await cancel_at(scenario, time, steps, again);
      }
    }
  }
}

}  // namespace

LOOP_TEST("meetings cut off: locks inside permits, under timeouts, are all free") { co_await cancel_everywhere(locks); }

LOOP_TEST("meetings cut off: a condition's lock is free") { co_await cancel_everywhere(conditions); }

LOOP_TEST("meetings cut off: each item of a pipeline is in the queue or was taken") {
  co_await cancel_everywhere(pipeline);
}

LOOP_TEST("meetings cut off: nor is one lost where tasks take items from those that were woken for them") {
  co_await cancel_everywhere(robbery);
}

LOOP_TEST("meetings cut off: nobody is left at a barrier") { co_await cancel_everywhere(rounds); }
