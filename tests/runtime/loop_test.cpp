#include <coil/loop.hpp>

#include "../support/loop_test.hpp"

#include <functional>
#include <memory>
#include <string>

using namespace std::chrono_literals;

TEST_CASE("loop: get_running_loop() outside a loop is a logic_error that says so") {
  std::string text;
  try {
    coil::get_running_loop();
  } catch (const std::logic_error& error) {
    text = error.what();
  }
  CHECK(text.find("no running event loop") != std::string::npos);
}

LOOP_TEST("loop: get_running_loop() is the same in the main coroutine, in tasks and in callbacks") {
  coil::Loop* const mine = &coil::get_running_loop();
  coil::Loop* in_callback = nullptr;
  coil::Loop* in_task = nullptr;
  mine->call_soon([&] { in_callback = &coil::get_running_loop(); });
  auto look = [&]() -> coil::Coro<void> {
    in_task = &coil::get_running_loop();
    co_return;
  };
  co_await coil::create_task(look());
  CHECK(in_callback == mine);
  CHECK(in_task == mine);
}

LOOP_TEST("loop: call_soon runs callbacks in the order in which they were queued, never at once") {
  auto& loop = coil::get_running_loop();
  std::string log;
  loop.call_soon([&] { log += "a"; });
  loop.call_soon([&] { log += "b"; });
  loop.call_soon([&] { log += "c"; });
  CHECK(log == "");
  co_await coil::yield();
  CHECK(log == "abc");
}

LOOP_TEST("loop: a callback queued by a callback runs in the next turn") {
  auto& loop = coil::get_running_loop();
  std::string log;
  loop.call_soon([&] {
    log += "a";
    loop.call_soon([&] { log += "c"; });
  });
  loop.call_soon([&] { log += "b"; });
  co_await coil::yield();
  CHECK(log == "ab");
  co_await coil::yield();
  CHECK(log == "abc");
}

LOOP_TEST("loop: a task created now starts after the callbacks already queued, and before later ones") {
  auto& loop = coil::get_running_loop();
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    log += "task;";
    co_return;
  };
  loop.call_soon([&] { log += "earlier;"; });
  auto task = coil::create_task(work());
  loop.call_soon([&] { log += "later;"; });
  CHECK(log == "");
  co_await coil::yield();
  CHECK(log == "earlier;task;later;");
}

TEST_CASE("loop: a callback that queues itself for ever does not keep timers from running") {
  coil_test::LeakCheck leaks;
  bool fired = false;
  int rounds = 0;
  std::function<void()> again;
  auto main = [&]() -> coil::Coro<void> {
    again = [&] {
      ++rounds;
      if (!fired) coil::get_running_loop().call_soon([&] { again(); });
    };
    coil::get_running_loop().call_soon([&] { again(); });
    co_await coil::sleep(1ms);
    fired = true;
    co_await coil::yield();
  };
  coil::run(main);  // real time: it would never end
  CHECK(fired);
  CHECK(rounds > 0);
}

LOOP_TEST("loop: a callback of call_soon can be cancelled before it runs") {
  auto& loop = coil::get_running_loop();
  bool called = false;
  auto handle = loop.call_soon([&] { called = true; });
  handle.cancel();
  co_await coil::sleep(1s);
  CHECK(!called);
}

LOOP_TEST("loop: takes callbacks that can only be moved, and releases what they hold after the call") {
  auto shared = std::make_shared<int>(1);
  auto owned = std::make_unique<int>(5);
  int seen = 0;
  coil::get_running_loop().call_soon([&seen, shared, mine = std::move(owned)] { seen = *mine; });
  CHECK(shared.use_count() == 2);
  co_await coil::yield();
  CHECK(seen == 5);
  CHECK(shared.use_count() == 1);
}

LOOP_TEST("loop: the callback of a cancelled call_later is released, at the latest when it would have run") {
  auto shared = std::make_shared<int>(1);
  auto handle = coil::get_running_loop().call_later(1s, [shared] { static_cast<void>(shared); });
  handle.cancel();
  co_await coil::sleep(2s);
  CHECK(shared.use_count() == 1);
}

LOOP_TEST("loop: an exception in a callback reaches the exception handler, and the loop goes on") {
  auto& loop = coil::get_running_loop();
  bool later = false;
  loop.call_soon([] { throw std::runtime_error("from a callback"); });
  loop.call_soon([&] { later = true; });
  co_await coil::sleep(1s);
  CHECK(later);
  const auto report = reports.take();
  CHECK(report.error == "from a callback");
  CHECK(report.message != "");
}

LOOP_TEST("loop: an exception in a timer's callback reaches the exception handler, and the loop goes on") {
  coil::get_running_loop().call_later(1s, [] { throw std::runtime_error("from a timer"); });
  co_await coil::sleep(2s);
  CHECK(reports.take().error == "from a timer");
}

LOOP_TEST("loop: call_exception_handler hands its context to the handler") {
  coil::ErrorContext context;
  context.message = "something odd";
  context.exception = std::make_exception_ptr(std::runtime_error("odd"));
  context.task = coil::current_task();
  coil::get_running_loop().call_exception_handler(context);
  const auto report = reports.take();
  CHECK(report.message == "something odd");
  CHECK(report.error == "odd");
  CHECK(report.task == coil::current_task().name());
  co_await coil::yield();
}

LOOP_TEST("loop: create_future makes a future that is not done") {
  auto future = coil::get_running_loop().create_future<int>();
  static_assert(std::is_same_v<decltype(future), coil::Future<int>>);
  CHECK(!future.done());
  co_await coil::yield();
}
