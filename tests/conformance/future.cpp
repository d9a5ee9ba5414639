// The C++ half of future.py.
#include "scenarios.hpp"

using namespace conformance;

namespace {

template <class T = int>
coil::Future<T> new_future() {
  return coil::get_running_loop().create_future<T>();
}

template <class F>
std::exception_ptr failure_in(F call) {
  try {
    call();
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

coil::Coro<void> waiter(const char* name, coil::Future<int> future) {
  auto outcome = co_await coil::as_result(future);
  const auto failure = failure_in([&] { log(name, outcome.value()); });
  if (!failure) co_return;
  log(name, failure);
  std::rethrow_exception(failure);
}

}  // namespace

SCENARIO("future: pending, done, cancelled") {
  auto future = new_future();
  log(future.done(), future.cancelled(), failure_in([&] { future.result(); }),
      failure_in([&] { static_cast<void>(future.exception()); }));
  future.set_result(1);
  log(future.done(), future.cancelled(), future.result(), future.exception());
  log(failure_in([&] { future.set_result(2); }), failure_in([&] { future.set_exception(Failure("late")); }),
      future.cancel());
  future = new_future();
  const bool first = future.cancel();
  const bool second = future.cancel();
  log(first, second, future.done(), future.cancelled());
  log(failure_in([&] { future.result(); }), failure_in([&] { static_cast<void>(future.exception()); }),
      failure_in([&] { future.set_result(2); }));
  co_return;
}

SCENARIO("future: set_result wakes on the next turn, in the order of waiting, behind what is queued") {
  coil::Loop& loop = coil::get_running_loop();
  auto future = new_future();
  std::vector<coil::Task<void>> waiters;
  for (const char* name : {"a", "b", "c"}) waiters.push_back(create_task(waiter(name, future)));
  co_await sleep(0s);
  loop.call_soon([] { log("before"); });
  future.set_result(1);
  loop.call_soon([] { log("after"); });
  log("set");
  for (auto& each : waiters) co_await each;
}

SCENARIO("future: waiters and callbacks take turns in the order in which they came") {
  auto future = new_future();
  future.add_done_callback([](coil::Future<int> f) { log("first", f.result()); });
  auto a = create_task(waiter("a", future));
  co_await sleep(0s);
  future.add_done_callback([] { log("second"); });
  auto b = create_task(waiter("b", future));
  co_await sleep(0s);
  future.add_done_callback([] { log("third"); });
  future.set_result(1);
  log("set");
  co_await a;
  co_await b;
  co_await sleep(0s);
}

SCENARIO("future: a callback that is added when it is done") {
  auto future = new_future();
  future.set_result(1);
  future.add_done_callback([](coil::Future<int> f) { log("called", f.result()); });
  log("added");
  co_await sleep(0s);
  log("later");
}

SCENARIO("future: a callback that is taken back") {
  auto future = new_future();
  auto one = future.add_done_callback([] { log("one"); });
  future.add_done_callback([] { log("two"); });
  one.cancel();
  future.set_result(1);
  co_await sleep(0s);
  log("later");
}

SCENARIO("future: a callback that adds one, and a callback that fails") {
  auto future = new_future();
  future.add_done_callback([] { throw Failure("callback"); });
  future.add_done_callback([](coil::Future<int> f) {
    log("adds");
    f.add_done_callback([] { log("added"); });
  });
  future.set_result(1);
  co_await sleep(0s);
  log("a turn later");
  co_await sleep(0s);
  log("two turns later");
}

SCENARIO("future: callbacks come after a cancel and after a failure as well") {
  auto future = new_future();
  future.add_done_callback([](coil::Future<int> f) { log("cancelled", f.cancelled()); });
  future.cancel();
  auto failed = new_future();
  failed.add_done_callback([](coil::Future<int> f) { log("failed", f.exception()); });
  failed.set_exception(Failure("x"));
  log("both");
  co_await sleep(0s);
}

SCENARIO("future: cancelled with a message, each waiter gets it") {
  auto future = new_future();
  auto a = create_task(waiter("a", future));
  co_await sleep(0s);
  future.cancel("why");
  const std::string failure = co_await failure_of(a);
  log(failure);
  log(a.cancelled(), a.cancelling());
}

SCENARIO("future: a failure comes to every waiter, as often as it is awaited") {
  auto future = new_future();
  std::vector<coil::Task<void>> waiters;
  for (const char* name : {"a", "b"}) waiters.push_back(create_task(waiter(name, future)));
  co_await sleep(0s);
  future.set_exception(Failure("x"));
  for (auto& each : waiters) {
    const std::string failure = co_await failure_of(each);
    log(failure);
  }
  const std::string again = co_await failure_of(future);
  log(again);
}

SCENARIO("future: a failure that nobody takes goes to the handler") {
  auto future = new_future();
  future.set_exception(Failure("unheard"));
  log("set");
  future = {};
  log("gone");
  co_return;
}

SCENARIO("future: an exception that is a cancellation cancels the waiter, not the future") {
  auto future = new_future();
  auto a = create_task(waiter("a", future));
  co_await sleep(0s);
  future.set_exception(coil::CancelledError("own"));
  log(future.cancelled(), future.exception());
  const std::string failure = co_await failure_of(a);
  log(failure);
  log(a.cancelled());
}

SCENARIO("future: cancel of a waiter cancels the future") {
  auto future = new_future();
  auto a = create_task(waiter("a", future));
  co_await sleep(0s);
  const bool asked = a.cancel("stop");
  log(asked, future.cancelled(), a.done());
  const std::string failure = co_await failure_of(a);
  log(failure);
}

SCENARIO("future: awaiting one that is done does not let others run") {
  auto future = new_future();
  future.set_result(1);
  auto other = create_task(steps("other", 1));
  const int got = co_await future;
  log(got);
  co_await other;
}

SCENARIO("future: it and its waiter are cancelled in one turn, in either order") {
  for (const bool future_first : {true, false}) {
    auto future = new_future();
    auto a = create_task(waiter("a", future));
    co_await sleep(0s);
    const bool first = future_first ? future.cancel("future") : a.cancel("task");
    const bool second = future_first ? a.cancel("task") : future.cancel("future");
    log(first, second);
    const std::string failure = co_await failure_of(a);
    log(failure);
    log(future.cancelled(), a.cancelled(), a.cancelling());
  }
}

SCENARIO("future: a failure that was taken, and a cancellation, do not go to the handler") {
  for (int way = 0; way < 3; ++way) {
    auto future = new_future();
    future.set_exception(Failure("heard"));
    if (way == 0) {
      log(future.exception());
    } else if (way == 1) {
      log(failure_in([&] { future.result(); }));
    } else {
      const std::string failure = co_await failure_of(future);
      log(failure);
    }
  }
  new_future().cancel();
  log("silent");
}
