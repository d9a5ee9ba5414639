// aclose() of async generators.
#include <coil/async_generator.hpp>

#include <coil/scope.hpp>

#include "../support/loop_test.hpp"

#include <string>
#include <utility>

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

// Yields on, whatever is asked of it.
coil::AsyncGenerator<int> stubborn(std::string& log) {
  Farewell farewell(log, "destroyed;");
  for (int i = 0;; ++i) {
    try {
      co_yield i;
    } catch (const coil::GeneratorExit&) {
      log += "ignored;";
    }
  }
}

}  // namespace

// ---- aclose() --------------------------------------------------------------------------------------------

LOOP_TEST("aclose: throws GeneratorExit at the co_yield and waits for the cleanup; then there are no values") {
  std::string log;
  auto generator = cleaning(log, "a");
  co_await generator.next();
  co_await generator.aclose();
  CHECK(log == "a exits;a cleaned;");
  CHECK(elapsed() == 1s);
  const int* end = co_await generator.next();
  CHECK(end == nullptr);
}

LOOP_TEST("aclose: a second one does nothing, nor does one at the end or after a failure") {
  std::string log;
  auto generator = cleaning(log, "a");
  co_await generator.next();
  co_await generator.aclose();
  co_await generator.aclose();
  CHECK(log == "a exits;a cleaned;");
  auto finished = cleaning(log, "b");
  while (co_await finished.next() != nullptr) {
  }
  co_await finished.aclose();
  CHECK(log == "a exits;a cleaned;b cleaned;");
}

LOOP_TEST("aclose: of one that has not begun: its body never runs") {
  std::string log;
  auto generator = cleaning(log, "a");
  co_await generator.aclose();
  const int* end = co_await generator.next();
  CHECK(end == nullptr);
  CHECK(log == "");
  CHECK(elapsed() == 0s);
}

LOOP_TEST("aclose: a body that holds nothing that awaits is closed at once, its variables destroyed") {
  std::string log;
  auto body = [&]() -> coil::AsyncGenerator<int> {
    Farewell outer(log, "outer;");
    co_yield 1;
    Farewell inner(log, "inner;");
    co_yield 2;
    co_yield 3;
  };
  coil_test::TurnCounter turns;
  auto generator = body();
  co_await generator.next();
  co_await generator.next();
  co_await generator.aclose();
  CHECK(log == "inner;outer;");
  CHECK(turns.count() == 0);
}

LOOP_TEST("aclose: everyday handlers do not catch GeneratorExit") {
  std::string log;
  auto body = [&]() -> coil::AsyncGenerator<int> {
    try {
      co_yield 1;
    } catch (const std::exception&) {
      log += "caught;";
    }
    log += "went on;";
  };
  auto generator = body();
  co_await generator.next();
  co_await generator.aclose();
  CHECK(log == "");
}

LOOP_TEST("aclose: a body may answer by returning") {
  std::string log;
  auto body = [&]() -> coil::AsyncGenerator<int> {
    try {
      co_yield 1;
    } catch (const coil::GeneratorExit&) {
      log += "exits;";
    }
  };
  auto generator = body();
  co_await generator.next();
  co_await generator.aclose();
  CHECK(log == "exits;");
}

LOOP_TEST("aclose: throws what the cleanup throws; the generator has ended") {
  auto generator = failing_to_close();
  co_await generator.next();
  CHECK_AWAIT_FAILS_WITH(generator.aclose(), "on purpose");
  const int* end = co_await generator.next();
  CHECK(end == nullptr);
  co_await generator.aclose();
}

LOOP_TEST("aclose: of a body that yields on is a logic_error, and the body goes on with that value") {
  std::string log;
  {
    auto generator = stubborn(log);
    co_await generator.next();
    CHECK_AWAIT_FAILS_WITH(generator.aclose(),
                           "coil: the asynchronous generator ignored GeneratorExit: it yielded another value");
    const int* value = co_await generator.next();
    CHECK(*value == 2);
    CHECK(log == "ignored;");
  }
  CHECK(log == "ignored;ignored;destroyed;");
  CHECK(reports.take().error.find("ignored GeneratorExit") != std::string::npos);
}

LOOP_TEST("aclose: next() and aclose() while it runs are a logic_error") {
  std::string log;
  auto generator = cleaning(log, "a");
  co_await generator.next();
  auto closing = coil::create_task(generator.aclose());
  co_await coil::yield();
  CHECK(log == "a exits;");
  CHECK_AWAIT_THROWS(generator.next(), std::logic_error);
  CHECK_AWAIT_THROWS(generator.aclose(), std::logic_error);
  co_await closing;
  CHECK(log == "a exits;a cleaned;");
}

LOOP_TEST("aclose: cancelled, the cancellation is delivered inside the cleanup") {
  std::string log;
  auto body = [&]() -> coil::AsyncGenerator<int> {
    try {
      co_yield 1;
    } catch (const coil::GeneratorExit&) {
    }
    co_await coil_test::park(log, "cleanup");
  };
  auto generator = body();
  co_await generator.next();
  auto closing = coil::create_task(generator.aclose());
  co_await coil::yield();
  closing.cancel();
  CHECK_AWAIT_THROWS(closing, coil::CancelledError);
  CHECK(log == "cleanup cancelled;");
  const int* end = co_await generator.next();
  CHECK(end == nullptr);
}

LOOP_TEST("aclose: a body closes what it reads, in its own cleanup") {
  std::string log;
  auto reader = [&]() -> coil::AsyncGenerator<int> {
    auto inner = cleaning(log, "inner");
    std::exception_ptr error;
    try {
      while (const int* value = co_await inner.next()) co_yield *value;
    } catch (...) {
      error = std::current_exception();
    }
    co_await inner.aclose();
    log += "outer cleaned;";
    if (error) std::rethrow_exception(error);
  };
  auto generator = reader();
  co_await generator.next();
  co_await generator.aclose();
  CHECK(log == "inner exits;inner cleaned;outer cleaned;");
}

LOOP_TEST("aclose: is what coil::with waits for at the end of its body") {
  std::string log;
  auto body = [&](coil::AsyncGenerator<int>& generator) -> coil::Coro<int> {
    const int* value = co_await generator.next();
    co_return *value + 5;
  };
  const int got = co_await coil::with(cleaning(log, "a"), body);
  CHECK(got == 5);
  CHECK(log == "a exits;a cleaned;");
}
