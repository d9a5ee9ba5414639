#include <coil/race.hpp>

#include <coil/call_graph.hpp>
#include <coil/shield.hpp>

#include "../support/loop_test.hpp"

#include <array>
#include <list>
#include <memory>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using coil_test::elapsed;
using coil_test::park;
using coil_test::park_and_clean;
using coil_test::value_after;

namespace {

coil::Coro<std::string> text_after(std::chrono::nanoseconds delay, std::string text) {
  co_await coil::sleep(delay);
  co_return text;
}

coil::Coro<std::unique_ptr<int>> pointer_after(std::chrono::nanoseconds delay, int value) {
  co_await coil::sleep(delay);
  co_return std::make_unique<int>(value);
}

}  // namespace

LOOP_TEST("race: the first to finish wins") {
  const auto result = co_await coil::race(value_after(2s, 1), text_after(1s, "won"), value_after(3s, 3));
  static_assert(std::is_same_v<decltype(result), const coil::RaceResult<int, std::string, int>>);
  CHECK(result.index() == 1);
  CHECK(result.get<1>() == "won");
  CHECK(elapsed() == 1s);
}

LOOP_TEST("race: the losers are cancelled and waited for") {
  std::string log;
  const auto result = co_await coil::race(park_and_clean(log, "a", 1min), value_after(1s, 5), park(log, "c"));
  CHECK(log == "a cancelled;c cancelled;a cleaned;");
  CHECK(elapsed() == 1min + 1s);
  CHECK(result.index() == 1);
  CHECK(result.value() == 5);
}

LOOP_TEST("race: value() is the winner's result if all have the same type") {
  for (int winner = 0; winner < 3; ++winner) {
    std::chrono::seconds delays[3] = {5s, 5s, 5s};
    delays[winner] = 1s;
    auto result =
        co_await coil::race(value_after(delays[0], 10), value_after(delays[1], 11), value_after(delays[2], 12));
    CHECK(result.index() == static_cast<std::size_t>(winner));
    CHECK(result.value() == 10 + winner);
    result.value() = 20;
    CHECK(std::as_const(result).value() == 20);
    CHECK(std::move(result).value() == 20);
  }
}

template <class R>
concept HasValue = requires(R& result) { result.value(); };
static_assert(HasValue<coil::RaceResult<int>>);
static_assert(HasValue<coil::RaceResult<void, void>>);
static_assert(!HasValue<coil::RaceResult<int, long>>);
static_assert(!HasValue<coil::RaceResult<void, int>>);

LOOP_TEST("race: void is std::monostate") {
  auto mixed = co_await coil::race(coil::sleep(1s), value_after(2s, 4));
  static_assert(std::is_same_v<decltype(mixed.get<0>()), std::monostate&>);
  CHECK(mixed.index() == 0);
  CHECK(mixed.get<0>() == std::monostate());
  const auto both = co_await coil::race(coil::sleep(2s), coil::sleep(1s));
  CHECK(both.index() == 1);
  CHECK(both.value() == std::monostate());
}

LOOP_TEST("race: the result of a loser is a logic_error") {
  const auto result = co_await coil::race(value_after(1s, 1), value_after(2s, 2));
  CHECK(result.has<0>());
  CHECK(!result.has<1>());
  CHECK_THROWS_AS(result.get<1>(), std::logic_error);
}

LOOP_TEST("race: results that cannot be copied are moved out") {
  auto result = co_await coil::race(pointer_after(2s, 1), pointer_after(1s, 2));
  CHECK(*result.value() == 2);
  std::unique_ptr<int> taken = std::move(result).get<1>();
  CHECK(*taken == 2);
  std::unique_ptr<int> at_once = (co_await coil::race(pointer_after(1s, 3), coil::sleep(2s))).get<0>();
  CHECK(*at_once == 3);
}

LOOP_TEST("race: results may be references") {
  int number = 4;
  auto refer = [&](std::chrono::seconds delay) -> coil::Coro<int&> {
    co_await coil::sleep(delay);
    co_return number;
  };
  const auto result = co_await coil::race(refer(1s), refer(2s));
  CHECK(&result.get<0>() == &number);
  CHECK(&result.value() == &number);
}

LOOP_TEST("race: of two that finish in the same turn the first in time wins") {
  auto work = [](int value) -> coil::Coro<int> { co_return value; };
  auto later = [](int value) -> coil::Coro<int> {
    co_await coil::yield();
    co_return value;
  };
  const auto first = co_await coil::race(work(1), work(2));
  CHECK(first.index() == 0);
  const auto second = co_await coil::race(later(1), work(2), work(3));
  CHECK(second.index() == 1);
  const auto third = co_await coil::race(value_after(1s, 1), value_after(1s, 2));
  CHECK(third.index() == 0);
}

LOOP_TEST("race: a loser that would finish in the same turn is cancelled at its wait, its future keeps the value") {
  auto& loop = coil::get_running_loop();
  auto a = loop.create_future<int>();
  auto b = loop.create_future<int>();
  std::string log;
  auto wait = [&](coil::Future<int> future, char name) -> coil::Coro<int> {
    const auto outcome = co_await coil::as_result(std::move(future));
    log += name + std::string(outcome.cancelled() ? " cancelled;" : " got it;");
    co_return std::move(outcome).value();
  };
  loop.call_later(1s, [=] {
    b.set_result(2);
    a.set_result(1);
  });
  const auto result = co_await coil::race(wait(a, 'a'), wait(b, 'b'));
  CHECK(result.index() == 1);
  CHECK(log == "b got it;a cancelled;");
  CHECK(a.result() == 1);
}

LOOP_TEST("race: never cancels a loser inside the call that sets the winner") {
  auto& loop = coil::get_running_loop();
  auto a = loop.create_future<int>();
  auto b = loop.create_future<int>();
  auto c = loop.create_future<int>();
  loop.call_later(1s, [=] {
    b.set_result(2);
    CHECK(!c.done());
    CHECK_NOTHROW(a.set_result(1));
  });
  const auto result = co_await coil::race(a, b, c);
  CHECK(result.index() == 1);
  CHECK(a.result() == 1);
  CHECK(c.cancelled());
}

LOOP_TEST("race: starts its coroutines when it is awaited, in the order of the arguments") {
  std::string log;
  auto work = [&](char name) -> coil::Coro<void> {
    log += name;
    co_await coil::sleep(1s);
  };
  auto race = coil::race(work('a'), work('b'), work('c'));
  co_await coil::yield();
  co_await coil::yield();
  CHECK(log == "");
  co_await std::move(race);
  CHECK(log == "abc");
}

LOOP_TEST("race: with one that is done already, the coroutines beside it never start") {
  auto done = coil::create_task(value_after(0s, 4));
  co_await done;
  bool started = false;
  auto work = [&]() -> coil::Coro<int> {
    started = true;
    co_return 1;
  };
  const auto result = co_await coil::race(work(), done, work());
  CHECK(result.index() == 1);
  CHECK(result.value() == 4);
  CHECK(!started);
}

LOOP_TEST("race: of several that are done before, the first in the order of the arguments wins") {
  auto& loop = coil::get_running_loop();
  auto a = loop.create_future<int>();
  auto b = loop.create_future<int>();
  auto pending = loop.create_future<int>();
  b.set_result(2);
  a.set_result(1);
  const auto result = co_await coil::race(pending, a, b);
  CHECK(result.index() == 1);
  CHECK(pending.cancelled());
  CHECK(b.result() == 2);
}

LOOP_TEST(
    "race: takes tasks, futures, callables and other operations, and cancels those that lose, whatever they are") {
  std::string log;
  auto& loop = coil::get_running_loop();
  auto task = coil::create_task(park_and_clean(log, "task", 1s));
  auto future = loop.create_future<std::string>();
  auto call = [&]() -> coil::Coro<int> {
    const int value = co_await park(log, "callable");
    co_return value;
  };
  const auto result = co_await coil::race(task, future, call, coil::sleep(1s), coil::shield(task));
  CHECK(result.index() == 3);
  CHECK(task.cancelled());
  CHECK(future.cancelled());
  CHECK(log == "task cancelled;callable cancelled;task cleaned;");
}

LOOP_TEST("race: a task that wins keeps its result for its other awaiters") {
  auto task = coil::create_task(text_after(1s, "mine"));
  const auto result = co_await coil::race(task, coil::sleep(2s));
  CHECK(result.get<0>() == "mine");
  CHECK(task.result() == "mine");
}

LOOP_TEST("race: of nothing is std::invalid_argument") {
  CHECK_AWAIT_THROWS(coil::race(), std::invalid_argument);
  CHECK_AWAIT_THROWS(coil::race(std::vector<coil::Coro<int>>()), std::invalid_argument);
  CHECK_AWAIT_THROWS(coil::race(std::vector<coil::Task<void>>()), std::invalid_argument);
}

LOOP_TEST("race: of one gives its result") {
  const auto one = co_await coil::race(value_after(1s, 3));
  CHECK(one.index() == 0);
  CHECK(one.value() == 3);
}

LOOP_TEST("race: of a range gives index() and value()") {
  std::vector<coil::Coro<int>> all;
  for (int i = 0; i < 10; ++i) all.push_back(value_after(i == 7 ? 1s : 5s, i));
  auto result = co_await coil::race(std::move(all));
  static_assert(std::is_same_v<decltype(result), coil::RangeRaceResult<int>>);
  CHECK(result.index() == 7);
  CHECK(result.value() == 7);
  CHECK(result.size() == 10);
  CHECK(result.get(7) == 7);
  CHECK(result.has(7));
  CHECK(!result.has(3));
  CHECK_THROWS_AS(result.get(3), std::logic_error);
  CHECK_THROWS_AS(result.get(10), std::out_of_range);
  CHECK(elapsed() == 1s);
}

LOOP_TEST("race: of a range of tasks, of void, of results that cannot be copied, of any kind of range") {
  std::vector<coil::Task<int>> tasks{coil::create_task(value_after(2s, 1)), coil::create_task(value_after(1s, 2))};
  const auto of_tasks = co_await coil::race(tasks);
  CHECK(of_tasks.value() == 2);
  CHECK(tasks[0].cancelled());
  std::list<coil::Coro<void>> naps;
  naps.push_back([]() -> coil::Coro<void> { co_await coil::sleep(1s); }());
  naps.push_back([]() -> coil::Coro<void> { co_await coil::sleep(500ms); }());
  const auto of_void = co_await coil::race(std::move(naps));
  CHECK(of_void.index() == 1);
  CHECK(of_void.value() == std::monostate());
  std::vector<coil::Coro<std::unique_ptr<int>>> pointers;
  pointers.push_back(pointer_after(1s, 6));
  auto of_pointers = co_await coil::race(std::move(pointers));
  std::unique_ptr<int> taken = std::move(of_pointers).value();
  CHECK(*taken == 6);
}

LOOP_TEST("race: the same task twice wins or loses as one") {
  auto quick = coil::create_task(value_after(1s, 1));
  auto slow = coil::create_task(value_after(2s, 2));
  const auto result = co_await coil::race(slow, quick, slow, quick);
  CHECK(result.index() == 1);
  CHECK(slow.cancelled());
}

LOOP_TEST("race: races can be nested, and raced with gather and wait_for") {
  std::string log;
  const auto result =
      co_await coil::race(coil::race(park(log, "a"), value_after(2s, 2)),
                          coil::gather(value_after(5s, 3), park(log, "c")), coil::wait_for(park(log, "d"), 1h));
  CHECK(result.index() == 0);
  CHECK(result.get<0>().value() == 2);
  CHECK(log == "a cancelled;c cancelled;d cancelled;");
}

LOOP_TEST("race: keeps the callables that are passed to it") {
  const auto make = [] {
    const auto work = [shared = std::make_shared<int>(6)]() -> coil::Coro<int> {
      co_await coil::sleep(1s);
      co_return *shared;
    };
    return coil::race(work, work);
  };
  const auto result = co_await make();
  CHECK(result.value() == 6);
}

LOOP_TEST("race: of an empty task is a logic_error that names it, of oneself a logic_error") {
  CHECK_AWAIT_FAILS_WITH(coil::race(coil::Task<int>(), coil::sleep(1s)),
                         "coil: race() of an empty Task or Future; make one with create_task() or create_future()");
  coil::Task<void> task;
  auto work = [&]() -> coil::Coro<void> { co_await coil::race(coil::sleep(1s), task); };
  task = coil::create_task(work());
  CHECK_AWAIT_THROWS(task, std::logic_error);
  CHECK(elapsed() == 0s);
}

LOOP_TEST("race: the call graph shows who waits for the participants") {
  auto a = coil::create_task(value_after(1s, 7));
  auto b = coil::create_task(value_after(2s, 7));
  auto work = [&]() -> coil::Coro<void> { co_await coil::race(a, b); };
  auto racing = coil::create_task(work());
  co_await coil::yield();
  co_await coil::yield();
  for (const auto& each : {a, b}) {
    const coil::CallGraph graph = coil::capture_call_graph(each);
    REQUIRE(graph.awaited_by.size() == 1);
    CHECK(graph.awaited_by[0] == coil::TaskRef(racing));
  }
  co_await racing;
}

LOOP_TEST("race: of a thousand ends with the first, and leaves nothing") {
  std::vector<coil::Coro<int>> all;
  for (int i = 0; i < 1000; ++i) all.push_back(value_after(std::chrono::seconds(1000 - i), i));
  const auto result = co_await coil::race(std::move(all));
  CHECK(result.index() == 999);
  CHECK(elapsed() == 1s);
  CHECK(coil::get_running_loop().metrics().tasks == 1);
  CHECK(coil::get_running_loop().metrics().timers == 0);
}
