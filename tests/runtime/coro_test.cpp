#include <coil/coro.hpp>

#include "../support/child.hpp"
#include "../support/loop_test.hpp"

#include <stdlib.h>
#include <memory>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;

namespace {

// Notes its own end in a log.
class Noted {
public:
  Noted(std::string& log, std::string name) : log_(log), name_(std::move(name)) {}
  Noted(const Noted&) = delete;
  Noted& operator=(const Noted&) = delete;
  ~Noted() { log_ += "~" + name_; }

private:
  std::string& log_;
  std::string name_;
};

coil::Coro<void> worker() { co_await coil::sleep(1s); }

}  // namespace

TEST_CASE("coro: is move-only") {
  static_assert(!std::is_copy_constructible_v<coil::Coro<int>>);
  static_assert(!std::is_copy_assignable_v<coil::Coro<int>>);
  static_assert(std::is_nothrow_move_constructible_v<coil::Coro<int>>);
  static_assert(std::is_move_assignable_v<coil::Coro<void>>);
}

LOOP_TEST("coro: does not run before it is awaited") {
  std::string log;
  auto child = [&]() -> coil::Coro<int> {
    log += "ran;";
    co_return 1;
  };
  coil::Coro<int> made = child();
  co_await coil::sleep(1s);
  log += "await;";
  const int value = co_await std::move(made);
  CHECK(value == 1);
  CHECK(log == "await;ran;");
}

LOOP_TEST("coro: awaiting it runs it at once, with no trip through the loop") {
  coil_test::TurnCounter turns;
  std::string log;
  auto child = [&]() -> coil::Coro<int> { co_return 1; };
  co_await coil::yield();
  coil::get_running_loop().call_soon([&] { log += "callback;"; });
  const int before = turns.count();
  for (int i = 0; i < 10; ++i) {
    const int value = co_await child();
    CHECK(value == 1);
  }
  CHECK(turns.count() == before);
  CHECK(log == "");
}

LOOP_TEST("coro: gives its result to whoever awaits it, also one that can only be moved") {
  auto child = [&](int number) -> coil::Coro<std::unique_ptr<int>> {
    co_await coil::sleep(1s);
    co_return std::make_unique<int>(number);
  };
  auto result = co_await child(9);
  CHECK(*result == 9);
}

LOOP_TEST("coro: gives a reference to whoever awaits it") {
  std::string text = "text";
  auto child = [&]() -> coil::Coro<std::string&> {
    co_await coil::sleep(1s);
    co_return text;
  };
  std::string& result = co_await child();
  CHECK(&result == &text);
}

LOOP_TEST("coro: an exception thrown inside is thrown at the co_await") {
  CHECK_AWAIT_FAILS_WITH(coil_test::fail_after(1s, "from below"), "from below");
  auto at_once = [&]() -> coil::Coro<void> {
    throw std::runtime_error("before any await");
    co_return;
  };
  CHECK_AWAIT_FAILS_WITH(at_once(), "before any await");
}

LOOP_TEST("coro: an exception unwinds the chain of coroutines from the inside out") {
  std::string log;
  auto inner = [&]() -> coil::Coro<void> {
    Noted noted(log, "inner ");
    co_await coil::sleep(1s);
    throw std::runtime_error("x");
  };
  auto middle = [&]() -> coil::Coro<void> {
    Noted noted(log, "middle ");
    co_await inner();
    log += "never";
  };
  auto outer = [&]() -> coil::Coro<void> {
    Noted noted(log, "outer ");
    co_await middle();
    log += "never";
  };
  CHECK_AWAIT_FAILS_WITH(outer(), "x");
  CHECK(log == "~inner ~middle ~outer ");
}

LOOP_TEST("coro: its locals are gone before the awaiting coroutine goes on") {
  std::string log;
  auto child = [&]() -> coil::Coro<void> {
    Noted noted(log, "local ");
    co_await coil::sleep(1s);
    log += "end of child ";
  };
  co_await child();
  log += "after";
  CHECK(log == "end of child ~local after");
}

LOOP_TEST("coro: keeps its parameters by value for as long as it runs") {
  auto length = [&](std::string text) -> coil::Coro<std::size_t> {
    co_await coil::sleep(1s);
    co_return text.size();
  };
  coil::Coro<std::size_t> made = length(std::string(1000, 'x'));
  const std::size_t size = co_await std::move(made);
  CHECK(size == 1000);
}

LOOP_TEST("coro: awaiting one that was moved from is a logic_error, and the loop goes on") {
  coil::Coro<void> first = worker();
  coil::Coro<void> second = std::move(first);
  CHECK_AWAIT_THROWS(std::move(first), std::logic_error);
  co_await std::move(second);
  CHECK(coil_test::elapsed() == 1s);
}

LOOP_TEST("coro: awaiting it a second time is a logic_error") {
  coil::Coro<void> once = worker();
  co_await std::move(once);
  CHECK_AWAIT_THROWS(std::move(once), std::logic_error);
}

LOOP_TEST("coro: dropped before it was awaited it never runs, and what it was given is destroyed") {
  auto shared = std::make_shared<int>(1);
  std::string log;
  auto child = [&](std::shared_ptr<int> kept) -> coil::Coro<void> {
    log += "ran";
    co_await coil::sleep(*kept * 1s);
  };
  {
    coil::Coro<void> made = child(shared);
    CHECK(shared.use_count() == 2);
  }
  CHECK(shared.use_count() == 1);
  co_await coil::sleep(1s);
  CHECK(log == "");
}

LOOP_TEST("coro: assigning to one that was never awaited drops the old one") {
  auto shared = std::make_shared<int>(1);
  auto child = [&](std::shared_ptr<int> kept) -> coil::Coro<int> {
    co_await coil::yield();
    co_return *kept;
  };
  coil::Coro<int> made = child(shared);
  made = child(std::make_shared<int>(2));
  CHECK(shared.use_count() == 1);
  const int value = co_await std::move(made);
  CHECK(value == 2);
}

LOOP_TEST("coro: in debug mode one that was never awaited is reported with its name, file and line") {
  coil::get_running_loop().set_debug(true);
  {
    coil::Coro<void> forgotten = worker();
  }
  co_await coil::yield();
  const auto report = reports.take();
  CAPTURE(report.message);
  CHECK(report.message.find("was never awaited") != std::string::npos);
  CHECK(report.message.find("worker") != std::string::npos);
  CHECK(report.message.find("coro_test.cpp:") != std::string::npos);
}

TEST_CASE("coro: one that was never awaited is reported outside a loop, too, if the environment says debug") {
  for (const bool debug : {false, true}) {
    const auto child = coil_test::in_child([&] {
      ::setenv("COIL_DEBUG", debug ? "1" : "0", 1);
      const coil::Coro<void> forgotten = worker();
      return 0;
    });
    CAPTURE(child.output);
    CHECK(child.exited_with(0));
    CHECK(child.said("was never awaited") == debug);
    CHECK(child.said("coro_test.cpp:") == debug);
  }
}

LOOP_TEST("coro: outside debug mode one that was never awaited is not reported") {
  coil::get_running_loop().set_debug(false);
  {
    coil::Coro<void> forgotten = worker();
  }
  co_await coil::yield();
  CHECK(reports.size() == 0);
}

LOOP_TEST("coro: one that was awaited, or moved from, is not reported as never awaited") {
  coil::get_running_loop().set_debug(true);
  {
    coil::Coro<void> first = worker();
    coil::Coro<void> second = std::move(first);
    co_await std::move(second);
  }
  co_await coil::yield();
  CHECK(reports.size() == 0);
}

LOOP_TEST("coro: each frame is given back when its coroutine ends") {
  const auto before = coil::detail::live_frames();
  for (int i = 0; i < 1000; ++i) {
    const int value = co_await coil_test::value_after(0s, i);
    CHECK(value == i);
  }
  CHECK(coil::detail::live_frames() == before);
}

LOOP_TEST("coro: a frame of 100 kB works") {
  auto large = [&]() -> coil::Coro<std::size_t> {
    std::vector<char> touched(10, 'x');
    char block[100000];
    block[0] = 'a';
    block[sizeof block - 1] = 'b';
    co_await coil::yield();
    co_return touched.size() + static_cast<std::size_t>(block[sizeof block - 1] - block[0]);
  };
  const std::size_t value = co_await large();
  CHECK(value == 11);
}
