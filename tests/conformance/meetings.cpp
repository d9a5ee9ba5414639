// The C++ half of meetings.py.
#include "meetings.hpp"

using namespace conformance;

namespace {

/// Takes a lock or a permit, and keeps it.
template <class Line>
coil::Coro<void> takes(std::string name, Line& line) {
  const std::string failure = co_await failure_of(line.acquire());
  log(name, failure);
}

}  // namespace

// ---- Lock and Semaphore ----------------------------------------------------------------------------------

SCENARIO("lock: a waiter is cancelled and the lock is released, in one turn, in either order") {
  for (const bool cancel_first : {true, false}) {
    coil::Lock lock;
    co_await lock.acquire();
    auto taker = [&](std::string name) { return takes(name, lock); };
    const Tasks tasks = parties("abc", taker);
    co_await sleep(0s);
    if (cancel_first) tasks[0].cancel("enough");
    lock.release();
    if (!cancel_first) tasks[0].cancel("enough");
    log(lock.locked());
    co_await turns(3);
    log(lock.locked(), done(tasks));
    lock.release();
    co_await turns(2);
    log(lock.locked(), done(tasks));
  }
}

SCENARIO("semaphore: permits that come together, one taker of which releases and comes again") {
  coil::Semaphore semaphore(1);
  auto again = [&]() -> coil::Coro<void> {
    co_await takes("b", semaphore);
    semaphore.release();
    co_await takes("b again", semaphore);
  };
  Tasks tasks;
  tasks.push_back(create_task(takes("a", semaphore)));
  tasks.push_back(create_task(again));
  tasks.push_back(create_task(takes("c", semaphore)));
  co_await sleep(0s);
  semaphore.release();
  semaphore.release();
  co_await coil::gather(tasks);
  log(semaphore.locked());
}

SCENARIO("semaphore: the first to be woken wakes the others, before whom it starts") {
  coil::Semaphore semaphore(0);
  auto first = [&]() -> coil::Coro<void> {
    co_await takes("first", semaphore);
    create_task(turns(1));
  };
  auto second = [&]() -> coil::Coro<void> {
    for (int i = 0; i < 3; ++i) semaphore.release();
    log(semaphore.locked());
    co_await takes("second", semaphore);
  };
  Tasks tasks;
  tasks.push_back(create_task(first));
  tasks.push_back(create_task(second));
  tasks.push_back(create_task(takes("third", semaphore)));
  co_await coil::gather(tasks);
  co_await sleep(0s);
}

SCENARIO("semaphore: waiters are cancelled before the release and by it") {
  coil::Semaphore semaphore(0);
  auto taker = [&](std::string name) { return takes(name, semaphore); };
  const Tasks tasks = parties("abcd", taker);
  co_await sleep(0s);
  tasks[0].cancel("a");
  tasks[1].cancel("b");
  semaphore.release();
  co_await turns(3);
  log(semaphore.locked(), done(tasks));
  semaphore.release();
  tasks[3].cancel("d");
  co_await turns(3);
  log(semaphore.locked(), done(tasks));
}

// ---- Event -----------------------------------------------------------------------------------------------

SCENARIO("event: set wakes those who wait, behind who comes then; clear and a second set change nothing for them") {
  coil::Event event;
  auto waits = [&](std::string name) -> coil::Coro<void> {
    const std::string failure = co_await failure_of(event.wait());
    log(name, failure, event.is_set());
  };
  Tasks tasks = parties("abc", waits);
  co_await sleep(0s);
  tasks.push_back(create_task(waits("late")));
  event.set();
  tasks[1].cancel("enough");
  log(event.is_set());
  co_await turns(2);
  event.clear();
  for (const auto& task : parties("de", waits)) tasks.push_back(task);
  co_await sleep(0s);
  event.set();
  event.clear();
  event.set();
  event.clear();
  tasks.push_back(create_task(waits("later")));
  co_await turns(2);
  log(done(tasks));
  tasks.back().cancel("left");
  co_await tasks.back();
}

// ---- Condition -------------------------------------------------------------------------------------------

SCENARIO("condition: cancelled while it is notified, the notification goes to another") {
  for (int turns_before = 0; turns_before <= 1; ++turns_before) {
    coil::Condition condition;
    int stock = 0;
    auto consumer = [&](std::string name) -> coil::Coro<void> {
      const auto guard = co_await condition.scoped();
      const std::string failure = co_await failure_of(condition.wait_for([&] { return stock > 0; }));
      log(name, failure, condition.locked());
      if (failure == "none") --stock;
    };
    const Tasks consumers = parties("ab", consumer);
    co_await sleep(0s);
    {
      const auto guard = co_await condition.scoped();
      ++stock;
      condition.notify(1);
      for (int i = 0; i < turns_before; ++i) co_await sleep(0s);
      consumers[0].cancel("enough");
    }
    co_await turns(4);
    log(stock, done(consumers));
    {
      const auto guard = co_await condition.scoped();
      ++stock;
      condition.notify_all();
    }
    co_await coil::gather(consumers);
  }
}

SCENARIO("condition: a cancel and the release in one turn, while the notified one takes the lock again") {
  for (const bool cancel_first : {true, false}) {
    coil::Condition condition;
    auto waiter = [&]() -> coil::Coro<void> {
      const auto guard = co_await condition.scoped();
      const auto outcome = co_await coil::as_result(condition.wait());
      log("waiter goes on", condition.locked());
      outcome.value();
    };
    auto task = create_task(waiter);
    co_await sleep(0s);
    co_await condition.acquire();
    condition.notify();
    co_await sleep(0s);
    if (cancel_first) task.cancel("message");
    condition.release();
    if (!cancel_first) task.cancel("message");
    log(condition.locked());
    co_await turns(2);
    const std::string failure = co_await failure_of(task);
    log(failure, task.cancelled(), condition.locked());
  }
}

SCENARIO("condition: runs out of time with the lock in its hands") {
  coil::Condition condition;
  {
    const auto guard = co_await condition.scoped();
    const auto never = [] { return false; };
    const std::string first = co_await failure_of(coil::wait_for(condition.wait_for(never), 500ms));
    log(first, condition.locked());
    const auto waits = [&]() -> coil::Coro<void> { co_await condition.wait(); };
    const std::string second = co_await failure_of(coil::timeout(500ms, waits));
    log(second, condition.locked());
  }
  log(condition.locked());
}

SCENARIO("condition: without the lock") {
  coil::Condition condition;
  const auto always = [] { return true; };
  const auto never = [] { return false; };
  const std::string waiting = co_await failure_of(condition.wait());
  log(waiting, failure_in([&] { condition.notify(); }), failure_in([&] { condition.notify_all(); }));
  const bool got = co_await condition.wait_for(always);
  const std::string waiting_for = co_await failure_of(condition.wait_for(never));
  log(got, waiting_for);
  log(failure_in([&] { condition.release(); }));
}

// ---- Barrier ---------------------------------------------------------------------------------------------

SCENARIO("barrier: who comes while it drains waits for the next round") {
  coil::Barrier barrier(5);
  coil::Barrier others(3);
  int left = 2;
  auto party = [&](std::string name) -> coil::Coro<void> {
    const std::size_t first = co_await barrier.wait();
    log(name, first);
    if (left > 0) {
      --left;
    } else {
      const std::size_t other = co_await others.wait();
      log(name, "meets the others", other);
    }
    const std::size_t second = co_await barrier.wait();
    log(name, "again", second);
  };
  co_await coil::gather(parties("abcde", party));
  log(barrier.n_waiting(), barrier.broken());
}

SCENARIO("barrier: one that waits is cancelled") {
  coil::Barrier barrier(3);
  auto party = [&](std::string name) -> coil::Coro<void> {
    const auto outcome = co_await coil::as_result(barrier.wait());
    if (outcome.has_value()) log(name, outcome.value());
    log(name, "leaves", barrier.n_waiting());
    static_cast<void>(outcome.value());
  };
  Tasks tasks = parties("ab", party);
  co_await sleep(0s);
  tasks[0].cancel("enough");
  co_await sleep(0s);
  const std::size_t waiting = barrier.n_waiting();
  const std::string failure = co_await failure_of(tasks[0]);
  log(waiting, failure);
  const Tasks others = parties("cd", party);
  co_await coil::gather(tasks[1], others[0], others[1]);
  log(barrier.n_waiting(), barrier.broken());
}

SCENARIO("barrier: reset or aborted by one that has gone on, while others drain and others come again") {
  for (const bool abort : {false, true}) {
    coil::Barrier barrier(6);
    int passed = 0;
    auto arrive = [&](std::string name, std::string when, std::string broken) -> coil::Coro<bool> {
      try {
        const std::size_t index = co_await barrier.wait();
        log(name, when, index);
        co_return true;
      } catch (const coil::BrokenBarrierError&) {
        log(name, broken, std::current_exception());
      }
      co_return false;
    };
    auto party = [&](std::string name) -> coil::Coro<void> {
      const bool whole = co_await arrive(name, "at first", "while it drains");
      if (!whole && abort) co_return;
      if (whole && ++passed > 3) {
        log(name, "breaks it");
        if (abort) {
          barrier.abort();
          co_return;
        }
        barrier.reset();
      }
      co_await arrive(name, "again", "in the next round");
    };
    co_await coil::gather(parties("abcdef", party));
    log(barrier.n_waiting(), barrier.broken());
  }
}

SCENARIO("barrier: aborted after a failure of one, then reset") {
  coil::Barrier broken(5);
  coil::Barrier whole(5);
  auto breaks = [&](std::string name) -> coil::Coro<void> {
    try {
      const std::size_t index = co_await broken.wait();
      if (index == 2) throw Failure(name);
      const std::size_t never = co_await broken.wait();
      log(name, "never", never);
    } catch (const coil::BrokenBarrierError&) {
      log(name, std::current_exception());
    } catch (const Failure&) {
      log(name, std::current_exception());
      broken.abort();
    }
  };
  auto party = [&](std::string name) -> coil::Coro<void> {
    co_await breaks(name);
    const std::size_t index = co_await whole.wait();
    if (index == 2) {
      log(name, "resets");
      broken.reset();
    }
    co_await whole.wait();
    const std::size_t last = co_await broken.wait();
    log(name, last);
  };
  co_await coil::gather(parties("abcde", party));
  log(broken.n_waiting(), broken.broken());
}
