#include <coil/shield.hpp>

#include <coil/call_graph.hpp>

#include "../support/loop_test.hpp"

#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil_test::elapsed;
using coil_test::fail_after;
using coil_test::park;
using coil_test::value_after;

namespace {

coil::Coro<int> shielded(coil::Task<int> task) {
  const int value = co_await coil::shield(task);
  co_return value;
}

}  // namespace

LOOP_TEST("shield: gives the result of the task") {
  auto task = coil::create_task(value_after(1s, 5));
  const int value = co_await coil::shield(task);
  CHECK(value == 5);
  CHECK(elapsed() == 1s);
}

LOOP_TEST("shield: throws what the task throws") {
  auto task = coil::create_task(fail_after(1s, "x"));
  CHECK_AWAIT_FAILS_WITH(coil::shield(task), "x");
  CHECK_AWAIT_FAILS_WITH(coil::shield(task), "x");
}

LOOP_TEST("shield: of a task that is done gives the result without a turn") {
  coil_test::TurnCounter turns;
  auto task = coil::create_task(value_after(0s, 5));
  co_await task;
  const int before = turns.count();
  const int value = co_await coil::shield(task);
  CHECK(value == 5);
  CHECK(turns.count() == before);
}

LOOP_TEST("shield: goes on two turns after the task has ended, as in asyncio") {
  coil_test::TurnCounter turns;
  int ended = 0;
  auto work = [&]() -> coil::Coro<void> {
    co_await coil::yield();
    ended = turns.count();
  };
  auto task = coil::create_task(work());
  co_await coil::shield(task);
  CHECK(turns.count() - ended == 2);
}

LOOP_TEST("shield: cancelled from outside the awaiting task leaves on the next turn, and the shielded one goes on") {
  auto task = coil::create_task(value_after(5s, 7));
  std::string message;
  auto wait = [&]() -> coil::Coro<void> {
    try {
      co_await coil::shield(task);
    } catch (const coil::CancelledError& error) {
      message = error.message();
      throw;
    }
  };
  auto outer = coil::create_task(wait());
  co_await coil::sleep(1s);
  outer.cancel("leave");
  co_await coil::yield();
  CHECK(outer.cancelled());
  CHECK(message == "leave");
  CHECK(task.cancelling() == 0);
  const int value = co_await task;
  CHECK(value == 7);
  CHECK(elapsed() == 5s);
}

LOOP_TEST("shield: the task is cancelled by other means: CancelledError, and the awaiting task is not cancelled") {
  auto task = coil::create_task(value_after(1h, 7));
  coil::get_running_loop().call_later(1s, [&] { task.cancel("by other means"); });
  std::string message;
  try {
    co_await coil::shield(task);
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(message == "by other means");
  CHECK(coil::current_task().cancelling() == 0);
  co_await coil::sleep(1s);
  CHECK(elapsed() == 2s);
}

LOOP_TEST("shield: an exception that comes after the awaiting task has left is reported if nobody holds the task") {
  auto outer = coil::create_task(shielded(coil::create_task(fail_after(5s, "unheard"))));
  co_await coil::sleep(1s);
  outer.cancel();
  CHECK_AWAIT_THROWS(outer, coil::CancelledError);
  CHECK(reports.size() == 0);
  co_await coil::sleep(5s);
  CHECK(reports.take().error == "unheard");
}

LOOP_TEST("shield: an exception that comes after the awaiting task has left is not lost for who holds the task") {
  auto task = coil::create_task(fail_after(5s, "heard"));
  auto outer = coil::create_task(shielded(task));
  co_await coil::sleep(1s);
  outer.cancel();
  CHECK_AWAIT_THROWS(outer, coil::CancelledError);
  co_await coil::sleep(5s);
  CHECK_AWAIT_FAILS_WITH(task, "heard");
}

LOOP_TEST("shield: an exception that comes in the turn in which the awaiting task is cancelled is reported as well") {
  auto fail = [&](coil::Task<int>& outer) -> coil::Coro<int> {
    co_await coil::sleep(1s);
    outer.cancel();
    throw std::runtime_error("unheard");
  };
  for (const bool after : {false, true}) {
    CAPTURE(after);
    coil::Task<int> outer;
    {
      auto task = coil::create_task(after ? fail_after(1s, "unheard") : fail(outer));
      if (after) task.add_done_callback([&] { outer.cancel(); });
      outer = coil::create_task(shielded(task));
    }
    CHECK_AWAIT_THROWS(outer, coil::CancelledError);
    co_await coil::yield();
    CHECK(reports.take().error == "unheard");
  }
}

LOOP_TEST("shield: cancelled when its wake-up is queued it throws, and the result stays with the task") {
  for (int turns_after = 0; turns_after <= 1; ++turns_after) {
    CAPTURE(turns_after);
    auto future = coil::get_running_loop().create_future<std::unique_ptr<int>>();
    auto wait = [&]() -> coil::Coro<void> {
      auto value = co_await coil::shield(future);
      CHECK(false);
    };
    auto outer = coil::create_task(wait());
    co_await coil::yield();
    future.set_result(std::make_unique<int>(3));
    for (int i = 0; i < turns_after; ++i) co_await coil::yield();
    CHECK(outer.cancel());
    co_await coil::yield();
    CHECK(outer.cancelled());
    auto value = co_await future;
    CHECK(*value == 3);
    co_await coil::yield();
  }
}

LOOP_TEST("shield: cancelled twice in one turn is one delivery") {
  auto task = coil::create_task(value_after(5s, 7));
  int deliveries = 0;
  auto wait = [&]() -> coil::Coro<int> {
    for (int i = 0; i < 2; ++i) {
      auto outcome = co_await coil::as_result(coil::shield(task));
      deliveries += outcome.cancelled();
    }
    co_return coil::current_task().cancelling();
  };
  auto outer = coil::create_task(wait());
  co_await coil::yield();
  outer.cancel();
  outer.cancel();
  const int count = co_await outer;
  CHECK(count == 2);
  CHECK(deliveries == 1);
}

LOOP_TEST("shield: cancelled before it begins it throws and leaves the task alone") {
  auto task = coil::create_task(value_after(1s, 7));
  auto wait = [&]() -> coil::Coro<int> {
    coil::current_task().cancel();
    const int value = co_await coil::shield(task);
    co_return value;
  };
  auto outer = coil::create_task(wait());
  CHECK_AWAIT_THROWS(outer, coil::CancelledError);
  CHECK(elapsed() == 0s);
  const int value = co_await task;
  CHECK(value == 7);
}

LOOP_TEST("shield: the other awaiters of the task are not reached by a cancellation") {
  auto task = coil::create_task(value_after(5s, 7));
  auto a = coil::create_task(shielded(task));
  auto b = coil::create_task(shielded(task));
  auto c = coil::create_task(coil::wait_for(coil::shield(task), 1min));
  co_await coil::sleep(1s);
  a.cancel();
  const int of_b = co_await b;
  const int of_c = co_await c;
  CHECK(a.cancelled());
  CHECK(of_b + of_c == 14);
}

LOOP_TEST("shield: shields can be chained, each protects what it is around") {
  auto innermost = coil::create_task(value_after(5s, 7));
  auto middle = coil::create_task(coil::shield(innermost));
  auto outer = coil::create_task(shielded(middle));
  co_await coil::sleep(1s);
  outer.cancel();
  CHECK_AWAIT_THROWS(outer, coil::CancelledError);
  CHECK(!middle.done());
  middle.cancel();
  CHECK_AWAIT_THROWS(middle, coil::CancelledError);
  CHECK(!innermost.done());
  const int value = co_await innermost;
  CHECK(value == 7);
}

LOOP_TEST("shield: an inner cancellation passes out through chained shields") {
  auto innermost = coil::create_task(value_after(5s, 7));
  auto middle = coil::create_task(coil::shield(innermost));
  auto outer = coil::create_task(shielded(middle));
  co_await coil::sleep(1s);
  innermost.cancel();
  CHECK_AWAIT_THROWS(outer, coil::CancelledError);
  CHECK(middle.cancelled());
}

LOOP_TEST("shield: in a wait_for that runs out of time the task survives and can be awaited") {
  auto task = coil::create_task(value_after(5s, 7));
  CHECK_AWAIT_THROWS(coil::wait_for(coil::shield(task), 1s), coil::TimeoutError);
  CHECK(elapsed() == 1s);
  const int value = co_await coil::wait_for(coil::shield(task), 1min);
  CHECK(value == 7);
}

LOOP_TEST("shield: in a wait_for without time it gives what is done already, else the task runs on") {
  auto task = coil::create_task(value_after(1s, 7));
  CHECK_AWAIT_THROWS(coil::wait_for(coil::shield(task), 0s), coil::TimeoutError);
  CHECK(task.cancelling() == 0);
  co_await task;
  const int value = co_await coil::wait_for(coil::shield(task), 0s);
  CHECK(value == 7);
}

LOOP_TEST("shield: in a gather, a failing sibling does not reach the task") {
  auto task = coil::create_task(value_after(5s, 7));
  CHECK_AWAIT_FAILS_WITH(coil::gather(coil::shield(task), fail_after(1s, "x")), "x");
  const int value = co_await task;
  CHECK(value == 7);
}

LOOP_TEST("shield: takes a future, which a cancellation of the awaiting task then does not cancel") {
  auto future = coil::get_running_loop().create_future<void>();
  auto wait = [&]() -> coil::Coro<void> { co_await coil::shield(future); };
  auto a = coil::create_task(wait());
  auto b = coil::create_task(wait());
  co_await coil::yield();
  a.cancel();
  co_await coil::yield();
  CHECK(!future.done());
  future.set_result();
  co_await b;
  CHECK(a.cancelled());
}

LOOP_TEST("shield: keeps the task alive that was passed as a temporary, and moves out a result that cannot be copied") {
  auto make = [&]() -> coil::Coro<std::unique_ptr<int>> {
    co_await coil::sleep(1s);
    co_return std::make_unique<int>(3);
  };
  auto value = co_await coil::shield(coil::create_task(make()));
  CHECK(*value == 3);
  int number = 4;
  auto refer = [&]() -> coil::Coro<int&> {
    co_await coil::yield();
    co_return number;
  };
  int& reference = co_await coil::shield(coil::create_task(refer()));
  CHECK(&reference == &number);
}

LOOP_TEST("shield: of an empty task is a logic_error that names it, of oneself a logic_error") {
  CHECK_THROWS_WITH(static_cast<void>(coil::shield(coil::Task<int>())),
                    "coil: shield() of an empty Task or Future; make one with create_task() or create_future()");
  coil::Task<void> task;
  auto wait = [&]() -> coil::Coro<void> { co_await coil::shield(task); };
  task = coil::create_task(wait());
  CHECK_AWAIT_THROWS(task, std::logic_error);
}

LOOP_TEST("shield: one that is made and not awaited does nothing") {
  auto task = coil::create_task(value_after(1s, 7));
  {
    auto unused = coil::shield(task);
  }
  co_await task;
}

LOOP_TEST("shield: the call graph shows who waits behind it") {
  auto task = coil::create_task(value_after(1s, 7));
  auto outer = coil::create_task(shielded(task));
  co_await coil::yield();
  co_await coil::yield();
  const coil::CallGraph graph = coil::capture_call_graph(task);
  REQUIRE(graph.awaited_by.size() == 1);
  CHECK(graph.awaited_by[0] == coil::TaskRef(outer));
  co_await outer;
}

LOOP_TEST("shield: run cancels the shielded task all the same when main ends") {
  std::string log;
  auto main = [&]() -> coil::Coro<void> {
    auto task = coil::create_task(park(log, "inner"));
    auto outer = coil::create_task(shielded(task));
    co_await coil::yield();
    co_await coil::yield();
  };
  co_await coil::yield();
  co_await main();
  for (const auto& task : coil::all_tasks())
    if (task != coil::current_task()) task.cancel();
  co_await coil::sleep(1s);
  CHECK(log == "inner cancelled;");
}
