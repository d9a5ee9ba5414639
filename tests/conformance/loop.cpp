// The C++ half of loop.py.
#include "scenarios.hpp"

using namespace conformance;

namespace {

coil::Loop& loop() { return coil::get_running_loop(); }

auto say(std::string text) {
  return [text] { log(text); };
}
auto raise(std::string text) {
  return [text] { throw Failure(text); };
}
auto ms(coil::time_point when) {
  return std::chrono::round<std::chrono::milliseconds>(when - coil::time_point{}).count();
}

coil::Coro<void> await_and_log(coil::Future<int> future, std::string name) {
  const int got = co_await future;
  log(name, got);
}
coil::Coro<void> await_and_name(coil::Future<void> future, std::string name) {
  co_await future;
  log(name);
}

void again(int depth) {
  log("depth", depth);
  if (depth < 3) loop().call_soon([depth] { again(depth + 1); });
}

}  // namespace

SCENARIO("call_soon: in the order of the calls, on the next turn") {
  for (const char* name : {"a", "b", "c"}) loop().call_soon(say(name));
  log("queued");
  co_await sleep(0s);
  log("after");
}

SCENARIO("call_soon: what a callback queues comes a turn later") {
  loop().call_soon([] { again(0); });
  for (int i = 0; i < 5; ++i) {
    log("turn", i);
    co_await sleep(0s);
  }
}

SCENARIO("call_soon: tasks and callbacks share one queue") {
  loop().call_soon(say("first"));
  auto task = create_task(steps("task", 2));
  loop().call_soon(say("last"));
  co_await task;
}

SCENARIO("call_soon: cancelled") {
  auto first = loop().call_soon(say("first"));
  auto second = loop().call_soon(say("second"));
  second.cancel();
  second.cancel();
  log(first.cancelled(), second.cancelled());
  co_await sleep(0s);
  first.cancel();
  log("after", second.cancelled());
}

SCENARIO("call_soon: one callback cancels another of the same turn") {
  coil::Handle handle;
  loop().call_soon([&] { handle.cancel(); });
  handle = loop().call_soon(say("never"));
  loop().call_soon(say("last"));
  co_await sleep(0s);
  log("after");
}

SCENARIO("call_soon: an exception goes to the handler, the loop goes on") {
  loop().call_soon(raise("broken"));
  loop().call_soon(say("next"));
  co_await sleep(0s);
  log("after");
}

SCENARIO("call_later: in the order of time, not of the calls") {
  loop().call_later(300ms, say("c"));
  loop().call_later(100ms, say("a"));
  loop().call_later(200ms, say("b"));
  co_await sleep(400ms);
  log("after");
}

SCENARIO("call_later: zero and less come on the next turn") {
  loop().call_later(0s, say("zero"));
  loop().call_soon(say("soon"));
  co_await sleep(0s);
  log("one turn");
  co_await sleep(0s);
  log("two turns");
}

SCENARIO("call_later: a timer queued in the turn of another") {
  loop().call_later(100ms, [] {
    log("first");
    loop().call_later(0s, say("second"));
    loop().call_soon(say("soon"));
  });
  co_await sleep(200ms);
}

SCENARIO("call_later: cancelled, also while it is due") {
  loop().call_later(100ms, say("never")).cancel();
  coil::TimerHandle handle;
  loop().call_later(200ms, [&] { handle.cancel(); });
  handle = loop().call_later(200100us, say("never"));
  co_await sleep(300ms);
  log(handle.cancelled());
}

SCENARIO("call_at: absolute, and when() says so") {
  auto handle = loop().call_at(coil::time_point{} + 250ms, say("now"));
  log(ms(handle.when()));
  co_await sleep(300ms);
  log(ms(handle.when()), handle.cancelled());
}

SCENARIO("call_at: the past is due at once") {
  co_await sleep(100ms);
  loop().call_at(coil::time_point{} + 50ms, say("past"));
  co_await sleep(50ms);
}

SCENARIO("a handler that throws does not stop the loop") {
  loop().set_exception_handler([](const coil::ErrorContext& context) {
    const std::string text = describe(context.exception);
    log("told", text);
    if (text == "Failure(first)")
      loop().set_exception_handler(
          [](const coil::ErrorContext& other) { log("second handler", describe(other.exception)); });
  });
  loop().call_soon(raise("first"));
  loop().call_soon(raise("second"));
  co_await sleep(0s);
  log("after");
}

SCENARIO("future: a result wakes its waiters on the next turn") {
  auto future = loop().create_future<int>();
  std::vector<coil::Task<void>> tasks;
  for (const char* name : {"a", "b"}) tasks.push_back(create_task(await_and_log(future, name)));
  co_await sleep(0s);
  future.set_result(7);
  log("set", future.done(), future.result());
  co_await sleep(0s);
  log("a turn later");
  for (auto& task : tasks) co_await task;
}

SCENARIO("future: an exception") {
  auto future = loop().create_future<int>();
  future.set_exception(Failure("broken"));
  log(future.exception());
  const std::string failure = co_await failure_of(future);
  log(failure);
}

SCENARIO("future: set twice") {
  auto future = loop().create_future<int>();
  future.set_result(1);
  try {
    future.set_result(2);
  } catch (const coil::InvalidStateError&) {
    log(std::current_exception());
  }
  try {
    future.set_exception(Failure("late"));
  } catch (const coil::InvalidStateError&) {
    log(std::current_exception());
  }
  log(future.result(), future.cancel());
  co_return;
}

SCENARIO("future: cancelled, with a message") {
  auto future = loop().create_future<void>();
  auto task = create_task(await_and_name(future, "never"));
  co_await sleep(0s);
  const bool first = future.cancel("why");
  const bool cancelled = future.cancelled();
  log(first, cancelled, future.cancel());
  const std::string failure = co_await failure_of(task);
  log(failure);
  log(task.cancelled());
}

SCENARIO("future: asked too early") {
  auto future = loop().create_future<int>();
  try {
    future.result();
  } catch (const coil::InvalidStateError&) {
    log(std::current_exception());
  }
  try {
    future.exception();
  } catch (const coil::InvalidStateError&) {
    log(std::current_exception());
  }
  log(future.done(), future.cancelled());
  co_return;
}

SCENARIO("future: callbacks never run inside the call that sets") {
  auto future = loop().create_future<int>();
  for (const char* name : {"a", "b"})
    future.add_done_callback([name](const coil::Future<int>& done) { log(name, done.result()); });
  future.set_result(7);
  log("set");
  future.add_done_callback(say("late"));
  co_await sleep(0s);
  log("after");
}

SCENARIO("future: callbacks and waiters share one order") {
  auto future = loop().create_future<void>();
  auto first = create_task(await_and_name(future, "waiter a"));
  co_await sleep(0s);
  future.add_done_callback(say("callback"));
  auto second = create_task(await_and_name(future, "waiter b"));
  co_await sleep(0s);
  future.set_result();
  co_await first;
  co_await second;
}

SCENARIO("future: a callback that throws does not keep the others from running") {
  auto future = loop().create_future<void>();
  future.add_done_callback(raise("callback"));
  future.add_done_callback(say("next"));
  future.set_result();
  co_await sleep(0s);
  log("after");
}

SCENARIO("future: awaiting one that is done does not let others run") {
  auto future = loop().create_future<int>();
  future.set_result(7);
  create_task(steps("other", 0));
  const int got = co_await future;
  log(got);
  co_await sleep(0s);
}

SCENARIO("future: a cancelled waiter cancels it") {
  auto future = loop().create_future<void>();
  auto task = create_task(await_and_name(future, "never"));
  co_await sleep(0s);
  task.cancel();
  log("asked", future.cancelled());
  co_await sleep(0s);
  log(future.cancelled(), task.cancelled());
}

SCENARIO("future: a result and a cancel of its waiter in one turn") {
  auto future = loop().create_future<int>();
  auto waiter = [&]() -> coil::Coro<void> {
    try {
      const int got = co_await future;
      log("got", got);
    } catch (const coil::CancelledError&) {
      log(std::current_exception());
    }
  };
  auto task = create_task(waiter);
  co_await sleep(0s);
  future.set_result(7);
  task.cancel();
  co_await task;
  log(future.result());
}

SCENARIO("call_later: those of the past come in the order of their times") {
  co_await sleep(5s);
  loop().call_later(-1s, say("a"));
  loop().call_later(-2s, say("b"));
  loop().call_later(0s, say("c"));
  loop().call_later(-3s, say("d"));
  co_await sleep(100ms);
}
