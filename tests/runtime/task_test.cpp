#include <coil/task.hpp>

#include "../support/loop_test.hpp"

#include <concepts>
#include <memory>
#include <string>

using namespace std::chrono_literals;
using coil_test::fail_after;
using coil_test::value_after;

LOOP_TEST("task: awaiting it gives its result to any number of awaiters, also after it has ended") {
  auto task = coil::create_task(value_after(1s, 5));
  auto wait = [&]() -> coil::Coro<int> {
    const int value = co_await task;
    co_return value;
  };
  auto [a, b] = co_await coil::gather(wait(), wait());
  const int again = co_await task;
  CHECK(a == 5);
  CHECK(b == 5);
  CHECK(again == 5);
}

LOOP_TEST("task: awaiting it copies the result") {
  auto make = [&]() -> coil::Coro<std::string> {
    co_await coil::yield();
    co_return "text";
  };
  auto task = coil::create_task(make());
  std::string first = co_await task;
  first += " changed";
  std::string second = co_await task;
  CHECK(second == "text");
}

LOOP_TEST("task: a move-only result goes to the first await, later ones throw InvalidStateError") {
  auto make = [&]() -> coil::Coro<std::unique_ptr<int>> {
    co_await coil::yield();
    co_return std::make_unique<int>(1);
  };
  auto task = coil::create_task(make());
  std::unique_ptr<int> taken = co_await task;
  CHECK(*taken == 1);
  CHECK_AWAIT_THROWS(task, coil::InvalidStateError);
}

LOOP_TEST("task: result() gives the result in place and never moves it") {
  auto make = [&]() -> coil::Coro<std::unique_ptr<int>> {
    co_await coil::yield();
    co_return std::make_unique<int>(1);
  };
  auto task = coil::create_task(make());
  co_await coil::sleep(1s);
  CHECK(*task.result() == 1);
  CHECK(&task.result() == &task.result());
  CHECK(*task.result() == 1);
}

LOOP_TEST("task: awaiting one that is done does not yield") {
  coil_test::TurnCounter turns;
  auto task = coil::create_task(value_after(0s, 5));
  co_await task;
  const int before = turns.count();
  const int value = co_await task;
  CHECK(value == 5);
  CHECK(turns.count() == before);
}

LOOP_TEST("task: its awaiters are woken in the order in which they came") {
  auto task = coil::create_task(value_after(1s, 0));
  std::string log;
  auto wait = [&](char name) -> coil::Coro<void> {
    co_await task;
    log += name;
  };
  auto a = coil::create_task(wait('a'));
  auto b = coil::create_task(wait('b'));
  auto c = coil::create_task(wait('c'));
  co_await coil::gather(c, b, a);
  CHECK(log == "abc");
}

LOOP_TEST("task: before it is done result() and exception() throw InvalidStateError") {
  auto task = coil::create_task(value_after(1s, 5));
  CHECK(!task.done());
  CHECK_THROWS_WITH_AS(task.result(), "coil: Task::result(): the task is not done yet; co_await it first",
                       coil::InvalidStateError);
  CHECK_THROWS_WITH_AS(task.exception(), "coil: Task::exception(): the task is not done yet; co_await it first",
                       coil::InvalidStateError);
  co_await task;
  CHECK(task.done());
  CHECK(task.result() == 5);
  CHECK(task.exception() == nullptr);
  CHECK(!task.cancelled());
}

LOOP_TEST("task: its exception is thrown at every await and by result(), and given by exception()") {
  auto task = coil::create_task(fail_after(1s, "failed"));
  CHECK_AWAIT_FAILS_WITH(task, "failed");
  CHECK_AWAIT_FAILS_WITH(task, "failed");
  CHECK_THROWS_WITH(task.result(), "failed");
  CHECK(coil_test::text_of(task.exception()) == "failed");
  CHECK(task.done());
  CHECK(!task.cancelled());
}

LOOP_TEST("task: once cancelled result() and exception() throw CancelledError") {
  auto task = coil::create_task(value_after(1s, 5));
  task.cancel();
  co_await coil::sleep(0s);
  co_await coil::sleep(0s);
  CHECK(task.done());
  CHECK(task.cancelled());
  CHECK_THROWS_AS(task.result(), coil::CancelledError);
  CHECK_THROWS_AS(task.exception(), coil::CancelledError);
}

LOOP_TEST("task: its handle is copyable, compares equal to its copies, and is empty by default") {
  coil::Task<int> empty;
  auto task = coil::create_task(value_after(1s, 5));
  auto other = coil::create_task(value_after(1s, 5));
  coil::Task<int> copy = task;
  CHECK(copy == task);
  CHECK(task != other);
  CHECK(task != empty);
  CHECK(empty == coil::Task<int>());
  co_await coil::gather(task, other);
  CHECK(copy.result() == 5);
  CHECK(copy == task);
}

template <class A, class B>
concept Comparable = requires(const A& a, const B& b) {
  { a == b } -> std::same_as<bool>;
  { b != a } -> std::same_as<bool>;
};
static_assert(Comparable<coil::Task<int>, coil::Task<int>>);
static_assert(Comparable<coil::Task<int>, coil::TaskRef>);
static_assert(Comparable<coil::Task<void>, coil::TaskRef>);
static_assert(!Comparable<coil::Task<int>, coil::Task<void>>);
static_assert(!Comparable<coil::Task<int>, coil::Task<long>>);
static_assert(!Comparable<coil::Future<int>, coil::Future<void>>);
static_assert(!Comparable<coil::Task<int>, coil::Future<int>>);

LOOP_TEST("task: compares with a TaskRef, in either order; with a task of another type it does not compile") {
  auto task = coil::create_task(value_after(1s, 5));
  auto other = coil::create_task(value_after(1s, 5));
  const coil::TaskRef ref = task;
  CHECK(task == ref);
  CHECK(ref == task);
  CHECK(other != ref);
  CHECK(ref != other);
  co_await coil::gather(task, other);
}

LOOP_TEST("task: awaiting an empty handle is a logic_error") {
  coil::Task<int> empty;
  CHECK_AWAIT_THROWS(empty, std::logic_error);
}

LOOP_TEST("task: runs on when its handle is dropped, for the loop owns the work") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    co_await coil::sleep(1s);
    log += "done";
  };
  coil::create_task(work());
  co_await coil::sleep(2s);
  CHECK(log == "done");
}

LOOP_TEST("task: a task that awaits itself gets a logic_error and can go on") {
  coil::Task<int> self;
  auto work = [&]() -> coil::Coro<int> {
    CHECK_AWAIT_THROWS(self, std::logic_error);
    co_await coil::sleep(1s);
    co_return 3;
  };
  self = coil::create_task(work());
  const int value = co_await self;
  CHECK(value == 3);
}

LOOP_TEST("task: a result type without default constructor or copy works") {
  struct Port {
    explicit Port(int number) : number_(number) {}
    Port(Port&&) = default;
    int number_;
  };
  auto make = [&]() -> coil::Coro<Port> {
    co_await coil::yield();
    co_return Port(80);
  };
  auto task = coil::create_task(make());
  Port port = co_await task;
  CHECK(port.number_ == 80);
}

LOOP_TEST("task: its result lives as long as a handle, and no longer") {
  auto shared = std::make_shared<int>(1);
  auto give = [&]() -> coil::Coro<std::shared_ptr<int>> {
    co_await coil::yield();
    co_return shared;
  };
  {
    auto task = coil::create_task(give());
    co_await coil::sleep(1s);
    CHECK(shared.use_count() == 2);
  }
  CHECK(shared.use_count() == 1);
}

LOOP_TEST("task: what it was running is gone when it has ended, though its handle lives") {
  auto shared = std::make_shared<int>(1);
  auto work = [](std::shared_ptr<int> kept) -> coil::Coro<int> {
    co_await coil::sleep(1s);
    co_return *kept;
  };
  const auto before = coil::detail::live_frames();
  auto task = coil::create_task(work(shared));
  co_await task;
  co_await coil::yield();
  CHECK(shared.use_count() == 1);
  CHECK(coil::detail::live_frames() == before);
}

LOOP_TEST("task: has the name that it was given, which can be changed") {
  auto task = coil::create_task(value_after(1s, 5), {.name = "worker 7"});
  CHECK(task.name() == "worker 7");
  task.set_name("worker 8");
  CHECK(task.name() == "worker 8");
  co_await task;
  CHECK(task.name() == "worker 8");
}

LOOP_TEST("task: keeps a copy of its name") {
  coil::Task<int> task;
  {
    std::string name = "a name that is too long for any short string buffer";
    task = coil::create_task(value_after(1s, 5), {.name = name});
    name.assign(name.size(), 'x');
  }
  CHECK(task.name() == "a name that is too long for any short string buffer");
  co_await task;
}

LOOP_TEST("task: without a name it has one of its own") {
  auto a = coil::create_task(value_after(1s, 5));
  auto b = coil::create_task(value_after(1s, 5));
  CHECK(a.name() != "");
  CHECK(a.name() != b.name());
  co_await coil::gather(a, b);
}

LOOP_TEST("task: a reference as a result refers to the same object") {
  int number = 1;
  auto give = [&]() -> coil::Coro<int&> {
    co_await coil::yield();
    co_return number;
  };
  auto task = coil::create_task(give());
  int& awaited = co_await task;
  CHECK(&awaited == &number);
  CHECK(&task.result() == &number);
}
