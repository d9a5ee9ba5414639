#include <coil/context.hpp>

#include <coil/context_var.hpp>

#include "../support/loop_test.hpp"

#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using coil_test::virtual_time;

namespace {

const coil::ContextVar<std::string> user("user", "nobody");

coil::Coro<std::string> user_here() { co_return user.get(); }
coil::Coro<void> set_user(std::string name) {
  user.set(std::move(name));
  co_return;
}

}  // namespace

// ---- Context ---------------------------------------------------------------------------------------------

LOOP_TEST("context: a copy does not see what is set afterwards, nor is what is set in it seen outside") {
  user.set("before");
  coil::Context copy = coil::copy_context();
  user.set("after");
  CHECK(copy.run([] { return user.get(); }) == "before");
  copy.run([] { user.set("inside"); });
  CHECK(user.get() == "after");
  CHECK(copy.run([] { return user.get(); }) == "inside");
  co_await coil::yield();
}

LOOP_TEST("context: run() passes arguments and results on, references and exceptions too") {
  coil::Context context;
  CHECK(context.empty());
  std::string text = "text";
  std::string& same = context.run([](std::string& given) -> std::string& { return given; }, text);
  CHECK(&same == &text);
  CHECK_THROWS_AS(context.run([] { throw std::runtime_error("inside"); }), std::runtime_error);
  context.run([](std::string name) { user.set(std::move(name)); }, "given");
  CHECK(!context.empty());
  CHECK(user.get() == "nobody");
  co_await coil::yield();
}

LOOP_TEST("context: run() inside a run() of the same context is a logic_error, of another one is not") {
  coil::Context context;
  coil::Context other;
  context.run([&] {
    CHECK_THROWS_AS(context.run([] {}), std::logic_error);
    user.set("outer");
    other.run([&] { user.set("inner"); });
    CHECK(user.get() == "outer");
  });
  CHECK(context.run([] { return user.get(); }) == "outer");
  CHECK(other.run([] { return user.get(); }) == "inner");
  co_await coil::yield();
}

LOOP_TEST("context: a token of a run() may be used in a later run() of the same context") {
  coil::Context context;
  auto token = context.run([] { return user.set("inside"); });
  context.run([&] { user.reset(token); });
  CHECK(context.empty());
  co_await coil::yield();
}

LOOP_TEST("context: tasks and callbacks that are made inside run() have a copy of it") {
  coil::Context context;
  coil::Task<std::string> task;
  std::string in_callback;
  context.run([&] {
    user.set("inside");
    task = coil::create_task(user_here());
    coil::get_running_loop().call_soon([&] { in_callback = user.get(); });
  });
  const std::string seen = co_await task;
  CHECK(seen == "inside");
  CHECK(in_callback == "inside");
  CHECK(user.get() == "nobody");
}

LOOP_TEST("context: a task that is given one begins with a copy of it, whatever its maker has set") {
  user.set("maker");
  coil::Context context;
  context.run([] { user.set("given"); });
  auto given = coil::create_task(user_here(), {.context = &context});
  auto sets = coil::create_task(set_user("task"), {.context = &context});
  context.run([] { user.set("changed later"); });
  const std::string seen = co_await given;
  co_await sets;
  CHECK(seen == "given");
  CHECK(context.run([] { return user.get(); }) == "changed later");
  const coil::Context nothing;
  const std::string unset = co_await coil::create_task(user_here(), {.context = &nothing});
  CHECK(unset == "nobody");
  auto eager = coil::create_task(user_here(), {.context = &context, .eager = true});
  CHECK(eager.result() == "changed later");
  CHECK(user.get() == "maker");
}

LOOP_TEST("context: moved, it stays the same context, and leaves an empty one") {
  coil::Context context;
  auto token = context.run([] { return user.set("inside"); });
  coil::Context moved = std::move(context);
  CHECK(context.empty());
  CHECK_THROWS_AS(context.run([&] { user.reset(token); }), std::invalid_argument);
  moved.run([&] { user.reset(token); });
  context = std::move(moved);
  CHECK(context.empty());
  co_await coil::yield();
}

// ---- Callbacks -------------------------------------------------------------------------------------------

LOOP_TEST("context: callbacks run in a copy of the context in which they were queued") {
  std::vector<std::string> seen;
  const auto look = [&](std::string name) { seen.push_back(name + " " + user.get()); };
  coil::Loop& loop = coil::get_running_loop();
  user.set("soon");
  loop.call_soon([=] { look("call_soon"); });
  user.set("later");
  loop.call_later(1s, [=] { look("call_later"); });
  user.set("at");
  loop.call_at(loop.time() + 2s, [=] { look("call_at"); });
  user.set("threadsafe");
  loop.call_soon_threadsafe([=] { look("call_soon_threadsafe"); });
  user.set("when they run");
  co_await coil::sleep(3s);
  CHECK(seen == std::vector<std::string>{"call_soon soon", "call_soon_threadsafe threadsafe", "call_later later",
                                         "call_at at"});
}

LOOP_TEST("context: what a callback sets is seen by nobody but the callbacks and tasks that it makes") {
  std::vector<std::string> seen;
  coil::Loop& loop = coil::get_running_loop();
  user.set("task");
  coil::Task<std::string> task;
  loop.call_soon([&] {
    user.set("callback");
    loop.call_soon([&] { seen.push_back(user.get()); });
    task = coil::create_task(user_here());
    seen.push_back(user.get());
  });
  loop.call_soon([&] { seen.push_back(user.get()); });
  co_await coil::yield();
  co_await coil::yield();
  const std::string in_task = co_await task;
  CHECK(in_task == "callback");
  CHECK(user.get() == "task");
  CHECK(seen == std::vector<std::string>{"callback", "task", "callback"});
}

LOOP_TEST("context: a callback may set first where nothing was set, and the next step sees none of it") {
  coil::get_running_loop().call_soon([] { user.set("callback"); });
  co_await coil::yield();
  CHECK(user.get() == "nobody");
  CHECK(coil::copy_context().empty());
}

LOOP_TEST("context: done callbacks run in that of their adding, of tasks and of futures") {
  std::vector<std::string> seen;
  const auto look = [&] { seen.push_back(user.get()); };
  auto future = coil::get_running_loop().create_future<void>();
  user.set("added");
  future.add_done_callback(look);
  auto task = coil::create_task(set_user("task"));
  task.add_done_callback(look);
  user.set("finished");
  future.set_result();
  co_await task;
  user.set("added late");
  task.add_done_callback(look);
  user.set("end");
  co_await coil::yield();
  CHECK(seen == std::vector<std::string>{"added", "added", "added late"});
}

// ---- Threads, run and Runner -----------------------------------------------------------------------------

TEST_CASE("context: outside a loop each thread has one, empty at first") {
  const auto token = user.set("this thread");
  std::string in_thread;
  std::thread([&] {
    in_thread = user.get();
    user.set("that thread");
    in_thread += ", " + user.get();
  }).join();
  CHECK(in_thread == "nobody, that thread");
  CHECK(user.get() == "this thread");
  user.reset(token);
  CHECK(user.get() == "nobody");
}

TEST_CASE("context: a copy may go to another thread, and comes back changed") {
  coil::Context context;
  context.run([] { user.set("here"); });
  std::string in_thread;
  std::thread([&in_thread, context]() mutable {
    in_thread = context.run([] { return user.get(); });
    context.run([] { user.set("there"); });
  }).join();
  CHECK(in_thread == "here");
  CHECK(context.run([] { return user.get(); }) == "here");
}

LOOP_TEST("context: a callback from another thread has a copy of that thread's") {
  user.set("task");
  std::vector<std::string> seen;
  coil::Loop& loop = coil::get_running_loop();
  std::thread([&] {
    loop.call_soon_threadsafe([&] { seen.push_back(user.get()); });
    user.set("thread");
    loop.call_soon_threadsafe([&] { seen.push_back(user.get()); });
  }).join();
  co_await coil::yield();
  co_await coil::yield();
  CHECK(seen == std::vector<std::string>{"nobody", "thread"});
}

TEST_CASE("context: run's main has a copy of the thread's, and what it sets ends with it") {
  coil_test::LeakCheck leaks;
  const auto token = user.set("thread");
  std::string seen;
  const auto main = [&]() -> coil::Coro<void> {
    seen = user.get();
    user.set("main");
    co_await coil::yield();
    seen += ", " + user.get();
  };
  coil::run(main, virtual_time);
  CHECK(seen == "thread, main");
  CHECK(user.get() == "thread");
  user.reset(token);
}

TEST_CASE("context: a Runner keeps one from run to run, a copy of the thread's when its loop was made") {
  const auto thread_token = user.set("thread");
  {
    coil::Runner runner(virtual_time);
    std::optional<coil::ContextVar<std::string>::Token> token;
    std::vector<std::string> seen;
    const auto first = [&]() -> coil::Coro<void> {
      seen.push_back(user.get());
      token.emplace(user.set("first"));
      co_await coil::yield();
    };
    const auto second = [&]() -> coil::Coro<void> {
      seen.push_back(user.get());
      user.reset(*token);
      seen.push_back(user.get());
      co_await coil::yield();
      throw std::runtime_error("on purpose");
    };
    const auto third = [&]() -> coil::Coro<void> {
      seen.push_back(user.get());
      co_await coil::yield();
    };
    runner.run(first);
    user.set("changed");
    CHECK_THROWS_AS(runner.run(second), std::runtime_error);
    runner.run(third);
    CHECK(seen == std::vector<std::string>{"thread", "first", "thread", "thread"});
    CHECK(user.get() == "changed");
  }
  user.reset(thread_token);
}

TEST_CASE("context: a Runner's main that was stopped goes on in its context while it is closed") {
  std::string seen;
  {
    coil::Runner runner(virtual_time);
    const auto main = [&]() -> coil::Coro<void> {
      user.set("main");
      coil::get_running_loop().stop();
      co_await coil_test::return_when_cancelled(0);
      seen = user.get();
    };
    CHECK_THROWS_AS(runner.run(main), std::logic_error);
    CHECK(runner.run(user_here()) == "main");
  }
  CHECK(seen == "main");
}
