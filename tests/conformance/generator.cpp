// The C++ half of generator.py.
#include "scenarios.hpp"

using namespace conformance;

namespace {

using Generator = coil::AsyncGenerator<int>;

Generator tick(std::string name, int times, std::chrono::milliseconds delay) {
  for (int i = 0; i < times; ++i) {
    co_await sleep(delay);
    log(name, "yields", i);
    co_yield i;
  }
}

Generator cleaning(std::string name) {
  std::exception_ptr error;
  try {
    for (int i = 0; i < 3; ++i) co_yield i;
  } catch (const coil::GeneratorExit&) {
    log(name, "exits");
    error = std::current_exception();
  } catch (const coil::CancelledError&) {
    log(name, std::current_exception());
    error = std::current_exception();
  }
  co_await sleep(100ms);
  log(name, "is clean");
  if (error) std::rethrow_exception(error);
}

Generator failing_in_cleanup() {
  try {
    co_yield 1;
  } catch (const coil::GeneratorExit&) {
  }
  co_await sleep(100ms);
  throw Failure("in cleanup");
}

coil::Coro<void> log_next(Generator& generator) {
  const int* value = co_await generator.next();
  if (value == nullptr)
    log("none");
  else
    log(*value);
}

}  // namespace

SCENARIO("generator: values come as they are made, and others run meanwhile") {
  auto other = create_task(steps("other", 4));
  auto ticks = tick("a", 3, 0ms);
  while (const int* i = co_await ticks.next()) log("got", *i);
  co_await other;
}

SCENARIO("generator: values that are ready let nobody else run") {
  auto ready = []() -> Generator {
    for (int i = 0; i < 3; ++i) co_yield i;
  };
  auto other = create_task(steps("other", 2));
  auto values = ready();
  while (const int* i = co_await values.next()) log("got", *i);
  co_await other;
}

SCENARIO("generator: two consumers of two generators take turns") {
  auto consume = [](std::string name) -> coil::Coro<void> {
    auto ticks = tick(name, 3, 0ms);
    while (const int* i = co_await ticks.next()) log(name, "got", *i);
  };
  co_await coil::gather(consume("a"), consume("b"));
}

SCENARIO("generator: the end stays the end") {
  auto ticks = tick("a", 1, 0ms);
  for (int i = 0; i < 3; ++i) co_await log_next(ticks);
}

SCENARIO("generator: a failure, then the end") {
  auto failing = []() -> Generator {
    co_yield 1;
    throw Failure("broken");
  };
  auto generator = failing();
  co_await log_next(generator);
  const std::string failure = co_await failure_of(generator.next());
  log(failure);
  co_await log_next(generator);
}

SCENARIO("generator: aclose waits for the cleanup") {
  auto generator = cleaning("a");
  co_await log_next(generator);
  co_await generator.aclose();
  log("closed");
  co_await log_next(generator);
  co_await generator.aclose();
  log("again");
}

SCENARIO("generator: aclose of one that has not begun") {
  auto generator = cleaning("a");
  co_await generator.aclose();
  co_await log_next(generator);
}

SCENARIO("generator: one that ignores GeneratorExit goes on") {
  auto stubborn = []() -> Generator {
    for (int i = 0; i < 4; ++i) {
      try {
        co_yield i;
      } catch (const coil::GeneratorExit&) {
        log("ignored");
      }
    }
  };
  auto generator = stubborn();
  co_await log_next(generator);
  const std::string failure = co_await failure_of(generator.aclose());
  log(failure);
  for (int i = 0; i < 3; ++i) co_await log_next(generator);
  const std::string nothing = co_await failure_of(generator.aclose());
  log(nothing);
}

SCENARIO("generator: aclose throws what the cleanup throws") {
  auto generator = failing_in_cleanup();
  co_await log_next(generator);
  const std::string failure = co_await failure_of(generator.aclose());
  log(failure);
  co_await log_next(generator);
}

SCENARIO("generator: a second next or aclose while one waits") {
  auto ticks = tick("a", 2, 100ms);
  auto first = [&]() -> coil::Coro<void> {
    const int* value = co_await ticks.next();
    log("first got", *value);
  };
  auto task = create_task(first());
  co_await sleep(0s);
  const std::string next = co_await failure_of(ticks.next());
  log(next);
  const std::string close = co_await failure_of(ticks.aclose());
  log(close);
  co_await task;
  co_await log_next(ticks);
}

SCENARIO("generator: a cancellation while next waits goes through the body, and ends it") {
  auto waiting = []() -> Generator {
    try {
      co_yield 1;
      co_await sleep(1h);
      co_yield 2;
    } catch (const coil::CancelledError&) {
      log("body", std::current_exception());
      throw;
    }
  };
  auto generator = waiting();
  auto consumer = [&]() -> coil::Coro<void> {
    while (const int* i = co_await generator.next()) log("got", *i);
  };
  auto task = create_task(consumer());
  co_await sleep(100ms);
  task.cancel("stop");
  const std::string failure = co_await failure_of(task);
  log(failure);
  co_await log_next(generator);
}

SCENARIO("generator: a body that refuses the cancellation goes on") {
  auto refusing = []() -> Generator {
    try {
      co_await sleep(1h);
    } catch (const coil::CancelledError&) {
      log("refuses", std::current_exception());
    }
    co_yield 1;
    co_yield 2;
  };
  auto consumer = [&]() -> coil::Coro<void> {
    auto generator = refusing();
    while (const int* i = co_await generator.next()) log("got", *i);
  };
  auto task = create_task(consumer());
  co_await sleep(100ms);
  task.cancel();
  const std::string failure = co_await failure_of(task);
  log(failure);
}

SCENARIO("generator: a cancellation in the cleanup of aclose") {
  auto generator = cleaning("a");
  co_await log_next(generator);
  auto task = create_task(generator.aclose());
  co_await sleep(0s);
  task.cancel();
  const std::string failure = co_await failure_of(task);
  log(failure);
}

SCENARIO("generator: abandoned, its cleanup is run by the loop") {
  {
    auto generator = cleaning("a");
    const int* value = co_await generator.next();
    log("got", *value);
  }
  co_await sleep(50ms);
  log("meanwhile");
  co_await sleep(100ms);
  log("afterwards");
}

static Generator kept;

SCENARIO("generator: kept at the end of main, it is closed") {
  kept = cleaning("kept");
  co_await log_next(kept);
  log("main ends");
}

SCENARIO("generator: kept at the end of main, the failure of its cleanup goes to the handler") {
  kept = failing_in_cleanup();
  co_await log_next(kept);
  log("main ends");
}
