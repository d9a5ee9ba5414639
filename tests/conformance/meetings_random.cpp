// The C++ half of meetings_random.py.
#include "scenarios.hpp"

using namespace conformance;

namespace {

class Random {
public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  int operator()(int count) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<int>((state_ >> 33) % static_cast<std::uint64_t>(count));
  }

private:
  std::uint64_t state_;
};

coil::Coro<void> pause(int turns) {
  for (int i = 0; i < turns; ++i) co_await sleep(0s);
}

template <class Act>
coil::Coro<void> play(std::string name, Random random, Act& act) {
  for (int i = 0; i < 10; ++i) {
    try {
      co_await act(name, random);
    } catch (const coil::CancelledError&) {
      log(name, std::current_exception());
      if (random(3) == 0) break;
    }
  }
  log(name, "ends");
}

template <class Act, class State>
coil::Coro<void> run(int seed, int actors, Act& act, State& log_state) {
  log("seed", seed);
  Random random(static_cast<std::uint64_t>(seed));
  std::vector<coil::Task<void>> tasks;
  for (int number = 0; number < actors; ++number) {
    const Random own(static_cast<std::uint64_t>(seed * 1000 + number));
    tasks.push_back(create_task(play(std::to_string(number), own, act)));
  }
  for (int turn = 0; turn < 60; ++turn) {
    const std::string now = std::to_string(turn);
    if (random(4) == 0) {
      const auto number = static_cast<std::size_t>(random(actors));
      log("turn", turn, "cancel", number, tasks[number].cancel("turn " + now));
    }
    log_state("turn " + now);
    co_await sleep(0s);
  }
  const auto all_done = [&] {
    for (const auto& task : tasks)
      if (!task.done()) return false;
    return true;
  };
  while (!all_done()) {
    for (const auto& task : tasks) task.cancel("the end");
    co_await sleep(0s);
  }
  log_state("end");
}

// ---- Lock, Semaphore, Event, Condition, Barrier ----------------------------------------------------------

coil::Coro<void> locks(int seed) {
  coil::Lock lock;
  coil::Semaphore semaphore(2);
  coil::Event event;
  const auto act = [&](std::string name, Random& random) -> coil::Coro<void> {
    const int kind = random(8);
    if (kind < 2) {
      const auto guard = co_await lock.scoped();
      log(name, "has the lock");
      co_await pause(random(3));
      log(name, "releases the lock");
    } else if (kind < 4) {
      const auto permit = co_await semaphore.scoped();
      log(name, "has a permit");
      co_await pause(random(3));
      log(name, "releases the permit");
    } else if (kind == 4) {
      log(name, "waits for the event");
      co_await event.wait();
      log(name, "has seen the event");
    } else if (kind == 5) {
      event.set();
      if (random(2) == 0) event.clear();
      log(name, "sets the event", event.is_set());
    } else if (kind == 6) {
      event.clear();
      log(name, "clears the event");
    } else {
      co_await pause(random(3));
    }
  };
  const auto state = [&](std::string when) { log(when, lock.locked(), semaphore.locked(), event.is_set()); };
  co_await run(seed, 5, act, state);
}

coil::Coro<void> permits(int seed) {
  coil::Semaphore semaphore(0);
  const auto act = [&](std::string name, Random& random) -> coil::Coro<void> {
    const int kind = random(4);
    if (kind < 2) {
      co_await semaphore.acquire();
      log(name, "has a permit");
    } else if (kind == 2) {
      for (int count = random(4); count != 0; --count) semaphore.release();
      log(name, "releases", semaphore.locked());
    } else {
      co_await pause(random(3));
    }
  };
  const auto state = [&](std::string when) { log(when, semaphore.locked()); };
  co_await run(seed, 5, act, state);
}

coil::Coro<void> conditions(int seed) {
  coil::Lock lock;
  coil::Condition condition(lock);
  coil::Condition other(lock);
  int stock = 0;
  const auto act = [&](std::string name, Random& random) -> coil::Coro<void> {
    const int kind = random(7);
    if (kind == 0) {
      const auto guard = co_await condition.scoped();
      log(name, "waits");
      co_await condition.wait();
      log(name, "is notified");
    } else if (kind == 1) {
      const auto guard = co_await other.scoped();
      co_await pause(random(2));
      log(name, "waits for the other");
      co_await other.wait();
      log(name, "is notified of the other");
    } else if (kind == 2) {
      const auto guard = co_await condition.scoped();
      const bool got = co_await condition.wait_for([&] { return stock > 0; });
      log(name, "wants some", got);
      --stock;
    } else if (kind < 5) {
      const auto guard = co_await lock.scoped();
      co_await pause(random(2));
      const int count = random(3);
      stock += count;
      condition.notify(static_cast<std::size_t>(count));
      log(name, "notifies", count);
    } else if (kind == 5) {
      const auto guard = co_await other.scoped();
      other.notify_all();
      log(name, "notifies all");
      co_await pause(random(2));
    } else {
      co_await pause(random(3));
    }
  };
  const auto state = [&](std::string when) { log(when, condition.locked(), stock); };
  co_await run(seed, 5, act, state);
}

coil::Coro<void> barriers(int seed) {
  coil::Barrier barrier(3);
  const auto act = [&](std::string name, Random& random) -> coil::Coro<void> {
    const int kind = random(10);
    if (kind < 7) {
      try {
        log(name, "arrives");
        const std::size_t index = co_await barrier.wait();
        log(name, "goes on as", index);
      } catch (const coil::BrokenBarrierError&) {
        log(name, "finds it broken");
      }
    } else if (kind == 7) {
      co_await pause(random(3));
    } else if (kind == 8 || random(3) != 0) {
      log(name, "resets");
      barrier.reset();
    } else {
      log(name, "aborts");
      barrier.abort();
    }
  };
  const auto state = [&](std::string when) { log(when, barrier.n_waiting(), barrier.broken()); };
  co_await run(seed, 5, act, state);
}

// ---- Queues ----------------------------------------------------------------------------------------------

template <class Queue>
coil::Coro<void> use(Queue& queue, std::string name, Random& random) {
  const int kind = random(40);
  if (kind < 12) {
    const int item = random(100);
    co_await queue.put(item);
    log(name, "has put", item);
  } else if (kind < 24) {
    const int item = co_await queue.get();
    log(name, "has got", item);
  } else if (kind < 27) {
    const int item = random(100);
    queue.put_nowait(item);
    log(name, "puts", item);
  } else if (kind < 31) {
    log(name, "gets", queue.get_nowait());
  } else if (kind < 34) {
    queue.task_done();
    log(name, "is done with one");
  } else if (kind < 36) {
    co_await queue.join();
    log(name, "has seen all done");
  } else if (kind == 36 && random(4) == 0) {
    const bool now = random(2) == 0;
    log(name, "shuts down", now);
    queue.shutdown(now);
  } else {
    co_await pause(random(3));
  }
}

template <class Queue>
coil::Coro<void> queues(int seed) {
  Queue queue(static_cast<std::size_t>(seed % 3 != 0 ? 1 + seed % 2 : 0));
  const auto act = [&](std::string name, Random& random) -> coil::Coro<void> {
    try {
      co_await use(queue, name, random);
    } catch (const std::exception&) {
      log(name, std::current_exception());
    }
  };
  const auto state = [&](std::string when) { log(when, queue.qsize(), queue.empty(), queue.full()); };
  co_await run(seed, 6, act, state);
}

}  // namespace

SCENARIO("random: locks, semaphores and events") {
  for (int seed = 1; seed <= 40; ++seed) co_await locks(seed);
}

SCENARIO("random: permits from anywhere") {
  for (int seed = 1; seed <= 40; ++seed) co_await permits(seed);
}

SCENARIO("random: conditions that share a lock") {
  for (int seed = 1; seed <= 60; ++seed) co_await conditions(seed);
}

SCENARIO("random: barriers, reset and aborted") {
  for (int seed = 1; seed <= 60; ++seed) co_await barriers(seed);
}

SCENARIO("random: queues") {
  for (int seed = 1; seed <= 100; ++seed) co_await queues<coil::Queue<int>>(seed);
}

SCENARIO("random: stacks") {
  for (int seed = 1; seed <= 40; ++seed) co_await queues<coil::LifoQueue<int>>(seed);
}

SCENARIO("random: priority queues") {
  for (int seed = 1; seed <= 40; ++seed) co_await queues<coil::PriorityQueue<int>>(seed);
}
