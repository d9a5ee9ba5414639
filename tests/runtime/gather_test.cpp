#include <coil/gather.hpp>

#include <coil/as_completed.hpp>
#include <coil/race.hpp>
#include <coil/wait.hpp>

#include "../support/loop_test.hpp"

#include <array>
#include <list>
#include <memory>
#include <ranges>
#include <string>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using coil_test::elapsed;
using coil_test::value_after;

LOOP_TEST("gather: runs its coroutines at the same time, in the time of the longest") {
  co_await coil::gather(value_after(1s, 1), value_after(3s, 2), value_after(2s, 3));
  CHECK(elapsed() == 3s);
}

LOOP_TEST("gather: gives a tuple of results in the order of the arguments, whichever ends first") {
  auto text = [&]() -> coil::Coro<std::string> {
    co_await coil::sleep(1s);
    co_return "text";
  };
  auto results = co_await coil::gather(value_after(3s, 1), text(), value_after(2s, 3));
  static_assert(std::is_same_v<decltype(results), std::tuple<int, std::string, int>>);
  CHECK(std::get<0>(results) == 1);
  CHECK(std::get<1>(results) == "text");
  CHECK(std::get<2>(results) == 3);
}

LOOP_TEST("gather: a void result is a monostate in the tuple") {
  auto results = co_await coil::gather(coil::sleep(1s), value_after(1s, 4));
  static_assert(std::is_same_v<decltype(results), std::tuple<std::monostate, int>>);
  CHECK(std::get<1>(results) == 4);
}

LOOP_TEST("gather: results may be taken apart by a structured binding, move-only ones too") {
  auto make = [&](int number) -> coil::Coro<std::unique_ptr<int>> {
    co_await coil::sleep(1s);
    co_return std::make_unique<int>(number);
  };
  auto [a, b] = co_await coil::gather(make(1), make(2));
  CHECK(*a + *b == 3);
}

LOOP_TEST("gather: of nothing is an empty tuple, an empty vector, or nothing") {
  auto none = co_await coil::gather();
  static_assert(std::is_same_v<decltype(none), std::tuple<>>);
  auto values = co_await coil::gather(std::vector<coil::Coro<int>>());
  static_assert(std::is_same_v<decltype(values), std::vector<int>>);
  CHECK(values.empty());
  co_await coil::gather(std::vector<coil::Coro<void>>());
  auto outcomes = co_await coil::gather(coil::return_exceptions, std::vector<coil::Coro<int>>());
  CHECK(outcomes.empty());
}

LOOP_TEST("gather: of a vector of coroutines gives a vector of results in the same order") {
  std::vector<coil::Coro<int>> all;
  for (int i = 0; i < 10; ++i) all.push_back(value_after((10 - i) * 1s, i));
  const auto values = co_await coil::gather(std::move(all));
  const std::vector<int> expected{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  CHECK(values == expected);
  CHECK(elapsed() == 10s);
}

LOOP_TEST("gather: of a vector of coroutines without results gives nothing") {
  int ended = 0;
  auto work = [&]() -> coil::Coro<void> {
    co_await coil::sleep(1s);
    ++ended;
  };
  std::vector<coil::Coro<void>> all;
  for (int i = 0; i < 3; ++i) all.push_back(work());
  co_await coil::gather(std::move(all));
  CHECK(ended == 3);
}

LOOP_TEST("gather: takes a vector of tasks and any other range of awaitables") {
  std::vector<coil::Task<int>> tasks;
  for (int i = 0; i < 3; ++i) tasks.push_back(coil::create_task(value_after(1s, i)));
  const auto of_vector = co_await coil::gather(tasks);
  const std::list<coil::Task<int>> list(tasks.begin(), tasks.end());
  const auto of_list = co_await coil::gather(list);
  const std::array<coil::Task<int>, 2> array{tasks[2], tasks[0]};
  const auto of_array = co_await coil::gather(array);
  const std::vector<int> all{0, 1, 2};
  const std::vector<int> two{2, 0};
  CHECK(of_vector == all);
  CHECK(of_list == all);
  CHECK(of_array == two);
}

LOOP_TEST("gather: takes an array, as do wait, race and as_completed") {
  const coil::Task<int> tasks[] = {coil::create_task(value_after(2s, 1)), coil::create_task(value_after(1s, 2))};
  const auto results = co_await coil::gather(tasks);
  CHECK(results == std::vector<int>{1, 2});
  const auto waited = co_await coil::wait(tasks);
  CHECK(waited.done.size() == 2);
  const auto winner = co_await coil::race(tasks);
  CHECK(winner.value() == 1);
  auto ended = coil::as_completed(tasks);
  const auto* first = co_await ended.next();
  CHECK(*first == tasks[0]);
}

LOOP_TEST("gather: takes coroutines, tasks, futures, sleeps and callables in one call") {
  auto task = coil::create_task(value_after(1s, 2));
  auto future = coil::get_running_loop().create_future<int>();
  coil::get_running_loop().call_later(2s, [&] { future.set_result(3); });
  auto call = [&]() -> coil::Coro<int> {
    co_await coil::sleep(1s);
    co_return 5;
  };
  auto [a, b, c, d, e] = co_await coil::gather(value_after(1s, 1), task, future, coil::sleep(1s, 4), call);
  CHECK(a == 1);
  CHECK(b == 2);
  CHECK(c == 3);
  CHECK(d == 4);
  CHECK(e == 5);
}

LOOP_TEST("gather: starts its coroutines when it is awaited, in the order of the arguments") {
  std::string log;
  auto work = [&](char name) -> coil::Coro<void> {
    log += name;
    co_return;
  };
  auto all = coil::gather(work('a'), work('b'), work('c'));
  co_await coil::sleep(1s);
  CHECK(log == "");
  co_await std::move(all);
  CHECK(log == "abc");
}

LOOP_TEST("gather: a task given twice gives its result twice, and runs once") {
  int runs = 0;
  auto work = [&]() -> coil::Coro<int> {
    ++runs;
    co_await coil::sleep(1s);
    co_return 5;
  };
  auto task = coil::create_task(work());
  auto [a, b] = co_await coil::gather(task, task);
  CHECK(a == 5);
  CHECK(b == 5);
  CHECK(runs == 1);
}

LOOP_TEST("gather: of tasks that are done gives their results") {
  auto a = coil::create_task(value_after(0s, 1));
  auto b = coil::create_task(value_after(0s, 2));
  co_await coil::sleep(1s);
  auto [first, second] = co_await coil::gather(a, b);
  CHECK(first == 1);
  CHECK(second == 2);
  CHECK(elapsed() == 1s);
}

LOOP_TEST("gather: of one coroutine is a tuple of one") {
  auto [value] = co_await coil::gather(value_after(1s, 1));
  CHECK(value == 1);
}

LOOP_TEST("gather: can be nested") {
  auto [ab, c] = co_await coil::gather(coil::gather(value_after(1s, 1), value_after(2s, 2)), value_after(3s, 3));
  auto [a, b] = ab;
  CHECK(a + b + c == 6);
  CHECK(elapsed() == 3s);
}

LOOP_TEST("gather: each of its coroutines runs as a task of its own") {
  std::vector<coil::TaskRef> seen;
  auto look = [&]() -> coil::Coro<void> {
    seen.push_back(coil::current_task());
    co_await coil::yield();
  };
  co_await coil::gather(look(), look());
  REQUIRE(seen.size() == 2);
  CHECK(seen[0] != seen[1]);
  CHECK(seen[0] != coil::current_task());
}

LOOP_TEST("gather: with return_exceptions an error is an item like any other, and the others go on") {
  auto [good, bad] = co_await coil::gather(coil::return_exceptions, value_after(2s, 1), coil_test::fail_after(1s, "x"));
  static_assert(std::is_same_v<decltype(good), coil::Outcome<int>>);
  CHECK(good.value() == 1);
  CHECK(!bad.has_value());
  CHECK_THROWS_WITH(bad.value(), "x");
  CHECK(elapsed() == 2s);
}

LOOP_TEST("gather: with return_exceptions a cancelled child is an item as well") {
  auto task = coil::create_task(value_after(1h, 1));
  coil::get_running_loop().call_later(1s, [&] { task.cancel(); });
  auto [cancelled, good] = co_await coil::gather(coil::return_exceptions, task, value_after(2s, 2));
  CHECK(cancelled.cancelled());
  CHECK(good.value() == 2);
}

LOOP_TEST("gather: with return_exceptions a range gives a vector of outcomes") {
  std::vector<coil::Coro<int>> all;
  all.push_back(value_after(1s, 0));
  all.push_back(coil_test::fail_after(1s, "x"));
  all.push_back(value_after(1s, 2));
  const auto outcomes = co_await coil::gather(coil::return_exceptions, std::move(all));
  static_assert(std::is_same_v<decltype(outcomes), const std::vector<coil::Outcome<int>>>);
  REQUIRE(outcomes.size() == 3);
  CHECK(outcomes[0].has_value());
  CHECK(coil_test::text_of(outcomes[1].exception()) == "x");
  CHECK(outcomes[2].has_value());
}

LOOP_TEST("gather: with return_exceptions a void result is an Outcome<void>") {
  auto [outcome] = co_await coil::gather(coil::return_exceptions, coil::sleep(1s));
  static_assert(std::is_same_v<decltype(outcome), coil::Outcome<void>>);
  CHECK(outcome.has_value());
}

LOOP_TEST("gather: dropped before it was awaited runs nothing") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    log += "ran";
    co_return;
  };
  {
    auto never = coil::gather(work(), work());
  }
  co_await coil::sleep(1s);
  CHECK(log == "");
}

LOOP_TEST("gather: one hundred thousand children, and nothing left of them") {
  const auto frames = coil::detail::live_frames();
  std::vector<coil::Coro<int>> all;
  for (int i = 0; i < 100'000; ++i) all.push_back(value_after(1s, i));
  const auto values = co_await coil::gather(std::move(all));
  CHECK(values.size() == 100'000);
  CHECK(values[99'999] == 99'999);
  co_await coil::yield();
  CHECK(coil::detail::live_frames() == frames);
}

LOOP_TEST("gather: takes a view that makes its coroutines on the way") {
  auto make = [](int i) { return value_after(std::chrono::milliseconds(i), i); };
  const auto moved = co_await coil::gather(std::views::iota(0, 3) | std::views::transform(make));
  CHECK(moved == std::vector<int>{0, 1, 2});
  auto view = std::views::iota(3, 6) | std::views::transform(make);
  const auto named = co_await coil::gather(view);
  CHECK(named == std::vector<int>{3, 4, 5});
}
