// Threads that are started and awaited: results, errors, cancellation, and what becomes of those without a handle.
#include <coil/race.hpp>
#include <coil/thread.hpp>
#include <coil/wait.hpp>

#include "../support/child.hpp"
#include "../support/loop_test.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <latch>
#include <memory>
#include <stop_token>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using coil::start_thread;
using coil::Thread;

namespace {

/// Turns the loop until `flag` is set by another thread.
coil::Coro<void> until(const std::atomic<bool>& flag) {
  while (!flag) co_await coil::yield();
}

/// Blocks until it is asked to stop.
void wait_for_stop(const std::stop_token& token) {
  std::latch stopped(1);
  const std::stop_callback on_stop(token, [&] { stopped.count_down(); });
  stopped.wait();
}

/// Tells of the end of the thread that it was made in, the destructors of its variables included.
struct AtThreadExit {
  std::atomic<bool>* gone = nullptr;
  ~AtThreadExit() {
    if (gone != nullptr) *gone = true;
  }
};
thread_local AtThreadExit at_thread_exit;

}  // namespace

LOOP_TEST("start_thread: co_await joins the thread and gives its result, of any kind") {
  const auto here = std::this_thread::get_id();
  Thread t = start_thread([](int a, std::unique_ptr<int> b) { return std::pair(a + *b, std::this_thread::get_id()); },
                          20, std::make_unique<int>(22));
  const auto [sum, id] = co_await t;
  CHECK(sum == 42);
  CHECK(id != here);
  CHECK(t.done());
  int x = 1;
  Thread<int&> reference = start_thread([&]() -> int& { return x; });
  int& same = co_await reference;
  CHECK(&same == &x);
  Thread<void> nothing = start_thread([&] { ++x; });
  co_await nothing;
  CHECK(x == 2);
}

LOOP_TEST("start_thread: co_await throws what the function threw, also what is no std::exception, to each who awaits") {
  Thread t = start_thread([] { throw std::runtime_error("in the thread"); });
  CHECK_AWAIT_FAILS_WITH(t, "in the thread");
  CHECK_AWAIT_FAILS_WITH(t.join(), "in the thread");
  Thread number = start_thread([]() -> int { throw 5; });
  CHECK_AWAIT_THROWS(number, int);
}

LOOP_TEST("start_thread: once it was awaited the thread is gone, with its thread_local variables") {
  for (int round = 0; round < 20; ++round) {
    std::atomic<bool> gone{false};
    Thread t = start_thread([&] { at_thread_exit.gone = &gone; });
    co_await t;
    CHECK(gone);
  }
}

LOOP_TEST("start_thread: several await one thread; a result that cannot be copied goes to the first") {
  Thread t = start_thread([] { return std::string(100, 'x'); });
  const auto [a, b] = co_await coil::gather(t, t);
  CHECK(a == b);
  CHECK(a.size() == 100);
  Thread unique = start_thread([] { return std::make_unique<int>(7); });
  const auto first = co_await unique;
  CHECK(*first == 7);
  CHECK_AWAIT_THROWS(unique, coil::InvalidStateError);
}

LOOP_TEST("start_thread: threads go into gather, wait, race, wait_for and a task group like anything else") {
  auto work = [](int value) { return value; };
  Thread a = start_thread(work, 1);
  Thread b = start_thread(work, 2);
  const auto [x, y] = co_await coil::gather(a, b);
  CHECK(x + y == 3);
  const std::vector<coil::Task<int>> tasks = {coil::create_task(a), coil::create_task(b)};
  const auto finished = co_await coil::wait(tasks);
  CHECK(finished.done.size() == 2);
  std::atomic<bool> stopped{false};
  Thread slow = start_thread([&](const std::stop_token& token) {
    wait_for_stop(token);
    stopped = true;
    return 0;
  });
  const auto winner = co_await coil::race(slow, a);
  CHECK(winner.index() == 1);
  CHECK(stopped);
  const int value = co_await coil::wait_for(b, 1s);
  CHECK(value == 2);
  int sum = 0;
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    auto c = group.create_task(start_thread(work, 3));
    sum = co_await c;
  };
  co_await coil::task_group(body);
  CHECK(sum == 3);
}

LOOP_TEST("start_thread: cancelled, the await of a function with a stop token asks it to stop and waits for it") {
  std::atomic<bool> began{false};
  std::atomic<bool> finished{false};
  Thread t = start_thread([&](const std::stop_token& token) {
    began = true;
    wait_for_stop(token);
    finished = true;
    return 5;
  });
  auto task = coil::create_task(t);
  co_await coil::yield();
  co_await until(began);
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(finished);
  const int result = co_await t;  // it is still there for others
  CHECK(result == 5);
}

LOOP_TEST("start_thread: cancelled, the await of a function without a stop token ends at once; the thread goes on") {
  std::latch go(1);
  Thread t = start_thread([&] {
    go.wait();
    return 6;
  });
  auto task = coil::create_task(t);
  co_await coil::yield();
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(!t.done());
  CHECK(!t.request_stop());
  go.count_down();
  const int result = co_await t;
  CHECK(result == 6);
}

LOOP_TEST("start_thread: cancelled before its await, a task leaves the thread alone") {
  std::latch go(1);
  Thread t = start_thread([&](const std::stop_token& token) {
    go.wait();
    return token.stop_requested();
  });
  auto body = [&]() -> coil::Coro<void> {
    coil::current_task().cancel();
    co_await t;
  };
  CHECK_AWAIT_THROWS(coil::create_task(body()), coil::CancelledError);
  go.count_down();
  const bool stopped = co_await t;
  CHECK(!stopped);
}

LOOP_TEST("start_thread: an exception that nobody took goes to the exception handler when the last handle does") {
  {
    Thread t = start_thread([] { throw std::runtime_error("nobody waits"); });
    Thread copy = t;
    while (!t.done()) co_await coil::yield();
    t = {};
    CHECK(reports.size() == 0);
  }
  REQUIRE(reports.size() == 1);
  const auto report = reports.take();
  CHECK(report.error == "nobody waits");
  CHECK(report.file.ends_with("thread_test.cpp"));
}

TEST_CASE("start_thread: run asks threads without a handle to stop and waits for them, and for all others") {
  coil_test::LeakCheck leaks;
  std::atomic<int> ended{0};
  Thread<int> kept;
  auto main = [&]() -> coil::Coro<void> {
    for (int i = 0; i < 40; ++i) {
      Thread dropped = start_thread([&](const std::stop_token& token) {
        wait_for_stop(token);
        ++ended;
      });
    }
    Thread dropped = start_thread([&] { ++ended; });
    kept = start_thread([&](const std::stop_token& token) {
      wait_for_stop(token);
      return ++ended;
    });
    co_await coil::yield();
  };
  coil::run(main, coil_test::virtual_time);
  CHECK(ended == 42);
  CHECK(kept.done());
  CHECK(kept.join_blocking() > 0);
}

TEST_CASE("start_thread: run names a thread that keeps it waiting at its end") {
  coil_test::Reports reports;
  std::atomic<bool> go{false};
  auto main = [&]() -> coil::Coro<void> {
    coil::get_running_loop().set_exception_handler([&](const coil::ErrorContext& context) {
      reports.add(context);
      go = true;
      go.notify_all();
    });
    Thread dropped = start_thread([&] { go.wait(false); });
    co_await coil::yield();
  };
  coil::run(main, {.stuck_function_duration = 1ms});
  REQUIRE(reports.size() >= 1);  // more if the thread is slow
  CHECK(reports.take().message.starts_with("coil::run() waits for a function in another thread, which has run for"));
  while (reports.size() != 0) reports.take();
}

TEST_CASE("start_thread: outside of loops a thread is joined by join_blocking, or by the last handle's destructor") {
  std::atomic<bool> ended{false};
  {
    Thread t = start_thread([&](const std::stop_token& token) {
      wait_for_stop(token);
      ended = true;
    });
  }
  CHECK(ended);
  Thread t = start_thread([] { return std::string("result"); });
  CHECK(t.join_blocking() == "result");
  Thread failing = start_thread([] { throw std::runtime_error("in the thread"); });
  CHECK_THROWS_WITH(failing.join_blocking(), "in the thread");
}

LOOP_TEST("start_thread: what would wait for ever or block the loop is refused") {
  std::latch go(1);
  std::string said;
  Thread<void> self;
  std::atomic<bool> made{false};
  self = start_thread([&] {
    made.wait(false);
    try {
      self.join_blocking();
    } catch (const std::logic_error& error) {
      said = error.what();
    }
    go.wait();
  });
  made = true;
  made.notify_one();
  CHECK_THROWS_WITH_AS(self.join_blocking(), "coil: Thread::join_blocking() would block the event loop: use co_await",
                       std::logic_error);
  go.count_down();
  co_await self;
  CHECK(said == "coil: Thread::join_blocking() waits for this very thread");
  CHECK_THROWS_AS(Thread<int>().done(), std::logic_error);
  CHECK_AWAIT_THROWS(Thread<int>(), std::logic_error);
}

LOOP_TEST("start_thread: if there can be no further thread it is a std::system_error, and nothing is left behind") {
  auto owned = std::make_shared<int>(1);
  const auto result = coil_test::in_child([&] {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_NPROC, &none);
    if (::getuid() == 0 && ::setuid(65534) != 0) return 3;
    try {
      Thread t = start_thread([owned] {});
    } catch (const std::system_error& error) {
      return error.code().value() == EAGAIN && owned.use_count() == 1 ? 0 : 2;
    }
    return 1;
  });
  CHECK(result.exited_with(0));
  co_await coil::yield();
}

LOOP_TEST("start_thread: the last handle may go in the thread itself") {
  std::atomic<bool> done{false};
  {
    auto slot = std::make_shared<Thread<void>>();
    auto made = std::make_shared<std::atomic<bool>>(false);
    *slot = start_thread([slot, made, &done] {
      made->wait(false);
      done = true;
    });
    *made = true;
    made->notify_one();
  }
  co_await until(done);
}
