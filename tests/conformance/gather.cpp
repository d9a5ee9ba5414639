// The C++ half of gather.py.
#include "scenarios.hpp"

#include <numeric>

using namespace conformance;

namespace {

/// Numbers and failures of a gather with return_exceptions, as the Python half writes them.
std::vector<std::string> texts_of(const std::vector<coil::Outcome<int>>& outcomes) {
  std::vector<std::string> texts;
  for (const auto& outcome : outcomes)
    texts.push_back(outcome.has_value() ? text_of(outcome.value()) : failure_in(outcome));
  return texts;
}

coil::Coro<int> fail_with_number(std::chrono::milliseconds delay, std::string text) {
  co_await fail(delay, text);
  co_return 0;
}

template <class... T>
std::vector<int> list_of(const std::tuple<T...>& results) {
  return std::apply([](const auto&... each) { return std::vector<int>{each...}; }, results);
}

}  // namespace

SCENARIO("gather: results come in the order of the arguments") {
  const auto results = co_await coil::gather(value(300ms, 1), value(100ms, 2), value(200ms, 3));
  log(list_of(results));
}

SCENARIO("gather: of nothing is an empty list, without a turn") {
  create_task(steps("other", 1));
  co_await coil::gather();
  log(std::vector<int>());
  co_await sleep(0s);
  co_await sleep(0s);
}

SCENARIO("gather: starts its coroutines in the order of the arguments") {
  co_await coil::gather(steps("a", 2), steps("b", 1), steps("c", 2));
  log("gathered");
}

SCENARIO("gather: takes tasks and futures too") {
  coil::Loop& loop = coil::get_running_loop();
  auto future = loop.create_future<int>();
  auto task = create_task(value(200ms, 1));
  loop.call_later(100ms, [future]() mutable { future.set_result(2); });
  const auto results = co_await coil::gather(task, future, value(300ms, 3));
  log(list_of(results));
}

SCENARIO("gather: of tasks that are done does not let others run") {
  auto task = create_task(value(0ms, 1));
  co_await task;
  create_task(steps("other", 1));
  const auto results = co_await coil::gather(task);
  log(list_of(results));
  co_await sleep(0s);
  co_await sleep(0s);
}

SCENARIO("gather: goes on two turns after the last child has ended") {
  auto ticker = []() -> coil::Coro<void> {
    for (int i = 0; i < 5; ++i) {
      log("tick", i);
      co_await sleep(0s);
    }
  };
  auto quick = []() -> coil::Coro<void> {
    log("quick ends");
    co_return;
  };
  create_task(ticker);
  co_await coil::gather(quick());
  log("gathered");
  co_await sleep(0s);
  co_await sleep(0s);
  co_await sleep(0s);
}

SCENARIO("gather: a task's failure comes at once, the other tasks run on") {
  auto other = create_task(value(500ms, 1));
  auto failing = create_task(fail(100ms, "broken"));
  const std::string failure = co_await failure_of(coil::gather(failing, other));
  log(failure);
  log(other.done());
  const int got = co_await other;
  log(got);
}

SCENARIO("gather: the first failure in time is the one") {
  std::vector<coil::Task<void>> tasks;
  tasks.push_back(create_task(fail(300ms, "late")));
  tasks.push_back(create_task(fail(100ms, "early")));
  tasks.push_back(create_task(fail(200ms, "between")));
  const std::string failure = co_await failure_of(coil::gather(tasks));
  log(failure);
  co_await sleep(1s);
  for (const auto& task : tasks) log(task.exception());
}

SCENARIO("gather: a coroutine's failure and its siblings") {
  auto sibling = []() -> coil::Coro<void> {
    try {
      co_await sleep(1s);
      log("sibling finished");
    } catch (const coil::CancelledError&) {
      log("sibling cancelled");
      throw;
    }
  };
  const std::string failure = co_await failure_of(coil::gather(fail(100ms, "broken"), sibling()));
  log(failure);
  co_await sleep(2s);
}

SCENARIO("gather: failures as results") {
  std::vector<coil::Coro<int>> all;
  all.push_back(value(100ms, 1));
  all.push_back(fail_with_number(200ms, "two"));
  all.push_back(value(300ms, 3));
  const auto outcomes = co_await coil::gather(coil::return_exceptions, std::move(all));
  log(texts_of(outcomes));
}

SCENARIO("gather: a cancelled child is a failure too") {
  auto child = create_task(park("child"));
  auto other = create_task(value(1s, 1));
  coil::get_running_loop().call_later(100ms, [child] { child.cancel(); });
  const std::string failure = co_await failure_of(coil::gather(child, other));
  log(failure);
  const int got = co_await other;
  log(got);
}

SCENARIO("gather: cancelling it cancels all its children") {
  auto task = create_task(value(10s, 1));
  auto body = [&]() -> coil::Coro<void> { co_await coil::gather(park("a"), park("b"), task); };
  auto gathering = create_task(body);
  co_await sleep(100ms);
  gathering.cancel();
  const std::string failure = co_await failure_of(gathering);
  log(failure);
  log(task.cancelled());
}

SCENARIO("gather: cancelling it waits for the children's cleanup") {
  auto slow = []() -> coil::Coro<void> {
    auto outcome = co_await coil::as_result(sleep(1h));
    co_await sleep(1s);
    log("slow is clean");
    outcome.value();
  };
  auto body = [&]() -> coil::Coro<void> { co_await coil::gather(slow(), park("b")); };
  auto gathering = create_task(body);
  co_await sleep(100ms);
  gathering.cancel();
  const std::string failure = co_await failure_of(gathering);
  log(failure);
  co_await sleep(2s);
}

SCENARIO("gather: cancelled, with children that refuse") {
  auto body = []() -> coil::Coro<void> {
    const auto results = co_await coil::gather(stubborn("a", 1), stubborn("b", 1));
    log(std::vector<std::string>{std::get<0>(results), std::get<1>(results)});
  };
  auto gathering = create_task(body);
  co_await sleep(100ms);
  gathering.cancel();
  const std::string failure = co_await failure_of(gathering);
  log(failure, gathering.cancelled());
}

SCENARIO("gather: of the same task twice gives its result twice") {
  auto task = create_task(value(100ms, 7));
  const auto results = co_await coil::gather(task, task);
  log(list_of(results));
}

SCENARIO("gather: nested") {
  auto pair = [](int a, int b) -> coil::Coro<int> {
    const auto parts = co_await coil::gather(value(100ms, a), value(200ms, b));
    co_return std::get<0>(parts) + std::get<1>(parts);
  };
  const auto sums = co_await coil::gather(pair(1, 2), pair(3, 4));
  log(list_of(sums));
}

SCENARIO("gather: failures as results, cancelled children among them") {
  auto cancelled = create_task(value(1s, 1));
  coil::get_running_loop().call_later(100ms, [cancelled] { cancelled.cancel(); });
  std::vector<coil::Task<int>> all{cancelled};
  all.push_back(create_task(fail_with_number(200ms, "two")));
  all.push_back(create_task(value(300ms, 3)));
  const auto outcomes = co_await coil::gather(coil::return_exceptions, all);
  log(texts_of(outcomes));
}

SCENARIO("gather: failures as results: cancelling it is none") {
  auto body = []() -> coil::Coro<void> {
    co_await coil::gather(coil::return_exceptions, value(1s, 1));
    log("never");
  };
  auto task = create_task(body);
  co_await sleep(100ms);
  task.cancel("enough");
  const std::string failure = co_await failure_of(task);
  log(failure);
}

SCENARIO("gather: cancelled on the turn in which its children end, or one later") {
  for (int turns = 0; turns <= 1; ++turns) {
    auto future = coil::get_running_loop().create_future<int>();
    auto body = [&]() -> coil::Coro<void> {
      const auto outcome = co_await coil::as_result(coil::gather(future));
      log("body ends");
      static_cast<void>(outcome.value());
    };
    auto task = create_task(body);
    co_await sleep(100ms);
    future.set_result(1);
    for (int i = 0; i < turns; ++i) co_await sleep(0s);
    log("asked", task.cancel());
    for (int i = 0; i < 3; ++i) {
      co_await sleep(0s);
      log("turn", i, task.done());
    }
    const std::string failure = co_await failure_of(task);
    log(failure);
  }
}
