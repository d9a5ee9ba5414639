// Done callbacks of futures and tasks: who keeps what alive, and how one is taken back.
#include <coil/future.hpp>

#include "../support/loop_test.hpp"

#include <memory>
#include <string>

using namespace std::chrono_literals;
using coil_test::value_after;

LOOP_TEST("future: done callbacks never run inside set_result, but in order in a later turn") {
  auto future = coil::get_running_loop().create_future<int>();
  std::string log;
  future.add_done_callback([&] { log += "first;"; });
  future.add_done_callback([&](coil::Future<int> done) { log += "second " + std::to_string(done.result()) + ";"; });
  future.set_result(1);
  CHECK(log == "");
  co_await coil::yield();
  CHECK(log == "first;second 1;");
}

LOOP_TEST("future: a done callback added when it is done runs as well, in a later turn") {
  auto future = coil::get_running_loop().create_future<int>();
  future.set_result(1);
  bool called = false;
  future.add_done_callback([&] { called = true; });
  CHECK(!called);
  co_await coil::yield();
  CHECK(called);
}

LOOP_TEST("future: done callbacks run after a cancel, too") {
  auto future = coil::get_running_loop().create_future<int>();
  bool cancelled = false;
  future.add_done_callback([&](coil::Future<int> done) { cancelled = done.cancelled(); });
  future.cancel();
  co_await coil::yield();
  CHECK(cancelled);
}

LOOP_TEST("future: pending, with a done callback, it goes with its last handle; the callback is released uncalled") {
  const auto frames = coil::detail::live_frames();
  auto shared = std::make_shared<int>(1);
  {
    auto future = coil::get_running_loop().create_future<int>();
    future.add_done_callback([shared](coil::Future<int>) { CHECK(false); });
    future.add_done_callback([shared] { CHECK(false); });
    CHECK(shared.use_count() == 3);
  }
  CHECK(shared.use_count() == 1);
  CHECK(coil::detail::live_frames() == frames);
  co_await coil::yield();
}

LOOP_TEST("future: a done callback is given the future also when no other handle is left") {
  int got = 0;
  coil::get_running_loop().call_soon([future = coil::get_running_loop().create_future<int>(), &got] {
    future.add_done_callback([&](coil::Future<int> done) { got = done.result(); });
    future.set_result(7);
  });
  co_await coil::yield();
  co_await coil::yield();
  CHECK(got == 7);
}

LOOP_TEST("future: a done callback that is taken back is not called, the others are") {
  auto future = coil::get_running_loop().create_future<int>();
  std::string log;
  auto first = future.add_done_callback([&] { log += "first;"; });
  auto second = future.add_done_callback([&] { log += "second;"; });
  auto third = future.add_done_callback([&] { log += "third;"; });
  second.cancel();
  second.cancel();
  CHECK(second.cancelled());
  CHECK(!first.cancelled());
  future.set_result(1);
  co_await coil::yield();
  CHECK(log == "first;third;");
}

LOOP_TEST("future: taking a done callback back releases what it holds at once, pending or queued") {
  const auto frames = coil::detail::live_frames();
  auto shared = std::make_shared<int>(1);
  for (const bool done : {false, true}) {
    auto future = coil::get_running_loop().create_future<int>();
    auto handle = future.add_done_callback([shared] { CHECK(false); });
    if (done) future.set_result(1);
    CHECK(shared.use_count() == 2);
    handle.cancel();
    CHECK(shared.use_count() == 1);
  }
  co_await coil::yield();
  CHECK(coil::detail::live_frames() == frames);
}

LOOP_TEST("future: a done callback may be taken back by one that runs before it") {
  auto future = coil::get_running_loop().create_future<int>();
  std::string log;
  coil::Handle second;
  future.add_done_callback([&] {
    log += "first;";
    second.cancel();
  });
  second = future.add_done_callback([&] { log += "second;"; });
  future.set_result(1);
  co_await coil::yield();
  CHECK(log == "first;");
}

LOOP_TEST("future: a done callback that takes itself back, or is taken back after it ran, is no error") {
  auto future = coil::get_running_loop().create_future<int>();
  coil::Handle handle;
  int calls = 0;
  handle = future.add_done_callback([&] {
    ++calls;
    handle.cancel();
  });
  future.set_result(1);
  co_await coil::yield();
  handle.cancel();
  CHECK(calls == 1);
  CHECK(handle.cancelled());  // in vain, as for asyncio's handles
}

LOOP_TEST("future: the handle of a done callback keeps neither the future nor its exception from being reported") {
  coil::Handle handle;
  {
    auto future = coil::get_running_loop().create_future<int>();
    handle = future.add_done_callback([] {});
    future.set_exception(std::runtime_error("unheard"));
  }
  CHECK(reports.size() == 0);  // the callback might look at it
  co_await coil::yield();
  CHECK(reports.take().error == "unheard");
}

LOOP_TEST("future: a done callback may add another one, which comes a turn later") {
  auto future = coil::get_running_loop().create_future<int>();
  std::string log;
  future.add_done_callback([&](coil::Future<int> done) {
    log += "outer;";
    done.add_done_callback([&] { log += "inner;"; });
  });
  future.set_result(1);
  co_await coil::yield();
  CHECK(log == "outer;");
  co_await coil::yield();
  CHECK(log == "outer;inner;");
}

LOOP_TEST("future: the same callable added twice is called twice") {
  auto future = coil::get_running_loop().create_future<int>();
  int calls = 0;
  auto count = [&] { ++calls; };
  future.add_done_callback(count);
  future.add_done_callback(count);
  future.set_result(1);
  co_await coil::yield();
  CHECK(calls == 2);
}

LOOP_TEST("future: an exception in a done callback reaches the handler, the other callbacks and waiters go on") {
  auto future = coil::get_running_loop().create_future<int>();
  bool second = false;
  future.add_done_callback([] { throw std::runtime_error("in the callback"); });
  future.add_done_callback([&] { second = true; });
  coil::get_running_loop().call_soon([future] { future.set_result(3); });
  const int value = co_await future;
  CHECK(value == 3);
  CHECK(second);
  CHECK(reports.take().error == "in the callback");
}

LOOP_TEST("task: a done callback is given a Task to the task itself; taken back, it is not called") {
  auto task = coil::create_task(value_after(1s, 4));
  int got = 0;
  task.add_done_callback([&](const coil::Task<int>& done) { got = done.result(); });
  auto handle = task.add_done_callback([&](coil::Task<int>&) { CHECK(false); });
  coil::TaskRef(task).add_done_callback([&](coil::TaskRef done) { CHECK(done == coil::TaskRef(task)); });
  handle.cancel();
  co_await coil::sleep(2s);
  CHECK(got == 4);
}

TEST_CASE("future: done callbacks of futures that outlive their loop pending are released with them") {
  coil_test::LeakCheck leaks;
  coil::Future<int> future;
  coil::Handle handle;
  auto shared = std::make_shared<int>(1);
  auto main = [&]() -> coil::Coro<void> {
    future = coil::get_running_loop().create_future<int>();
    handle = future.add_done_callback([shared] {});
    co_return;
  };
  coil::run(main, coil_test::virtual_time);
  CHECK(shared.use_count() == 2);
  SUBCASE("the future goes first") {
    future = {};
    handle = {};
  }
  SUBCASE("the handle goes first") {
    handle = {};
    future = {};
  }
  SUBCASE("it is taken back") {
    handle.cancel();
    CHECK(shared.use_count() == 1);
    handle = {};
    future = {};
  }
  CHECK(shared.use_count() == 1);
}

TEST_CASE("future: one with callbacks that is set after its loop has closed calls nobody") {
  coil::Future<int> future;
  bool called = false;
  auto main = [&]() -> coil::Coro<void> {
    future = coil::get_running_loop().create_future<int>();
    future.add_done_callback([&] { called = true; });
    co_return;
  };
  coil::run(main, coil_test::virtual_time);
  future.set_result(1);
  CHECK(!called);
}
