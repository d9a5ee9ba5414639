#include <coil/create_task.hpp>

#include "../support/loop_test.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

coil::Coro<int> add(int a, int b) {
  co_await coil::yield();
  co_return a + b;
}

coil::Coro<std::size_t> length_of(const std::string& text) {
  co_await coil::sleep(1s);
  co_return text.size();
}

}  // namespace

LOOP_TEST("create_task: the task starts on a later turn, not at the call") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    log += "started";
    co_return;
  };
  auto task = coil::create_task(work());
  CHECK(log == "");
  CHECK(!task.done());
  co_await coil::yield();
  CHECK(log == "started");
  CHECK(task.done());
}

LOOP_TEST("create_task: tasks start in the order in which they were created") {
  std::string log;
  auto work = [&](char name) -> coil::Coro<void> {
    log += name;
    co_return;
  };
  auto a = coil::create_task(work('a'));
  auto b = coil::create_task(work('b'));
  auto c = coil::create_task(work('c'));
  co_await c;
  CHECK(log == "abc");
}

LOOP_TEST("create_task: tasks run at the same time") {
  auto a = coil::create_task(coil_test::value_after(3s, 1));
  auto b = coil::create_task(coil_test::value_after(3s, 2));
  const int first = co_await a;
  const int second = co_await b;
  CHECK(first + second == 3);
  CHECK(coil_test::elapsed() == 3s);
}

LOOP_TEST("create_task: takes a function and its arguments") {
  auto task = coil::create_task(add, 2, 3);
  const int sum = co_await task;
  CHECK(sum == 5);
}

LOOP_TEST("create_task: copies its arguments and keeps them for as long as the task runs") {
  coil::Task<std::size_t> task;
  {
    std::string text(1000, 'x');
    task = coil::create_task(length_of, text);
    text.clear();
  }
  const std::size_t length = co_await task;
  CHECK(length == 1000);
}

LOOP_TEST("create_task: decays its arguments, so a literal becomes a pointer that is kept") {
  auto task = coil::create_task(length_of, "literal");
  const std::size_t length = co_await task;
  CHECK(length == 7);
}

LOOP_TEST("create_task: passes its arguments on as rvalues, so they may be move-only") {
  auto take = [](std::unique_ptr<int> number) -> coil::Coro<int> {
    co_await coil::yield();
    co_return *number;
  };
  auto task = coil::create_task(take, std::make_unique<int>(4));
  const int value = co_await task;
  CHECK(value == 4);
}

LOOP_TEST("create_task: passes what is wrapped in std::ref by reference") {
  int counter = 0;
  auto count = [](int& target) -> coil::Coro<void> {
    co_await coil::yield();
    ++target;
  };
  auto task = coil::create_task(count, std::ref(counter));
  co_await task;
  CHECK(counter == 1);
}

LOOP_TEST("create_task: takes a member function and its object: a pointer, a std::ref, or a copy") {
  struct Counter {
    int value;
    coil::Coro<int> add(int amount) {
      co_await coil::yield();
      co_return value += amount;
    }
  };
  Counter counter{1};
  auto through_pointer = coil::create_task(&Counter::add, &counter, 1);
  auto through_reference = coil::create_task(&Counter::add, std::ref(counter), 1);
  auto copied = coil::create_task(&Counter::add, counter, 1);
  const auto [first, second, third] = co_await coil::gather(through_pointer, through_reference, copied);
  CHECK(first == 2);
  CHECK(second == 3);
  CHECK(third == 2);
}

LOOP_TEST("create_task: keeps a lambda and its captures alive until the task ends") {
  auto shared = std::make_shared<std::string>("captured");
  std::weak_ptr<std::string> watched = shared;
  auto task = coil::create_task([kept = std::move(shared)]() -> coil::Coro<std::string> {
    co_await coil::sleep(1s);
    co_return *kept;
  });
  CHECK(!watched.expired());
  const std::string text = co_await task;
  CHECK(text == "captured");
  co_await coil::yield();
  CHECK(watched.expired());
}

LOOP_TEST("create_task: a named lambda is copied, so it may end before the task") {
  coil::Task<int> task;
  {
    auto number = std::make_shared<int>(6);
    auto work = [number]() -> coil::Coro<int> {
      co_await coil::sleep(1s);
      co_return *number;
    };
    task = coil::create_task(work);
  }
  const int value = co_await task;
  CHECK(value == 6);
}

LOOP_TEST("create_task: takes any awaitable") {
  auto nap = coil::create_task(coil::sleep(1s));
  auto result = coil::create_task(coil::sleep(2s, 5));
  auto both = coil::create_task(coil::gather(coil_test::value_after(3s, 1), coil_test::value_after(3s, 2)));
  auto timed = coil::create_task(coil::wait_for(coil_test::value_after(1s, 9), 2s));
  co_await nap;
  const int value = co_await result;
  auto [a, b] = co_await both;
  const int other = co_await timed;
  CHECK(value == 5);
  CHECK(a == 1);
  CHECK(b == 2);
  CHECK(other == 9);
  CHECK(coil_test::elapsed() == 3s);
}

LOOP_TEST("create_task: names the task, in both forms") {
  auto of_coroutine = coil::create_task(add(1, 2), {.name = "first"});
  auto of_callable = coil::create_task(coil::TaskOptions{.name = "second"}, add, 1, 2);
  CHECK(of_coroutine.name() == "first");
  CHECK(of_callable.name() == "second");
  const int one = co_await of_coroutine;
  const int two = co_await of_callable;
  CHECK(one == two);
}

TEST_CASE("create_task: outside a loop is a logic_error that says so") {
  coil_test::LeakCheck leaks;
  std::string text;
  try {
    coil::create_task(add(1, 2));
  } catch (const std::logic_error& error) {
    text = error.what();
  }
  CHECK(text.find("no running event loop") != std::string::npos);
  CHECK_THROWS_AS(coil::create_task(add, 1, 2), std::logic_error);
}

LOOP_TEST("create_task: of a moved-from coroutine is a logic_error") {
  auto first = add(1, 2);
  auto second = std::move(first);
  CHECK_THROWS_AS(coil::create_task(std::move(first)), std::logic_error);
  const int value = co_await coil::create_task(std::move(second));
  CHECK(value == 3);
}

LOOP_TEST("create_task: an exception thrown while the arguments are copied is thrown at the call") {
  struct Uncopyable {
    Uncopyable() = default;
    Uncopyable(const Uncopyable&) { throw std::runtime_error("cannot be copied"); }
  };
  auto take = [](const Uncopyable&) -> coil::Coro<void> { co_return; };
  Uncopyable argument;
  CHECK_THROWS_WITH(coil::create_task(take, argument), "cannot be copied");
  co_await coil::yield();
  CHECK(coil::all_tasks().size() == 1);
}

LOOP_TEST("create_task: one hundred thousand tasks end and leave nothing behind") {
  const auto frames = coil::detail::live_frames();
  long long sum = 0;
  auto work = [&](int number) -> coil::Coro<void> {
    co_await coil::yield();
    sum += number;
  };
  for (int i = 0; i < 100'000; ++i) coil::create_task(work(i));
  co_await coil::sleep(1s);
  CHECK(sum == 4'999'950'000);
  CHECK(coil::detail::live_frames() == frames);
  CHECK(coil::get_running_loop().metrics().tasks == 1);
}

LOOP_TEST("create_task: calls a callable when the task starts, with captures or without") {
  static std::string log;
  log.clear();
  static_cast<void>(coil::create_task([] {
    log += "none;";
    return coil::yield();
  }));
  static_cast<void>(coil::create_task([&] {
    log += "captures;";
    return coil::yield();
  }));
  static_cast<void>(coil::create_task({.name = "named"}, [] {
    log += coil::current_task().name() + ";";
    return coil::yield();
  }));
  CHECK(log == "");
  co_await coil::yield();
  CHECK(log == "none;captures;named;");
}

LOOP_TEST("create_task: what a callable throws instead of returning a coroutine ends the task") {
  auto task = coil::create_task([]() -> coil::Coro<void> { throw std::runtime_error("no coroutine"); });
  CHECK_AWAIT_FAILS_WITH(task, "no coroutine");
}

LOOP_TEST("create_task: a callable of a task that is cancelled before it starts is never called") {
  static bool called = false;
  auto task = coil::create_task([] {
    called = true;
    return coil::yield();
  });
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(!called);
}

LOOP_TEST("create_task: gather, wait_for and as_result call a callable without captures when they are awaited") {
  static std::string log;
  log.clear();
  const auto note = [] {
    log += "called;";
    return coil::sleep(1s, 1);
  };
  auto gathered = coil::gather(note, note);
  auto limited = coil::wait_for(note, 1h);
  auto result = coil::as_result(note);
  CHECK(log == "");
  const auto both = co_await std::move(gathered);
  CHECK(log == "called;called;");
  CHECK(std::get<0>(both) + std::get<1>(both) == 2);
  const int in_time = co_await std::move(limited);
  const auto outcome = co_await std::move(result);
  CHECK(log == "called;called;called;called;");
  CHECK(in_time + outcome.value() == 2);
}
