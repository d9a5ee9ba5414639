// Cancellation of tasks that wait for a queue: no item is lost, none is put that was not to be, and nobody is forgotten.
#include <coil/queue.hpp>

#include "../support/loop_test.hpp"

#include <set>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil::create_task;
using coil::yield;

LOOP_TEST("queue cancel: get while nothing is there leaves the others waiting") {
  coil::Queue<char> queue;
  auto a = create_task(queue.get());
  auto b = create_task(queue.get());
  co_await yield();
  a.cancel("enough");
  co_await yield();
  CHECK(a.cancelled());
  co_await queue.put('x');
  const char item = co_await b;
  CHECK(item == 'x');
}

LOOP_TEST("queue cancel: of a get that was just woken leaves the item in the queue, in its place") {
  coil::Queue<int> queue;
  auto getter = create_task(queue.get());
  co_await yield();
  queue.put_nowait(1);
  queue.put_nowait(2);
  getter.cancel();
  CHECK_AWAIT_THROWS(getter, coil::CancelledError);
  CHECK(queue.qsize() == 2);
  const int item = co_await queue.get();
  CHECK(item == 1);
}

LOOP_TEST("queue cancel: of a get that was just woken wakes the next one in line") {
  coil::Queue<int> queue;
  auto a = create_task(queue.get());
  auto b = create_task(queue.get());
  co_await yield();
  queue.put_nowait(1);
  a.cancel();
  const int item = co_await b;
  CHECK(item == 1);
  CHECK(a.cancelled());
}

LOOP_TEST("queue cancel: of one of many that were woken gives each item to somebody") {
  coil::Queue<int> queue;
  std::vector<coil::Task<int>> getters;
  for (int i = 0; i < 3; ++i) getters.push_back(create_task(queue.get()));
  co_await yield();
  queue.put_nowait(1);
  queue.put_nowait(2);
  getters[0].cancel();
  CHECK_AWAIT_THROWS(getters[0], coil::CancelledError);
  const int second = co_await getters[1];
  const int third = co_await getters[2];
  CHECK(std::set<int>{second, third} == std::set<int>{1, 2});
}

LOOP_TEST("queue cancel: of a get in the turn of the put, before it, leaves the item to the next one") {
  coil::Queue<int> queue;
  auto a = create_task(queue.get());
  auto b = create_task(queue.get());
  co_await yield();
  a.cancel();
  queue.put_nowait(1);
  const int item = co_await b;
  CHECK(item == 1);
  CHECK(a.cancelled());
}

LOOP_TEST("queue cancel: of a get whose item was taken by another throws, and wakes nobody in vain") {
  coil::Queue<int> queue;
  auto a = create_task(queue.get());
  auto b = create_task(queue.get());
  co_await yield();
  queue.put_nowait(1);
  CHECK(queue.get_nowait() == 1);
  a.cancel();
  CHECK_AWAIT_THROWS(a, coil::CancelledError);
  CHECK(!b.done());
  queue.put_nowait(2);
  const int item = co_await b;
  CHECK(item == 2);
}

LOOP_TEST("queue cancel: of a get that waits for the second time") {
  coil::Queue<int> queue;
  auto a = create_task(queue.get());
  co_await yield();
  queue.put_nowait(1);
  CHECK(queue.get_nowait() == 1);
  co_await yield();  // it has looked, and waits again
  a.cancel("the second time");
  std::string message;
  try {
    co_await a;
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(message == "the second time");
  queue.put_nowait(2);
  CHECK(queue.get_nowait() == 2);
}

LOOP_TEST("queue cancel: withdrawn before the woken get runs gives it the item after all") {
  coil::Queue<int> queue;
  auto a = create_task(queue.get());
  co_await yield();
  queue.put_nowait(1);
  a.cancel();
  a.uncancel();
  const int item = co_await a;
  CHECK(item == 1);
}

LOOP_TEST("queue cancel: of a put that waits does not put the item") {
  coil::Queue<int> queue(1);
  queue.put_nowait(1);
  auto putter = create_task(queue.put(2));
  co_await yield();
  putter.cancel();
  CHECK_AWAIT_THROWS(putter, coil::CancelledError);
  CHECK(queue.get_nowait() == 1);
  CHECK(queue.empty());
}

LOOP_TEST("queue cancel: of a put that was just woken does not put the item") {
  coil::Queue<int> queue(1);
  queue.put_nowait(1);
  auto putter = create_task(queue.put(2));
  co_await yield();
  CHECK(queue.get_nowait() == 1);
  putter.cancel();
  CHECK_AWAIT_THROWS(putter, coil::CancelledError);
  CHECK(queue.empty());
  co_await queue.put(3);
  CHECK(queue.get_nowait() == 3);
}

LOOP_TEST("queue cancel: of a put that was just woken wakes the next one in line") {
  coil::Queue<int> queue(1);
  queue.put_nowait(1);
  auto a = create_task(queue.put(2));
  auto b = create_task(queue.put(3));
  co_await yield();
  CHECK(queue.get_nowait() == 1);
  a.cancel();
  co_await b;
  CHECK(a.cancelled());
  CHECK(queue.get_nowait() == 3);
}

LOOP_TEST("queue cancel: of a put leaves the order of the others as it was") {
  coil::Queue<char> queue(1);
  auto a = create_task(queue.put('a'));
  auto b = create_task(queue.put('b'));
  auto x = create_task(queue.put('X'));
  auto c = create_task(queue.put('c'));
  co_await yield();
  CHECK(a.done());
  x.cancel();
  co_await yield();
  CHECK(queue.get_nowait() == 'a');
  co_await yield();
  CHECK(queue.get_nowait() == 'b');
  co_await yield();
  CHECK(queue.get_nowait() == 'c');
  CHECK((b.done() && c.done() && x.cancelled()));
}

LOOP_TEST("queue cancel: before the start, at the wait and twice loses nothing") {
  coil::Queue<int> queue(1);
  auto before = create_task(queue.get());
  before.cancel();
  auto self = [&]() -> coil::Coro<void> {
    coil::current_task().cancel();
    co_await queue.get();
  };
  auto at = create_task(self());
  auto twice = create_task(queue.get());
  co_await yield();
  twice.cancel();
  twice.cancel();
  CHECK_AWAIT_THROWS(before, coil::CancelledError);
  CHECK_AWAIT_THROWS(at, coil::CancelledError);
  CHECK_AWAIT_THROWS(twice, coil::CancelledError);
  co_await queue.put(1);
  auto putter = create_task(queue.put(2));
  putter.cancel();
  CHECK_AWAIT_THROWS(putter, coil::CancelledError);
  CHECK(queue.get_nowait() == 1);
  CHECK(queue.empty());
}

LOOP_TEST("queue cancel: a timeout in the turn of the put loses no item, whichever comes first") {
  for (const bool put_first : {true, false}) {
    coil::Queue<int> queue;
    std::string log;
    auto get = [&]() -> coil::Coro<void> {
      try {
        const int item = co_await coil::wait_for(queue.get(), 1s);
        log += std::to_string(item);
      } catch (const coil::TimeoutError&) {
        log += "timed out";
      }
    };
    const auto put = [&] { queue.put_nowait(5); };
    if (put_first) coil::get_running_loop().call_later(1s, put);
    auto getter = create_task(get());
    co_await yield();
    if (!put_first) coil::get_running_loop().call_later(1s, put);
    co_await getter;
    co_await yield();
    CHECK(log == "timed out");
    CHECK(queue.get_nowait() == 5);
  }
}

LOOP_TEST("queue cancel: of join leaves the others waiting") {
  coil::Queue<int> queue;
  queue.put_nowait(1);
  auto a = create_task(queue.join());
  auto b = create_task(queue.join());
  co_await yield();
  a.cancel();
  co_await yield();
  CHECK(a.cancelled());
  CHECK(!b.done());
  queue.task_done();
  co_await b;
}

LOOP_TEST("queue cancel: of many tasks, and many that are robbed, takes time that grows with their number") {
  constexpr int count = 20'000;
  coil::Queue<int> queue;
  std::vector<coil::Task<int>> getters;
  for (int i = 0; i < count; ++i) getters.push_back(create_task(queue.get()));
  co_await yield();
  for (int i = 0; i < count; ++i) queue.put_nowait(i);
  for (int i = 0; i < count; ++i) CHECK(queue.get_nowait() == i);
  for (int i = 0; i < count; ++i) {  // all are woken and told to look again, over and over
    queue.put_nowait(i);
    queue.get_nowait();
  }
  co_await yield();
  for (auto getter = getters.rbegin(); getter != getters.rend(); ++getter) getter->cancel();
  co_await coil::gather(coil::return_exceptions, getters);
  CHECK(queue.empty());
}
