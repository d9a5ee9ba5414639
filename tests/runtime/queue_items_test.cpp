// What items may be, in which order the kinds of queues give them, and what an item that throws leaves behind.
#include <coil/queue.hpp>

#include "../support/loop_test.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil::create_task;
using coil::yield;

namespace {

// Counts its objects; one move or copy throws, when its turn has come.
struct Fragile {
  static inline int alive = 0;
  static inline int until_throw = -1;  // moves and copies; negative: none does

  explicit Fragile(int number) : value(number) { ++alive; }
  Fragile(const Fragile& other) : value(other.value) { count_up(); }
  Fragile(Fragile&& other) : value(other.value) {  // NOLINT: that is the point
    count_up();
    other.value = -1;
  }
  Fragile& operator=(const Fragile&) = default;
  Fragile& operator=(Fragile&&) = default;
  ~Fragile() { --alive; }
  bool operator<(const Fragile& other) const { return value < other.value; }

  int value;

private:
  static void count_up() {
    if (until_throw == 0) {
      until_throw = -1;
      throw std::runtime_error("fragile");
    }
    if (until_throw > 0) --until_throw;
    ++alive;
  }
};

struct Sturdy {
  explicit Sturdy(int number) : value(std::make_unique<int>(number)) {}
  std::unique_ptr<int> value;
};

struct Job {  // an aggregate that cannot be copied
  std::string name;
  std::unique_ptr<int> data;
};

template <class Queue>
std::vector<int> drain(Queue& queue) {
  std::vector<int> items;
  while (!queue.empty()) items.push_back(queue.get_nowait());
  return items;
}

template <class Queue>
coil::Coro<void> check_move_only() {
  Queue queue(2);
  co_await queue.put(Sturdy(1));
  queue.put_nowait(Sturdy(2));
  Sturdy third(3);
  auto putter = create_task(queue.put(std::move(third)));
  co_await yield();
  int sum = 0;
  for (int i = 0; i < 3; ++i) {
    const Sturdy item = co_await queue.get();
    sum += *item.value;
  }
  co_await putter;
  CHECK(sum == 6);
  auto getter = create_task(queue.get());
  co_await yield();
  queue.put_nowait(Sturdy(4));
  const Sturdy last = co_await getter;
  CHECK(*last.value == 4);
}

struct ByValue {
  bool operator()(const Sturdy& a, const Sturdy& b) const { return *a.value < *b.value; }
};

}  // namespace

LOOP_TEST("queue items: can be move-only and without a default constructor, in each kind of queue") {
  co_await check_move_only<coil::Queue<Sturdy>>();
  co_await check_move_only<coil::LifoQueue<Sturdy>>();
  co_await check_move_only<coil::PriorityQueue<Sturdy, ByValue>>();
}

LOOP_TEST("queue items: aggregates that are moved in come out once") {
  coil::Queue<Job> queue(1);
  Job job{"first", std::make_unique<int>(1)};
  co_await queue.put(std::move(job));
  Job second{"second", std::make_unique<int>(2)};
  auto putter = create_task(queue.put(std::move(second)));
  co_await yield();
  const Job got = co_await queue.get();
  CHECK((got.name == "first" && *got.data == 1));
  co_await putter;
  const Job last = queue.get_nowait();
  CHECK((last.name == "second" && *last.data == 2));
  queue.put_nowait({"braced", nullptr});
  CHECK(queue.get_nowait().name == "braced");
}

LOOP_TEST("queue items: are made from what converts to them, and copied from what has a name") {
  coil::Queue<std::string> queue;
  co_await queue.put("literal");
  const std::string named = "named";
  co_await queue.put(named);
  queue.put_nowait("again");
  CHECK(named == "named");
  coil::Queue<std::pair<int, std::string>> pairs;
  co_await pairs.put({1, "one"});
  pairs.put_nowait({2, "two"});
  CHECK(queue.get_nowait() == "literal");
  CHECK(queue.get_nowait() == "named");
  CHECK(queue.get_nowait() == "again");
  CHECK(pairs.get_nowait().second == "one");
}

LOOP_TEST("queue items: a queue keeps its order while it grows, wraps round and shrinks") {
  coil::Queue<int> queue;
  std::deque<int> model;
  std::minstd_rand random(42);
  int next = 0;
  for (int round = 0; round < 20'000; ++round) {
    const bool grow = (round / 2000) % 2 == 0;
    if (random() % 4 != 0 ? grow : !grow) {
      queue.put_nowait(next);
      model.push_back(next++);
    } else if (!model.empty()) {
      REQUIRE(queue.get_nowait() == model.front());
      model.pop_front();
    }
    REQUIRE(queue.qsize() == model.size());
  }
  CHECK(drain(queue) == std::vector<int>(model.begin(), model.end()));
  co_await yield();
}

LOOP_TEST("queue items: a LifoQueue gives the last one first") {
  coil::LifoQueue<int> queue;
  for (const int item : {1, 3, 2}) co_await queue.put(item);
  CHECK(drain(queue) == std::vector<int>{2, 3, 1});
}

LOOP_TEST("queue items: a PriorityQueue gives the lowest first, whatever the order in which they were put") {
  std::minstd_rand random(7);
  for (int size = 0; size < 40; ++size) {
    coil::PriorityQueue<int> queue;
    std::vector<int> items;
    for (int i = 0; i < size; ++i) {
      items.push_back(static_cast<int>(random() % 20));
      co_await queue.put(items.back());
    }
    std::sort(items.begin(), items.end());
    CHECK(drain(queue) == items);
  }
}

LOOP_TEST("queue items: a PriorityQueue's Compare is a type, with a state if need be, and says what comes first") {
  coil::PriorityQueue<int, std::greater<>> highest;
  for (const int item : {1, 3, 2}) co_await highest.put(item);
  CHECK(drain(highest) == std::vector<int>{3, 2, 1});
  int modulus = 10;
  auto by_digit = [&](int a, int b) { return a % modulus < b % modulus; };
  coil::PriorityQueue<int, decltype(by_digit)> digits(0, by_digit);
  for (const int item : {19, 21, 35}) digits.put_nowait(item);
  CHECK(drain(digits) == std::vector<int>{21, 35, 19});
}

LOOP_TEST("queue items: equal ones leave a PriorityQueue in the order of Python's heapq") {
  // [heapq.heappush(heap, Item(key, number))...] with keys 2 1 2 1 2 1 1 2 and numbers 0 to 7, on CPython 3.13.
  using Item = std::pair<int, int>;
  auto by_key = [](const Item& a, const Item& b) { return a.first < b.first; };
  coil::PriorityQueue<Item, decltype(by_key)> queue(0, by_key);
  const int keys[] = {2, 1, 2, 1, 2, 1, 1, 2};
  for (int number = 0; number < 8; ++number) queue.put_nowait({keys[number], number});
  std::vector<int> order;
  while (!queue.empty()) order.push_back(queue.get_nowait().second);
  CHECK(order == std::vector<int>{1, 5, 6, 3, 2, 7, 4, 0});
  co_await yield();
}

namespace {

// Lets the nth move or comparison throw, for every n, in the midst of `use`, and looks at what is left.
template <class Queue>
coil::Coro<void> check_fragile() {
  for (int n = 0; n < 60; ++n) {
    const int before = Fragile::alive;
    {
      Queue queue;
      std::vector<int> inside;
      for (int i = 0; i < 6; ++i) {
        queue.put_nowait(Fragile(i * 7 % 6));
        inside.push_back(i * 7 % 6);
      }
      Fragile::until_throw = n;
      bool threw = false;
      try {
        for (int i = 0; i < 5; ++i) {
          queue.put_nowait(Fragile(10 + i));
          inside.push_back(10 + i);
          const int got = queue.get_nowait().value;
          inside.erase(std::find(inside.begin(), inside.end(), got));
        }
      } catch (const std::runtime_error&) {
        threw = true;
      }
      CHECK(threw == (Fragile::until_throw < 0));
      Fragile::until_throw = -1;
      CHECK(queue.qsize() == inside.size());
      std::vector<int> left;
      while (!queue.empty()) left.push_back(queue.get_nowait().value);
      std::sort(left.begin(), left.end());
      std::sort(inside.begin(), inside.end());
      CHECK(left == inside);
    }
    CHECK(Fragile::alive == before);
  }
  co_await yield();
}

struct ThrowingOrder {
  int* until_throw;
  bool operator()(int a, int b) const {
    if (*until_throw == 0) throw std::runtime_error("no order");
    --*until_throw;
    return a < b;
  }
};

}  // namespace

LOOP_TEST("queue items: a move that throws leaves all the items in the queue, and none twice") {
  co_await check_fragile<coil::Queue<Fragile>>();
  co_await check_fragile<coil::LifoQueue<Fragile>>();
  co_await check_fragile<coil::PriorityQueue<Fragile>>();
}

LOOP_TEST("queue items: a comparison that throws leaves the queue as it was") {
  for (int n = 0; n < 40; ++n) {
    int until_throw = 1'000'000;
    coil::PriorityQueue<int, ThrowingOrder> queue(0, ThrowingOrder{&until_throw});
    std::vector<int> inside;
    for (int i = 0; i < 7; ++i) {
      queue.put_nowait(i * 5 % 7);
      inside.push_back(i * 5 % 7);
    }
    until_throw = n;
    try {
      for (int i = 0; i < 7; ++i) {
        queue.put_nowait(3);
        inside.push_back(3);
        const int got = queue.get_nowait();
        inside.erase(std::find(inside.begin(), inside.end(), got));
      }
    } catch (const std::runtime_error&) {
    }
    until_throw = 1'000'000;
    std::sort(inside.begin(), inside.end());
    CHECK(drain(queue) == inside);
  }
  co_await yield();
}

LOOP_TEST("queue items: a woken get whose item cannot be moved leaves it there and wakes the next one") {
  coil::Queue<Fragile> queue;
  auto a = create_task(queue.get());
  auto b = create_task(queue.get());
  co_await yield();
  queue.put_nowait(Fragile(5));
  Fragile::until_throw = 0;
  CHECK_AWAIT_FAILS_WITH(a, "fragile");
  const Fragile item = co_await b;
  CHECK(item.value == 5);
  CHECK(queue.empty());
}

LOOP_TEST("queue items: a woken put whose item cannot be moved leaves the place to the next one") {
  coil::Queue<Fragile> queue(1);
  queue.put_nowait(Fragile(1));
  auto a = create_task(queue.put(Fragile(2)));
  auto b = create_task(queue.put(Fragile(3)));
  co_await yield();
  queue.get_nowait();
  Fragile::until_throw = 0;
  CHECK_AWAIT_FAILS_WITH(a, "fragile");
  co_await b;
  CHECK(queue.get_nowait().value == 3);
}

LOOP_TEST("queue items: are destroyed with the queue, and with a put that was cancelled") {
  const int before = Fragile::alive;
  {
    coil::Queue<Fragile> queue(1);
    queue.put_nowait(Fragile(1));
    auto putter = create_task(queue.put(Fragile(2)));
    co_await yield();
    putter.cancel();
    CHECK_AWAIT_THROWS(putter, coil::CancelledError);
    CHECK(Fragile::alive == before + 1);
  }
  CHECK(Fragile::alive == before);
}

LOOP_TEST("queue items: may be bool, in each kind of queue") {
  coil::Queue<bool> fifo;
  coil::LifoQueue<bool> lifo;
  coil::PriorityQueue<bool> lowest;
  for (const bool item : {true, false, true}) {
    co_await fifo.put(item);
    lifo.put_nowait(item);
    lowest.put_nowait(item);
  }
  CHECK((fifo.get_nowait() && !fifo.get_nowait() && fifo.get_nowait()));
  CHECK((lifo.get_nowait() && !lifo.get_nowait() && lifo.get_nowait()));
  CHECK((!lowest.get_nowait() && lowest.get_nowait() && lowest.get_nowait()));
}

LOOP_TEST("queue items: may be aligned to more than a pointer") {
  struct alignas(64) Wide {
    int value;
  };
  coil::Queue<Wide> queue;
  for (int i = 0; i < 20; ++i) queue.put_nowait(Wide{i});
  for (int i = 0; i < 20; ++i) {
    const Wide item = queue.get_nowait();
    CHECK(reinterpret_cast<std::uintptr_t>(&item) % 64 == 0);
    CHECK(item.value == i);
  }
  co_await yield();
}
