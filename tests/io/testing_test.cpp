// The tools of <coil/testing.hpp> find what they are for, and nothing where nothing is.
#include <coil/testing.hpp>

#include <coil/coil.hpp>

#include "../support/io_test.hpp"

#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using coil::testing::cancel_everywhere;
using coil::testing::CancelResult;
using coil::testing::Failure;
using coil_test::ages;
using coil_test::Ends;

namespace {

// The sentence with which the test fails; "" if it does not.
template <class F>
std::string failure_of(F test) {
  try {
    test();
  } catch (const Failure& failure) {
    return failure.what();
  }
  return "";
}

std::string failure_when_cancelled(std::function<coil::Coro<void>()> f,
                                   const coil::testing::CancelOptions& options = {}) {
  return failure_of([&] { cancel_everywhere(f, options); });
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

static_assert(std::is_same_v<coil::FaultPlan, coil::testing::FaultPlan> && coil::Op::read == coil::testing::Op::read);

TEST_CASE("testing: the everyday tools are in the namespace coil as well") {
  const coil::CancelResult result = coil::cancel_everywhere([]() -> coil::Coro<void> { co_await coil::sleep(1s); });
  CHECK(result.cancelled > 0);
}

TEST_CASE("cancel_everywhere cancels at each suspension, at three moments, and counts") {
  int runs = 0;
  int cancelled = 0;
  const CancelResult result = cancel_everywhere([&]() -> coil::Coro<void> {
    ++runs;
    try {
      co_await coil::sleep(1s);
      co_await coil::sleep(1s);
    } catch (const coil::CancelledError&) {
      ++cancelled;
      throw;
    }
  });
  CHECK(result.suspensions == 2);
  CHECK(result.points == 6);
  CHECK(result.cancelled == 6);
  CHECK(cancelled == 6);
  CHECK(runs == 1 + 6 + 3);  // the last three found no third suspension
}

namespace {

coil::Coro<int> plain_function() {
  co_await coil::yield();
  co_return 1;
}

}  // namespace

TEST_CASE("a plain function that gives something is taken as it is") {
  CHECK(cancel_everywhere(plain_function).points == 2);
  CHECK(coil::testing::fail_everywhere(plain_function, EIO).operations == 0);
  coil::testing::for_seeds(0, 2, plain_function);
}

TEST_CASE("pairs cancel again at each suspension of the cleanup") {
  const CancelResult result = cancel_everywhere(
      []() -> coil::Coro<void> {
        const auto body = []() -> coil::Coro<void> { co_await coil::sleep(1s); };
        const auto cleanup = []() -> coil::Coro<void> {
          co_await coil::sleep(1ms);
          co_await coil::sleep(1ms);
        };
        co_await coil::try_finally(body, cleanup);
      },
      {.pairs = true});
  CHECK(result.points == 9);
  CHECK(result.pairs == 9 + 6);
}

TEST_CASE("cancel_everywhere names the suspension after which a descriptor was left") {
  const std::string what = failure_when_cancelled([]() -> coil::Coro<void> {
    Ends pipe = coil_test::make_pipe();
    co_await coil::yield();
    const int end = pipe.in.release();
    co_await coil::sleep(1s);  // the line that is named
    ::close(end);
  });
  CHECK(contains(what, "cancelled at suspension 2 at "));
  CHECK(contains(what, "(testing_test.cpp:"));
  CHECK(contains(what, "is open (pipe:["));
}

TEST_CASE(
    "cancel_everywhere finds a task, a timer and memory of a coroutine that were left, also without a cancellation") {
  const auto leave_a_task = []() -> coil::Coro<void> {
    const auto sleeper = []() -> coil::Coro<void> { co_await coil::sleep(ages); };
    coil::create_task(sleeper);
    co_await coil::yield();
  };
  const std::string task = failure_when_cancelled(leave_a_task);
  CHECK(contains(task, "not cancelled, it left something behind: task 'Task-3' is not done, it is at "));
  const auto leave_a_timer = []() -> coil::Coro<void> {
    coil::get_running_loop().call_later(1h, [] {});
    co_await coil::yield();
  };
  CHECK(contains(failure_when_cancelled(leave_a_timer), "timers are left: 1"));
  std::optional<coil::Coro<void>> kept;
  const auto leave_a_frame = [&]() -> coil::Coro<void> {
    kept.emplace(coil_test::end_operations());
    co_await coil::yield();
  };
  CHECK(contains(failure_when_cancelled(leave_a_frame), "coroutine frames or other small objects are alive"));
}

TEST_CASE("cancel_everywhere finds a run that does not end, that throws, and that makes the loop report") {
  const auto swallow = []() -> coil::Coro<void> {
    try {
      co_await coil::sleep(1s);
    } catch (const coil::CancelledError&) {
    }
    co_await coil::get_running_loop().create_future<void>();
  };
  const coil::testing::CancelOptions quick{.time_limit = 20ms};
  CHECK(contains(failure_when_cancelled(swallow, quick), "not cancelled, it did not end, task 'Task-2' is at "));
  const auto fail = []() -> coil::Coro<void> {
    try {
      co_await coil::sleep(1s);
    } catch (const coil::CancelledError&) {
      throw std::runtime_error("broken");
    }
  };
  CHECK(contains(failure_when_cancelled(fail), ": it threw broken (std::runtime_error)"));
  CHECK(failure_when_cancelled(fail, {.errors = true}) == "");
  const auto report = []() -> coil::Coro<void> {
    const auto broken = []() -> coil::Coro<void> {
      co_await coil::yield();
      throw std::runtime_error("lost");
    };
    coil::create_task(broken);
    co_await coil::sleep(1s);
  };
  CHECK(contains(failure_when_cancelled(report), "lost (std::runtime_error)"));
  const auto own_error = []() -> coil::Coro<void> {
    co_await coil::yield();
    throw std::invalid_argument("its own");
  };
  CHECK_THROWS_AS(cancel_everywhere(own_error), std::invalid_argument);
}

TEST_CASE("it is cancelled also while its children suspend; every_task cancels them, too") {
  const auto two = []() -> coil::Coro<void> {
    const auto child = []() -> coil::Coro<void> {
      co_await coil::sleep(1s);
      co_await coil::sleep(1s);
    };
    co_await coil::gather(child(), child());
  };
  const CancelResult one = cancel_everywhere(two, {.at_others = false});
  const CancelResult others = cancel_everywhere(two);
  const CancelResult all = cancel_everywhere(two, {.every_task = true});
  CHECK(one.points == 3);
  CHECK(others.points == 3 + 4);
  CHECK(all.suspensions == 5);
  CHECK(all.points >= 13);
}

TEST_CASE("a fault plan begins anew with each run of cancel_everywhere") {
  coil::testing::FaultPlan plan;
  auto& held = plan.on(coil::testing::Op::read).nth(1).beats_cancel();
  int read = 0;
  const CancelResult result = cancel_everywhere(
      [&]() -> coil::Coro<void> {
        const Ends pipe = coil_test::make_pipe();
        coil_test::put(pipe.in, "x");
        const std::string text = co_await coil_test::read_text(pipe.out);
        read += text == "x";
      },
      {.run = {.clock = coil::Clock::virtual_, .faults = &plan}});
  CHECK(result.points == 3);
  CHECK(result.cancelled == 0);  // the result wins each time
  CHECK(read == 7);
  CHECK(held.fired() == 7);
}

TEST_CASE("for_seeds repeats a seed exactly, and a failure names it") {
  std::vector<std::string> orders;
  const auto shuffled = [&]() -> coil::Coro<void> {
    std::string order;
    const auto add = [&](char name) -> coil::Coro<void> {
      co_await coil::yield();
      order += name;
    };
    co_await coil::gather(add('a'), add('b'), add('c'), add('d'), add('e'));
    orders.push_back(order);
  };
  coil::testing::for_seeds(7, 3, shuffled);
  coil::testing::for_seeds(7, 3, shuffled);
  REQUIRE(orders.size() == 6);
  for (std::size_t i = 0; i < 3; ++i) CHECK(orders[i] == orders[i + 3]);
  CHECK((orders[0] != orders[1] || orders[1] != orders[2]));

  const auto fails_at_40 = [](std::uint64_t seed) -> coil::Coro<void> {
    co_await coil::yield();
    if (seed == 40) throw std::runtime_error("unlucky");
  };
  const std::string what = failure_of([&] { coil::testing::for_seeds(0, 100, fails_at_40); });
  CHECK(what == "seed 40: unlucky (COIL_SEED=40 runs this one alone)");
  std::vector<std::uint64_t> seeds;
  const auto note = [&](std::uint64_t seed) { seeds.push_back(seed); };
  ::setenv("COIL_SEED", "17", 1);
  coil::testing::for_seeds(0, 100, note);
  ::unsetenv("COIL_SEED");
  ::setenv("COIL_SEEDS", "2", 1);
  coil::testing::for_seeds(5, 100, note);
  ::unsetenv("COIL_SEEDS");
  CHECK(seeds == std::vector<std::uint64_t>{17, 5, 6});
}

namespace {

coil::Coro<void> talk_in_memory(coil::testing::MemoryStreamOptions options) {
  auto ends = coil::testing::memory_streams(options);
  const std::string large(3 * options.capacity, 'x');
  const auto talk = [&]() -> coil::Coro<void> {
    ends.first.write("one line\nand some more");
    co_await ends.first.drain();
    co_await ends.first.write_all(large);
    ends.first.write_eof();
    const std::string answer = co_await ends.first.read_all();
    CHECK(answer == "answer");
  };
  const auto listen = [&]() -> coil::Coro<void> {
    const std::string line = co_await ends.second.read_line();
    CHECK(line == "one line\n");
    const std::string rest = co_await ends.second.read_all();
    CHECK(rest.size() == 13 + large.size());
    co_await ends.second.write_all("answer");
    co_await ends.second.aclose();
  };
  co_await coil::gather(talk(), listen());
}

}  // namespace

LOOP_TEST("memory_streams: what is written arrives, in pieces of any size, and blocks a writer who is ahead") {
  co_await talk_in_memory({.capacity = 64});
  for (const std::size_t piece : {1U, 2U, 7U}) co_await talk_in_memory({.capacity = 64, .piece_max = piece});
  for (std::uint64_t seed = 1; seed <= 20; ++seed)
    co_await talk_in_memory({.capacity = 64, .piece_max = 9, .seed = seed});
}

LOOP_TEST("memory_streams: a reader that is cancelled loses nothing; abort is a reset for the other") {
  auto ends = coil::testing::memory_streams();
  auto reading = coil::create_task(ends.first.read());
  co_await coil::yield();
  reading.cancel();
  const auto outcome = co_await coil::as_result(reading);
  CHECK(outcome.cancelled());
  co_await ends.second.write_all("kept");
  const std::string text = co_await ends.first.read();
  CHECK(text == "kept");
  ends.second.abort();
  CHECK_AWAIT_FAILS_WITH(ends.first.read(), "read: Connection reset by peer");
}

TEST_CASE("memory_streams are cancelled at each suspension, and leave nothing") {
  const auto talk = []() -> coil::Coro<void> { co_await talk_in_memory({.capacity = 16, .piece_max = 8}); };
  const CancelResult result = cancel_everywhere(talk, {.every_task = true});
  CHECK(result.points >= 15);
}
