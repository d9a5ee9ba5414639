// Operations of the kernel in a race: the losers are waited for, and what they had done is not lost.
#include <coil/race.hpp>

#include "../support/io_test.hpp"

#include <string>

using coil_test::Ends;
using coil_test::put;
using coil_test::read_text;
using namespace std::chrono_literals;

IO_TEST("race: a read that loses is cancelled, and what comes later is left for the next one") {
  const Ends pipe = coil_test::make_pipe();
  const auto result = co_await coil::race(read_text(pipe.out, 10), coil::sleep(1s));
  CHECK(result.index() == 1);
  CHECK(!result.has<0>());
  put(pipe.in, "later");
  const std::string text = co_await read_text(pipe.out, 10);
  CHECK(text == "later");
}

IO_TEST("race: of two reads the one that has something wins, the other descriptor keeps what it gets") {
  const Ends a = coil_test::make_pipe();
  const Ends b = coil_test::make_pipe();
  put(b.in, "b");
  const auto result = co_await coil::race(read_text(a.out, 10), read_text(b.out, 10));
  CHECK(result.index() == 1);
  CHECK(result.value() == "b");
  put(a.in, "a");
  const std::string text = co_await read_text(a.out, 10);
  CHECK(text == "a");
}

IO_TEST("race: reads that complete together lose nothing, whoever wins") {
  const Ends a = coil_test::make_pipe();
  const Ends b = coil_test::make_pipe();
  int both = 0;
  for (int round = 0; round < 1000; ++round) {
    CAPTURE(round);
    put(a.in, "a");
    put(b.in, "b");
    const auto result = co_await coil::race(read_text(a.out, 1), read_text(b.out, 1));
    std::string got;
    if (result.has<0>()) got += result.get<0>();
    if (result.has<1>()) got += result.get<1>();
    both += got.size() == 2;
    if (!result.has<0>()) got += co_await read_text(a.out, 1);
    if (!result.has<1>()) got += co_await read_text(b.out, 1);
    REQUIRE((got == "ab" || got == "ba"));
  }
  CHECK(both > 0);  // a loser that completed all the same: what this test is about
}

// Cancels a race of a read that has something and one that has not, `steps` turns after its start. The byte is in the
// result, or still in the pipe; a task that got the result is cancelled at its next wait.
static coil::Coro<void> cancel_race_after(int steps, const Ends& full, const Ends& empty) {
  std::string got;
  bool went_on = false;
  auto body = [&]() -> coil::Coro<void> {
    auto result = co_await coil::race(read_text(full.out, 1), read_text(empty.out, 1));
    got = std::move(result).get<0>();
    co_await coil::sleep(1h);
    went_on = true;
  };
  auto task = coil::create_task(body());
  for (int i = 0; i < steps; ++i) co_await coil::yield();
  put(full.in, "x");
  for (int i = 0; i < steps % 3; ++i) co_await coil::yield();
  task.cancel();
  const auto outcome = co_await coil::as_result(task);
  CHECK(outcome.cancelled());
  CHECK(!went_on);
  if (got.empty()) got = co_await read_text(full.out, 1);
  REQUIRE(got == "x");
}

IO_TEST("race: cancelled at any time, a byte that was read is in the result, and the next wait throws") {
  const Ends full = coil_test::make_pipe();
  const Ends empty = coil_test::make_pipe();
  for (int round = 0; round < 500; ++round) {
    CAPTURE(round);
    co_await cancel_race_after(round % 10, full, empty);
  }
}

IO_TEST("race: the winner's error is the system's") {
  const Ends pipe = coil_test::make_pipe();
  std::string what;
  try {
    co_await coil::race(read_text(pipe.out, 1), read_text(pipe.in, 1));
  } catch (const std::system_error& error) {
    what = error.what();
    CHECK(error.code().value() == EBADF);
  }
  CHECK(what != "");
}
