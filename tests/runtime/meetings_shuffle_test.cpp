// Random programs under shuffled schedules, against models of a few lines: what holds in any order of events.
#include <coil/barrier.hpp>
#include <coil/condition.hpp>
#include <coil/event.hpp>
#include <coil/lock.hpp>
#include <coil/queue.hpp>
#include <coil/semaphore.hpp>

#include "../support/loop_test.hpp"

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

using namespace std::chrono_literals;
using coil::create_task;
using coil::yield;

namespace {

using Random = std::minstd_rand;

constexpr int actors = 6;
constexpr int steps = 12;

coil::Coro<void> pause(Random& random) {
  for (auto turns = random() % 3; turns != 0; --turns) co_await yield();
}

// Runs `act(random, number)` again and again in some tasks, which are cancelled now and then.
template <class Act>
coil::Coro<void> run_actors(std::uint64_t seed, Act& act) {
  Random random(static_cast<Random::result_type>(seed));
  auto play = [&](int number) -> coil::Coro<void> {
    Random own(static_cast<Random::result_type>(seed * 100 + static_cast<std::uint64_t>(number)));
    for (int i = 0; i < steps; ++i) {
      auto outcome = co_await coil::as_result(act(own, number));
      if (!outcome.cancelled()) outcome.value();
      static_cast<void>(co_await coil::as_result(pause(own)));
    }
  };
  std::vector<coil::Task<void>> tasks;
  for (int number = 0; number < actors; ++number) tasks.push_back(create_task(play(number)));
  const auto left = [&] { return std::count_if(tasks.begin(), tasks.end(), [](auto& task) { return !task.done(); }); };
  for (int turn = 0; left() != 0; ++turn) {
    if (random() % 3 == 0 || turn > 300) tasks[random() % actors].cancel();  // in the end nobody else comes to help
    co_await yield();
  }
  co_await coil::gather(coil::return_exceptions, tasks);
}

// Runs `program(seed)` in many loops, each of which runs what is ready in another order.
template <class Program>
void for_each_schedule(Program program) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    coil_test::LeakCheck leaks;
    auto main = [&]() -> coil::Coro<void> { co_await program(seed); };
    coil::run(main, {.clock = coil::Clock::virtual_, .shuffle_seed = seed});
  }
}

// Who stands in a line, in the order in which they came. Whoever is overtaken was cancelled, and never served after that.
class Line {
public:
  void arrive(int number) { waiting_.push_back(number); }
  void leave(int number) {
    std::erase(waiting_, number);
    std::erase(overtaken_, number);
  }
  void serve(int number) {
    CHECK(std::find(overtaken_.begin(), overtaken_.end(), number) == overtaken_.end());
    const auto place = std::find(waiting_.begin(), waiting_.end(), number);
    overtaken_.insert(overtaken_.end(), waiting_.begin(), place);
    leave(number);
  }

private:
  std::vector<int> waiting_;
  std::vector<int> overtaken_;
};

}  // namespace

TEST_CASE("meetings shuffled: a lock has one holder at a time and goes to whoever has waited longest") {
  for_each_schedule([](std::uint64_t seed) -> coil::Coro<void> {
    coil::Lock lock;
    Line line;
    int holders = 0;
    auto act = [&](Random& random, int number) -> coil::Coro<void> {
      line.arrive(number);
      auto acquired = co_await coil::as_result(lock.acquire());
      if (acquired.cancelled()) {
        line.leave(number);
        acquired.value();
      }
      line.serve(number);
      CHECK(++holders == 1);
      CHECK(lock.locked());
      static_cast<void>(co_await coil::as_result(pause(random)));
      --holders;
      lock.release();
    };
    co_await run_actors(seed, act);
    CHECK(lock.try_acquire());
  });
}

TEST_CASE("meetings shuffled: a semaphore never gives more permits than it has, and loses none") {
  for_each_schedule([](std::uint64_t seed) -> coil::Coro<void> {
    coil::BoundedSemaphore semaphore(2);
    int holders = 0;
    auto act = [&](Random& random, int) -> coil::Coro<void> {
      const auto permit = co_await semaphore.scoped();
      CHECK(++holders <= 2);
      static_cast<void>(co_await coil::as_result(pause(random)));
      --holders;
    };
    co_await run_actors(seed, act);
    CHECK((semaphore.try_acquire() && semaphore.try_acquire()));
    CHECK(!semaphore.try_acquire());
  });
}

TEST_CASE("meetings shuffled: an event lets everyone pass who waits when it is set") {
  for_each_schedule([](std::uint64_t seed) -> coil::Coro<void> {
    coil::Event event;
    int sets = 0;
    auto act = [&](Random& random, int number) -> coil::Coro<void> {
      if (number == 0) {
        ++sets;
        event.set();
        if (random() % 2 == 0) event.clear();
      } else {
        const int before = sets;
        const bool was_set = event.is_set();
        co_await event.wait();
        CHECK((was_set || sets > before));
      }
    };
    co_await run_actors(seed, act);
  });
}

TEST_CASE("meetings shuffled: a condition passes on each piece of work once, whoever is cancelled") {
  for_each_schedule([](std::uint64_t seed) -> coil::Coro<void> {
    coil::Condition condition;
    int made = 0;
    int taken = 0;
    int inside = 0;
    auto act = [&](Random& random, int number) -> coil::Coro<void> {
      const auto guard = co_await condition.scoped();
      CHECK(++inside == 1);
      if (number < 3) {
        ++made;
        condition.notify();
        static_cast<void>(co_await coil::as_result(pause(random)));
      } else {
        --inside;  // while it waits, and also if it is cancelled: it then holds the lock again
        const auto outcome = co_await coil::as_result(condition.wait_for([&] { return made > taken; }));
        CHECK(condition.locked());
        ++inside;
        if (outcome.has_value()) ++taken;
      }
      --inside;
    };
    co_await run_actors(seed, act);
    CHECK(taken <= made);
    CHECK(!condition.locked());
  });
}

TEST_CASE("meetings shuffled: a barrier gives each round different numbers, and never counts anybody twice") {
  for_each_schedule([](std::uint64_t seed) -> coil::Coro<void> {
    coil::Barrier barrier(3);
    std::vector<std::size_t> gone_on;
    auto act = [&](Random&, int) -> coil::Coro<void> {
      const std::size_t index = co_await barrier.wait();
      CHECK(index < 3);
      gone_on.push_back(index);
      CHECK(barrier.n_waiting() < 3);
    };
    co_await run_actors(seed, act);
    CHECK(barrier.n_waiting() == 0);
    CHECK(!gone_on.empty());
  });
}

namespace {

template <class Queue>
coil::Coro<void> check_queue(std::uint64_t seed, std::size_t maxsize, bool fifo) {
  Queue queue(maxsize);
  std::vector<int> model;  // what is in the queue
  int next = 0;
  auto taken = [&](int item) {
    const auto place = std::find(model.begin(), model.end(), item);
    REQUIRE(place != model.end());
    if (fifo) CHECK(place == model.begin());
    model.erase(place);
    CHECK(queue.qsize() == model.size());
  };
  auto act = [&](Random& random, int) -> coil::Coro<void> {
    const auto kind = random() % 8;
    if (kind < 3) {
      // Nothing else runs between the end of put and the next line.
      const int item = next++;
      co_await queue.put(item);
      model.push_back(item);
    } else if (kind < 6) {
      const int item = co_await queue.get();
      taken(item);
    } else if (kind == 6 && !queue.full()) {
      queue.put_nowait(next);
      model.push_back(next++);
    } else if (!queue.empty()) {
      taken(queue.get_nowait());
    }
    CHECK((maxsize == 0 || queue.qsize() <= maxsize));
    CHECK(queue.qsize() == model.size());
  };
  co_await run_actors(seed, act);
  while (!queue.empty()) taken(queue.get_nowait());
  CHECK(model.empty());
}

}  // namespace

TEST_CASE("meetings shuffled: a queue loses no item, gives none twice, keeps its order and never holds too many") {
  for (const std::size_t maxsize : {0U, 1U, 2U}) {
    for_each_schedule([&](std::uint64_t seed) { return check_queue<coil::Queue<int>>(seed, maxsize, true); });
    for_each_schedule([&](std::uint64_t seed) { return check_queue<coil::LifoQueue<int>>(seed, maxsize, false); });
    for_each_schedule([&](std::uint64_t seed) { return check_queue<coil::PriorityQueue<int>>(seed, maxsize, false); });
  }
}
