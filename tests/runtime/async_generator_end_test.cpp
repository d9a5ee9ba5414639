// Generators at the end of run: as asyncio's shutdown_asyncgens, nothing is left open.
#include <coil/async_generator.hpp>

#include "../support/loop_test.hpp"

#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using coil_test::virtual_time;
using Generator = coil::AsyncGenerator<int>;

namespace {

// Three values; "NAME exits;" when it is closed, then, a second later, "NAME cleaned;".
Generator cleaning(std::string& log, std::string name) {
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

}  // namespace

TEST_CASE("run: a generator that main abandons at its end is closed, and its cleanup awaited") {
  coil_test::LeakCheck leaks;
  std::string log;
  auto main = [&]() -> coil::Coro<int> {
    auto generator = cleaning(log, "a");
    co_await generator.next();
    co_return 5;
  };
  CHECK(coil::run(main, virtual_time) == 5);
  CHECK(log == "a exits;a cleaned;");
}

TEST_CASE("run: generators that are kept beyond it are closed in the order of their beginning, then have no values") {
  coil_test::LeakCheck leaks;
  std::string log;
  std::vector<Generator> kept;
  auto main = [&]() -> coil::Coro<void> {
    for (const char* name : {"a", "b", "c", "never begun"}) kept.push_back(cleaning(log, name));
    for (std::size_t i = 0; i < 3; ++i) co_await kept[i].next();
    log += "main ends;";
  };
  coil::run(main, virtual_time);
  CHECK(log == "main ends;a exits;b exits;c exits;a cleaned;b cleaned;c cleaned;");
  auto next = [&]() -> coil::Coro<int> {
    const int* value = co_await kept[1].next();
    co_return value == nullptr ? -1 : *value;
  };
  CHECK(coil::run(next, virtual_time) == -1);
}

TEST_CASE("run: the tasks are ended first, then generators are closed, also those that the tasks leave") {
  coil_test::LeakCheck leaks;
  std::string log;
  Generator kept = cleaning(log, "kept");
  auto work = [&]() -> coil::Coro<void> {
    auto own = cleaning(log, "own");
    co_await own.next();
    co_await coil_test::park_and_clean(log, "task", 5s);
  };
  auto main = [&]() -> coil::Coro<void> {
    co_await kept.next();
    coil::create_task(work());
    co_await coil::yield();
  };
  coil::run(main, virtual_time);
  CHECK(log == "task cancelled;task cleaned;own exits;own cleaned;kept exits;kept cleaned;");
}

TEST_CASE("run: the cleanup of generators is not cancelled, nor what it starts once all tasks have ended") {
  coil_test::LeakCheck leaks;
  std::string log;
  auto body = [&]() -> Generator {
    try {
      co_yield 1;
    } catch (const coil::GeneratorExit&) {
    }
    co_await coil::gather(coil_test::value_after(1s, 1), coil_test::value_after(2s, 2));
    co_await coil::wait_for(coil::sleep(1s), 5s);
    log += "cleaned;";
  };
  Generator kept = body();
  auto abandons_early = [&]() -> coil::Coro<void> {
    auto early = cleaning(log, "early");
    co_await early.next();
  };
  auto main = [&]() -> coil::Coro<void> {
    co_await kept.next();
    co_await abandons_early();
    co_await coil::sleep(500ms);
  };
  coil::run(main, virtual_time);
  CHECK(log == "early exits;early cleaned;cleaned;");
}

TEST_CASE("run: what the cleanup of generators throws goes to the exception handler, and main's result stands") {
  coil_test::LeakCheck leaks;
  coil_test::Reports reports;
  auto body = [](std::string text) -> Generator {
    try {
      co_yield 1;
    } catch (const coil::GeneratorExit&) {
    }
    co_await coil::sleep(1s);
    throw std::runtime_error(text);
  };
  auto yields_on = []() -> Generator {
    for (;;) {
      try {
        co_yield 1;
      } catch (const coil::GeneratorExit&) {
      }
    }
  };
  Generator kept = body("kept");
  Generator stubborn = yields_on();
  auto main = [&]() -> coil::Coro<int> {
    reports.collect_from(coil::get_running_loop());
    auto own = body("own");
    co_await own.next();
    co_await kept.next();
    co_await stubborn.next();
    co_return 5;
  };
  CHECK(coil::run(main, virtual_time) == 5);
  CHECK(reports.take().error == "own");
  CHECK(reports.take().error.find("ignored GeneratorExit") != std::string::npos);
  CHECK(reports.take().error == "kept");
}

TEST_CASE("run: a generator that another one's cleanup begins, or reads, is closed as well") {
  coil_test::LeakCheck leaks;
  std::string log;
  Generator late = cleaning(log, "late");
  Generator shared = cleaning(log, "shared");
  auto body = [&]() -> Generator {
    try {
      co_yield 1;
    } catch (const coil::GeneratorExit&) {
    }
    co_await late.next();
    auto slow = [&]() -> Generator {
      co_await coil::sleep(3s);
      co_yield 1;
    };
    auto reading = slow();
    co_await reading.next();
    log += "cleaned;";
  };
  Generator kept = body();
  auto main = [&]() -> coil::Coro<void> {
    co_await kept.next();
    co_await shared.next();
  };
  coil::run(main, virtual_time);
  CHECK(log == "shared exits;late exits;shared cleaned;late cleaned;cleaned;");
}

TEST_CASE("run: closing one generator may destroy others that were kept") {
  coil_test::LeakCheck leaks;
  std::string log;
  std::vector<Generator> kept;
  struct DropsAll {
    std::vector<Generator>& all;
    ~DropsAll() {
      while (all.size() > 1) all.pop_back();
    }
  };
  auto dropping = [&]() -> Generator {
    DropsAll drops{kept};
    co_yield 1;
  };
  auto main = [&]() -> coil::Coro<void> {
    kept.push_back(dropping());
    for (const char* name : {"a", "b"}) kept.push_back(cleaning(log, name));
    for (auto& generator : kept) co_await generator.next();
  };
  coil::run(main, virtual_time);
  CHECK(log == "b exits;a exits;b cleaned;a cleaned;");
}

TEST_CASE("run: a handle that is destroyed while the loop closes its generator leaves nothing") {
  coil_test::LeakCheck leaks;
  std::string log;
  std::vector<Generator> kept;
  auto drop_first = [&]() -> Generator {
    try {
      co_yield 1;
    } catch (const coil::GeneratorExit&) {
    }
    kept.erase(kept.begin());
  };
  auto main = [&]() -> coil::Coro<void> {
    kept.push_back(cleaning(log, "a"));
    kept.push_back(drop_first());
    for (auto& generator : kept) co_await generator.next();
  };
  coil::run(main, virtual_time);
  CHECK(kept.size() == 1);
  CHECK(log == "a exits;a cleaned;");
}

TEST_CASE("Runner: generators go on from run to run, and are closed with it") {
  coil_test::LeakCheck leaks;
  std::string log;
  coil::Runner runner(virtual_time);
  Generator kept = cleaning(log, "kept");
  auto next = [&]() -> coil::Coro<int> {
    const int* value = co_await kept.next();
    co_return *value;
  };
  CHECK(runner.run(next) == 0);
  CHECK(runner.run(next) == 1);
  CHECK(log == "");
  runner.close();
  CHECK(log == "kept exits;kept cleaned;");
}

TEST_CASE("Runner: a generator that is abandoned between two runs is closed in the next one, or with the Runner") {
  coil_test::LeakCheck leaks;
  std::string log;
  coil::Runner runner(virtual_time);
  auto abandon_outside = [&](std::string name) {
    Generator generator = cleaning(log, name);
    auto next = [&]() -> coil::Coro<void> { co_await generator.next(); };
    runner.run(next);
  };
  auto wait = []() -> coil::Coro<void> { co_await coil::sleep(2s); };
  abandon_outside("a");
  CHECK(log == "");
  runner.run(wait);
  CHECK(log == "a exits;a cleaned;");
  abandon_outside("b");
  runner.close();
  CHECK(log == "a exits;a cleaned;b exits;b cleaned;");
}

TEST_CASE("Runner: a generator whose closing is cancelled before it begins is destroyed") {
  coil_test::LeakCheck leaks;
  std::string log;
  coil::Runner runner(virtual_time);
  auto cancel_all_later = [&](Generator& generator) -> coil::Coro<void> {
    co_await generator.next();
    coil::get_running_loop().call_soon([] {
      for (const coil::TaskRef& task : coil::all_tasks()) task.cancel();
    });
  };
  {
    Generator generator = cleaning(log, "a");
    runner.run(cancel_all_later(generator));
  }
  auto wait = []() -> coil::Coro<void> { co_await coil::sleep(2s); };
  CHECK_THROWS_AS(runner.run(wait), coil::CancelledError);
  runner.close();
  CHECK(log == "");
}

TEST_CASE("run: a task that calls stop() while generators are closed does not keep them open") {
  coil_test::LeakCheck leaks;
  std::string log;
  auto body = [&]() -> Generator {
    try {
      co_yield 1;
    } catch (const coil::GeneratorExit&) {
    }
    coil::get_running_loop().stop();
    co_await coil::sleep(1s);
    log += "cleaned;";
  };
  Generator kept = body();
  auto main = [&]() -> coil::Coro<void> { co_await kept.next(); };
  coil::run(main, virtual_time);
  CHECK(log == "cleaned;");
}
