// Async generators that are destroyed before their end.
#include <coil/async_generator.hpp>

#include <coil/context_var.hpp>
#include <coil/exception_group.hpp>

#include "../support/loop_test.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using coil_test::elapsed;

namespace {

// Writes its end into a log.
class Farewell {
public:
  Farewell(std::string& log, std::string text) : log_(log), text_(std::move(text)) {}
  Farewell(const Farewell&) = delete;
  Farewell& operator=(const Farewell&) = delete;
  ~Farewell() { log_ += text_; }

private:
  std::string& log_;
  std::string text_;
};

// Three values; "NAME exits;" when it is closed, then, a second later, "NAME cleaned;".
coil::AsyncGenerator<int> cleaning(std::string& log, std::string name) {
  std::exception_ptr error;
  try {
    for (int i = 0; i < 3; ++i) co_yield i;
  } catch (const coil::GeneratorExit&) {
    log += name + " exits;";
    error = std::current_exception();
  }
  co_await coil::sleep(1s);
  log += name + " cleaned;";
  if (error) std::rethrow_exception(error);
}

coil::AsyncGenerator<int> failing_to_close() {
  std::exception_ptr error;
  try {
    co_yield 1;
  } catch (...) {
    error = std::current_exception();
  }
  co_await coil::sleep(1s);
  throw std::runtime_error("on purpose");
}

}  // namespace

LOOP_TEST("abandoned generator: what its body holds is destroyed at once, in the destructor") {
  std::string log;
  auto body = [&]() -> coil::AsyncGenerator<int> {
    Farewell outer(log, "outer;");
    co_yield 1;
    Farewell inner(log, "inner;");
    co_yield 2;
  };
  {
    auto generator = body();
    co_await generator.next();
    co_await generator.next();
  }
  CHECK(log == "inner;outer;");
  CHECK(coil::get_running_loop().metrics().tasks == 1);
}

LOOP_TEST("abandoned generator: its cleanup begins at once, and goes on in a task of its own") {
  std::string log;
  {
    auto generator = cleaning(log, "a");
    co_await generator.next();
  }
  CHECK(log == "a exits;");
  CHECK(coil::get_running_loop().metrics().tasks == 2);
  co_await coil::sleep(1s);
  co_await coil::yield();
  CHECK(log == "a exits;a cleaned;");
  CHECK(coil::get_running_loop().metrics().tasks == 1);
}

LOOP_TEST("abandoned generator: what its cleanup throws goes to the exception handler, with where it stood") {
  unsigned line = 0;
  auto body = [&]() -> coil::AsyncGenerator<int> {
    try {
      line = __LINE__ + 1;
      co_yield 1;
    } catch (const coil::GeneratorExit&) {
      throw std::runtime_error("at once");
    }
  };
  {
    auto generator = body();
    co_await generator.next();
  }
  const auto report = reports.take();
  CHECK(report.error == "at once");
  CHECK(report.message.find("asynchronous generator") != std::string::npos);
  CHECK(report.line == line);
  {
    auto generator = failing_to_close();
    co_await generator.next();
  }
  CHECK(reports.size() == 0);
  co_await coil::sleep(2s);
  CHECK(reports.take().error == "on purpose");
}

LOOP_TEST("abandoned generator: while an exception passes, which arrives whole, with its trace") {
  std::string log;
  unsigned failing_at = 0;
  auto abandons = [&]() -> coil::Coro<void> {
    auto a = cleaning(log, "a");
    auto b = cleaning(log, "b");
    co_await a.next();
    co_await b.next();
    failing_at = __LINE__ + 1;
    co_await coil_test::fail_after(1s, "passing");
  };
  std::string said;
  bool traced = false;
  try {
    co_await abandons();
  } catch (const std::runtime_error& error) {
    said = error.what();
    for (const auto& place : coil::exception_trace(std::current_exception()))
      traced = traced || place.line() == failing_at;
  }
  CHECK(said == "passing");
  CHECK(traced);
  CHECK(log == "b exits;a exits;");
  co_await coil::sleep(2s);
  CHECK(log == "b exits;a exits;b cleaned;a cleaned;");
}

LOOP_TEST("abandoned generator: by a task that is cancelled") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    auto generator = cleaning(log, "a");
    while (co_await generator.next() != nullptr) co_await coil::sleep(1h);
  };
  auto task = coil::create_task(work());
  co_await coil::yield();
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "a exits;");
  co_await coil::sleep(2s);
  CHECK(log == "a exits;a cleaned;");
}

LOOP_TEST("abandoned generator: by a callback, and by another generator's end") {
  std::string log;
  auto held = std::make_shared<coil::AsyncGenerator<int>>(cleaning(log, "a"));
  co_await held->next();
  coil::get_running_loop().call_soon([&] { held.reset(); });
  co_await coil::yield();
  CHECK(log == "a exits;");
  auto reader = [](coil::AsyncGenerator<int> inner) -> coil::AsyncGenerator<int> {
    auto here = std::move(inner);
    while (const int* value = co_await here.next()) co_yield *value;
  };
  {
    auto outer = reader(reader(cleaning(log, "b")));
    co_await outer.next();
  }
  CHECK(log == "a exits;b exits;");
  co_await coil::sleep(2s);
  CHECK(log == "a exits;b exits;a cleaned;b cleaned;");
}

LOOP_TEST("abandoned generator: the cleanup runs in the context of who abandoned it, and in no task of his") {
  const coil::ContextVar<int> number("number", 0);
  std::vector<int> seen;
  coil::TaskRef cleaner;
  auto body = [&]() -> coil::AsyncGenerator<int> {
    try {
      co_yield 1;
    } catch (const coil::GeneratorExit&) {
    }
    seen.push_back(number.get());
    number.set(7);
    co_await coil::yield();
    cleaner = coil::current_task();
    seen.push_back(number.get());
  };
  number.set(5);
  {
    auto generator = body();
    co_await generator.next();
  }
  CHECK(number.get() == 5);
  CHECK(coil::current_task() != cleaner);
  co_await coil::yield();
  co_await coil::yield();
  CHECK(seen == std::vector<int>{5, 7});
  CHECK(cleaner.done());
}

LOOP_TEST("abandoned generator: a thousand levels deep are all closed") {
  int alive = 0;
  struct Counted {
    explicit Counted(int& count) : count_(++count) {}
    ~Counted() { --count_; }
    int& count_;
  };
  auto level = [&](auto self, int depth) -> coil::AsyncGenerator<int> {
    Counted counted(alive);
    if (depth == 0) co_yield 0;
    auto below = self(self, depth - 1);
    while (const int* value = co_await below.next()) co_yield *value;
  };
  {
    auto generator = level(level, 1000);
    co_await generator.next();
    CHECK(alive == 1001);
  }
  CHECK(alive == 0);
}

LOOP_TEST("abandoned generator: while its next() is awaited: that gives null, and then it is closed") {
  std::string log;
  auto body = [&]() -> coil::AsyncGenerator<int> {
    Farewell farewell(log, "destroyed;");
    co_await coil::sleep(1s);
    log += "yields;";
    co_yield 1;
    log += "never;";
  };
  std::optional<coil::AsyncGenerator<int>> generator(body());
  auto next = coil::create_task(generator->next());
  co_await coil::yield();
  generator.reset();
  CHECK(log == "");
  const int* nothing = co_await next;
  CHECK(nothing == nullptr);
  CHECK(log == "yields;destroyed;");
}

LOOP_TEST("abandoned generator: while its next() or aclose() is awaited, and the body ends or throws") {
  auto ends = []() -> coil::AsyncGenerator<int> {
    co_await coil::sleep(1s);
    if (elapsed() < 0s) co_yield 1;
  };
  auto throws = []() -> coil::AsyncGenerator<int> {
    co_await coil::sleep(1s);
    throw std::runtime_error("on purpose");
    co_yield 1;
  };
  std::optional<coil::AsyncGenerator<int>> a(ends());
  std::optional<coil::AsyncGenerator<int>> b(throws());
  std::optional<coil::AsyncGenerator<int>> c(failing_to_close());
  co_await c->next();
  auto first = coil::create_task(a->next());
  auto second = coil::create_task(b->next());
  auto third = coil::create_task(c->aclose());
  co_await coil::yield();
  a.reset();
  b.reset();
  c.reset();
  const int* nothing = co_await first;
  CHECK(nothing == nullptr);
  CHECK_AWAIT_FAILS_WITH(second, "on purpose");
  CHECK_AWAIT_FAILS_WITH(third, "on purpose");
}
