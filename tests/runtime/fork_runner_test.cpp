// fork(2) by hand, beside a Runner whose loop is not running: the child has the object, and nothing of the ring.
#include "../support/child.hpp"
#include "../support/io_test.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <string>

using coil::Coro;
using coil_test::in_child;
using coil_test::read_text;
using coil_test::settle;

namespace {

/// Exit status of a child that does `body`; negative: the signal that ended it.
template <class F>
int status_of_child(F body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

Coro<int> seven() {
  co_await coil::sleep(std::chrono::milliseconds(1));
  co_return 7;
}

std::string error_of_run(coil::Runner& runner) {
  try {
    runner.run(seven());
  } catch (const std::logic_error& error) {
    return error.what();
  }
  return "";
}

constexpr const char* sentence = "coil: this Runner's loop belongs to the parent process; make another one";

/// Runs `in_the_child(runner)` in a child that is forked off between two runs, while a read is in flight here; gives its
/// exit status, or 50 if the read does not go on well.
template <class F>
int fork_between_runs(F in_the_child) {
  const coil_test::Ends pipe = coil_test::make_pipe();
  coil::Runner runner;
  coil::Task<std::string> reading;
  runner.run([&]() -> Coro<void> {
    reading = coil::create_task(read_text(pipe.out));
    co_await settle();
  });
  const int status = status_of_child([&] { return in_the_child(runner); });
  coil_test::put(pipe.in, "text");
  const auto take = [&]() -> Coro<bool> {
    const std::string text = co_await reading;
    co_return text == "text";
  };
  return runner.run(take) ? status : 50;
}

}  // namespace

// It crashed: it submitted to memory that is not in the child.
TEST_CASE("fork: between two runs of a Runner, a run of it in the child is an error, and the parent's goes on") {
  const auto result = in_child(
      [] { return fork_between_runs([](coil::Runner& runner) { return error_of_run(runner) == sentence ? 1 : 2; }); });
  CAPTURE(result.output);
  CHECK(result.exited_with(1));
}

TEST_CASE("fork: a child may close and destroy its parent's Runner, and runs another one") {
  const auto result = in_child([] {
    return fork_between_runs([](coil::Runner& runner) {
      runner.close();
      runner.~Runner();
      return coil::run(seven());
    });
  });
  CAPTURE(result.output);
  CHECK(result.exited_with(7));
}

TEST_CASE("fork: after a run, a child has no use for the ring that was kept for the next one") {
  const auto result = in_child([] {
    const int before = coil::run(seven());
    const int in_the_child = status_of_child([] { return coil::run(seven()); });
    return before + in_the_child + coil::run(seven());
  });
  CAPTURE(result.output);
  CHECK(result.exited_with(21));
}

// It wrote to whatever had the number of the descriptor that wakes the parent's loop.
TEST_CASE("fork: a call_soon_threadsafe in a child reaches neither the parent's loop nor a descriptor of the child") {
  const auto result = in_child([] {
    const auto main = []() -> Coro<int> {
      coil::Loop& loop = coil::get_running_loop();
      int calls = 0;
      const int status = status_of_child([&] {
        const coil_test::Ends pipe =
            coil_test::make_pipe();  // its numbers are those that are free: of the parent's ring
        std::vector<coil_test::Fd> more;
        for (int i = 0; i < 8; ++i) more.push_back(coil_test::make_eventfd());
        try {
          loop.call_soon_threadsafe([&calls] { ++calls; });
        } catch (const std::logic_error&) {
        }
        for (const coil_test::Fd& counter : more)
          if (!coil_test::take_all(counter).empty()) return 2;
        return coil_test::take_all(pipe.out).empty() ? 1 : 2;
      });
      co_await settle();
      co_return calls == 0 ? status : 3;
    };
    return coil::run(main);
  });
  CAPTURE(result.output);
  CHECK(result.exited_with(1));
}
