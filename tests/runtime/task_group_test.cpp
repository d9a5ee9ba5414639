#include <coil/task_group.hpp>

#include "../support/loop_test.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil_test::elapsed;
using coil_test::park;
using coil_test::value_after;

LOOP_TEST("task_group: waits for all its tasks") {
  int ended = 0;
  auto work = [&](std::chrono::seconds delay) -> coil::Coro<void> {
    co_await coil::sleep(delay);
    ++ended;
  };
  co_await coil::task_group([&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(work(1s));
    group.create_task(work(3s));
    group.create_task(work(2s));
    co_return;
  });
  CHECK(ended == 3);
  CHECK(elapsed() == 3s);
}

LOOP_TEST("task_group: returns what its body returns, after its tasks have ended") {
  const std::string text = co_await coil::task_group([&](coil::TaskGroup& group) -> coil::Coro<std::string> {
    group.create_task(coil::sleep(2s));
    co_await coil::sleep(1s);
    co_return "from the body";
  });
  CHECK(text == "from the body");
  CHECK(elapsed() == 2s);
}

LOOP_TEST("task_group: a move-only result of the body comes through") {
  auto result = co_await coil::task_group([&](coil::TaskGroup& group) -> coil::Coro<std::unique_ptr<int>> {
    group.create_task(coil::sleep(2s));
    co_return std::make_unique<int>(5);
  });
  CHECK(*result == 5);
}

LOOP_TEST("task_group: the results of its tasks can be read after it") {
  coil::Task<int> a;
  coil::Task<int> b;
  co_await coil::task_group([&](coil::TaskGroup& group) -> coil::Coro<void> {
    a = group.create_task(value_after(1s, 1));
    b = group.create_task(value_after(2s, 2));
    co_return;
  });
  CHECK(a.done());
  CHECK(a.result() + b.result() == 3);
}

LOOP_TEST("task_group: without tasks it is just its body") {
  const int value = co_await coil::task_group([&](coil::TaskGroup&) -> coil::Coro<int> {
    co_await coil::sleep(1s);
    co_return 5;
  });
  CHECK(value == 5);
}

LOOP_TEST("task_group: a body may give a reference") {
  int target = 1;
  int& result = co_await coil::task_group([&](coil::TaskGroup&) -> coil::Coro<int&> { co_return target; });
  CHECK(&result == &target);
}

LOOP_TEST("task_group: takes a named body as well") {
  int ended = 0;
  auto work = [&]() -> coil::Coro<void> {
    co_await coil::sleep(1s);
    ++ended;
  };
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(work);
    group.create_task(work());
    co_return;
  };
  co_await coil::task_group(body);
  co_await coil::task_group(body);
  CHECK(ended == 4);
}

LOOP_TEST("task_group: create_task takes a callable with arguments, which live as long as the task") {
  std::vector<std::string> seen;
  auto note = [&](std::string text) -> coil::Coro<void> {
    co_await coil::sleep(1s);
    seen.push_back(text);
  };
  co_await coil::task_group([&](coil::TaskGroup& group) -> coil::Coro<void> {
    std::string text = "a text too long for the small string buffer";
    group.create_task(note, text);
    group.create_task([text, &seen]() -> coil::Coro<void> {
      co_await coil::sleep(2s);
      seen.push_back(text);
    });
    co_return;
  });
  REQUIRE(seen.size() == 2);
  CHECK(seen[0] == "a text too long for the small string buffer");
  CHECK(seen[1] == seen[0]);
}

LOOP_TEST("task_group: create_task names the task") {
  coil::Task<int> task;
  co_await coil::task_group([&](coil::TaskGroup& group) -> coil::Coro<void> {
    task = group.create_task(value_after(1s, 0), {.name = "child 1"});
    co_return;
  });
  CHECK(task.name() == "child 1");
}

LOOP_TEST("task_group: its tasks start in the order in which they were created, on a later turn") {
  std::string log;
  auto work = [&](char name) -> coil::Coro<void> {
    log += name;
    co_return;
  };
  co_await coil::task_group([&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(work('a'));
    group.create_task(work('b'));
    CHECK(log == "");
    co_await coil::yield();
    CHECK(log == "ab");
  });
}

LOOP_TEST("task_group: tasks may add tasks, also while the group only waits for its last ones") {
  int started = 0;
  co_await coil::task_group([&](coil::TaskGroup& group) -> coil::Coro<void> {
    std::function<coil::Coro<void>(int)> grow = [&](int depth) -> coil::Coro<void> {
      ++started;
      co_await coil::sleep(1s);
      if (depth == 0) co_return;
      group.create_task(grow(depth - 1));
      group.create_task(grow(depth - 1));
    };
    group.create_task(grow(3));
    co_await coil::sleep(1min);  // keeps `grow` alive
  });
  CHECK(started == 15);
}

LOOP_TEST("task_group: a task added while the group waits for its last one is waited for") {
  std::string log;
  coil::TaskGroup* entered = nullptr;
  auto late = [&]() -> coil::Coro<void> {
    co_await coil::sleep(5s);
    log += "late";
  };
  auto add = [&]() -> coil::Coro<void> {
    co_await coil::sleep(1s);
    entered->create_task(late());
  };
  co_await coil::task_group([&](coil::TaskGroup& group) -> coil::Coro<void> {
    entered = &group;
    group.create_task(add());
    co_return;
  });
  CHECK(log == "late");
  CHECK(elapsed() == 6s);
}

LOOP_TEST("task_group: create_task after the group was left in failure is a logic_error, and the coroutine is gone") {
  const auto frames = coil::detail::live_frames();
  bool refused = false;
  bool ran = false;
  auto work = [&]() -> coil::Coro<void> {
    ran = true;
    co_return;
  };
  auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(coil_test::fail_after(1s, "x"));
    try {
      co_await coil::sleep(1h);
    } catch (const coil::CancelledError&) {
      try {
        group.create_task(work());
      } catch (const std::logic_error&) {
        refused = true;
      }
      throw;
    }
  };
  CHECK_AWAIT_THROWS(coil::task_group(body), coil::ExceptionGroup);
  CHECK(refused);
  CHECK(!ran);
  co_await coil::yield();
  CHECK(coil::detail::live_frames() == frames);
}

LOOP_TEST("task_group: ended tasks are forgotten at once, so a group may run for ever") {
  co_await coil::task_group([&](coil::TaskGroup& group) -> coil::Coro<void> {
    const auto frames = coil::detail::live_frames();
    for (int i = 0; i < 10'000; ++i) {
      group.create_task(coil::sleep(1s));
      co_await coil::sleep(2s);
    }
    CHECK(coil::detail::live_frames() == frames);
    CHECK(coil::get_running_loop().metrics().tasks == 1);
  });
}

LOOP_TEST("task_group: may be nested") {
  int ended = 0;
  auto work = [&]() -> coil::Coro<void> {
    co_await coil::sleep(1s);
    ++ended;
  };
  co_await coil::task_group([&](coil::TaskGroup& outer) -> coil::Coro<void> {
    outer.create_task(work());
    co_await coil::task_group([&](coil::TaskGroup& inner) -> coil::Coro<void> {
      inner.create_task(work());
      inner.create_task(work());
      outer.create_task(work());
      co_return;
    });
    CHECK(ended >= 3);
  });
  CHECK(ended == 4);
}

LOOP_TEST("task_group: a task of the group may be awaited by the body") {
  const int sum = co_await coil::task_group([&](coil::TaskGroup& group) -> coil::Coro<int> {
    auto a = group.create_task(value_after(1s, 1));
    auto b = group.create_task(value_after(2s, 2));
    const int first = co_await a;
    const int second = co_await b;
    co_return first + second;
  });
  CHECK(sum == 3);
}

LOOP_TEST("task_group: the body runs in the task that awaits the group") {
  const coil::TaskRef outside = coil::current_task();
  coil::TaskRef inside;
  auto look = [&](coil::TaskGroup&) -> coil::Coro<void> {
    inside = coil::current_task();
    co_return;
  };
  co_await coil::task_group(look);
  CHECK(inside == outside);
}

LOOP_TEST("task_group: dropped before it was awaited runs nothing") {
  bool ran = false;
  auto body = [&](coil::TaskGroup&) -> coil::Coro<void> {
    ran = true;
    co_return;
  };
  {
    auto never = coil::task_group(body);
  }
  co_await coil::sleep(1s);
  CHECK(!ran);
}

LOOP_TEST("task_group: ten thousand children") {
  const auto frames = coil::detail::live_frames();
  int ended = 0;
  auto work = [&](int number) -> coil::Coro<void> {
    co_await coil::sleep(std::chrono::milliseconds(number % 10));
    ++ended;
  };
  co_await coil::task_group([&](coil::TaskGroup& group) -> coil::Coro<void> {
    for (int i = 0; i < 10'000; ++i) group.create_task(work(i));
    co_return;
  });
  CHECK(ended == 10'000);
  co_await coil::yield();
  CHECK(coil::detail::live_frames() == frames);
}
