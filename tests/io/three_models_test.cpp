// Tasks, threads and processes are awaited by one rule: the first failure cancels the others, whatever they are, and all
// are waited for. And what programs do wrong with them.
#include <coil/fork_process.hpp>
#include <coil/process_pool.hpp>
#include <coil/race.hpp>
#include <coil/scope.hpp>
#include <coil/thread.hpp>
#include <coil/thread_pool.hpp>
#include <coil/to_process.hpp>
#include <coil/to_thread.hpp>
#include <coil/wait.hpp>

#include "../support/process_test.hpp"

#include <sys/resource.h>

#include <atomic>
#include <latch>
#include <stop_token>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil::Command;
using coil::Coro;
using coil::ForkedProcess;
using coil::MessagePipe;
using coil_test::shell;

namespace {

/// Five things that go on until they are cancelled.
struct Five {
  std::atomic<int> running{0};
  std::atomic<int> ended{0};

  Coro<void> all_run() {
    while (running != 5) co_await coil::yield();
  }
  void work(const std::stop_token& token) {
    ++running;
    std::latch stopped(1);
    const std::stop_callback on_stop(token, [&] { stopped.count_down(); });
    stopped.wait();
    ++ended;
  }
  Coro<void> task() {
    ++running;
    const auto outcome = co_await coil::as_result(coil::sleep(1h));
    for (int i = 0; i < 3; ++i) co_await coil::yield();  // cleans up
    ++ended;
    outcome.value();
  }
  Coro<void> thread() {
    coil::Thread thread = coil::start_thread([this](const std::stop_token& token) { work(token); });
    co_await thread;
  }
  Coro<void> pooled() {
    co_await coil::to_thread([this](const std::stop_token& token) { work(token); });
  }
  Coro<void> command() {
    coil::Process child = co_await coil_test::start_waiting();
    co_await ended_with(child);
  }
  Coro<void> forked() {
    ForkedProcess child = coil::fork_process([](MessagePipe& pipe) -> Coro<void> {
      co_await pipe.send("ready");
      const auto end = co_await pipe.recv();
      static_cast<void>(end);
    });
    const auto ready = co_await child.pipe().recv();
    static_cast<void>(ready);
    co_await ended_with(child);
  }

private:
  static coil::Process& process_of(coil::Process& process) { return process; }
  static coil::Process& process_of(ForkedProcess& forked) { return forked.process(); }
  template <class Child>
  Coro<void> ended_with(Child& child) {
    auto body = [&]() -> Coro<void> {
      ++running;
      co_await process_of(child).wait();
    };
    auto cleanup = [&]() -> Coro<void> {
      co_await child.aclose();
      ++ended;
    };
    co_await coil::try_finally(body, cleanup);
  }
};

enum class Failing { task, thread, process };

/// Fails once all five run.
Coro<void> fail(Five& five, Failing how) {
  co_await five.all_run();
  switch (how) {
    case Failing::task:
      throw std::runtime_error("planned");
    case Failing::thread: {
      coil::Thread thread = coil::start_thread([] { throw std::runtime_error("planned"); });
      co_await thread;
      break;
    }
    case Failing::process:
      co_await coil::to_process([] { throw std::runtime_error("planned"); });
  }
}

}  // namespace

PROCESS_TEST("gather: the first failure, in a task, thread or process, cancels all the others and waits for them") {
  for (const Failing how : {Failing::task, Failing::thread, Failing::process}) {
    Five five;
    CHECK_AWAIT_FAILS_WITH(
        coil::gather(five.task(), five.thread(), five.pooled(), five.command(), five.forked(), fail(five, how)),
        "planned");
    CHECK(five.ended == 5);
  }
}

PROCESS_TEST("task_group: the first failure, in a task, thread or process, cancels all the others and waits for them") {
  for (const Failing how : {Failing::task, Failing::thread, Failing::process}) {
    Five five;
    auto body = [&](coil::TaskGroup& group) -> Coro<void> {
      group.create_task(five.task());
      group.create_task(five.thread());
      group.create_task(five.pooled());
      group.create_task(five.command());
      group.create_task(five.forked());
      group.create_task(fail(five, how));
      co_await coil::sleep(1h);
    };
    std::vector<std::string> errors;
    try {
      co_await coil::task_group(body);
    } catch (const coil::ExceptionGroup& group) {
      for (const auto& error : group.exceptions()) errors.push_back(coil_test::text_of(error));
    }
    CHECK(errors == std::vector<std::string>{"planned"});
    CHECK(five.ended == 5);
  }
}

PROCESS_TEST("race: the first to finish wins, be it task, thread or process; the others are cancelled and waited for") {
  for (const Failing how : {Failing::task, Failing::thread, Failing::process}) {
    Five five;
    auto win = [&]() -> Coro<void> {
      co_await five.all_run();
      if (how == Failing::thread) co_await coil::start_thread([] {});
      if (how == Failing::process) co_await coil::to_process([] {});
    };
    const auto result =
        co_await coil::race(five.task(), five.thread(), five.pooled(), five.command(), five.forked(), win());
    CHECK(result.index() == 5);
    CHECK(five.ended == 5);
  }
}

PROCESS_TEST("timeout: when the time is up all are cancelled and waited for") {
  Five five;
  auto body = [&](coil::Timeout& timeout) -> Coro<void> {
    auto time_is_up = [&]() -> Coro<void> {
      co_await five.all_run();
      timeout.reschedule(coil::get_running_loop().time());
    };
    co_await coil::gather(five.task(), five.thread(), five.pooled(), five.command(), five.forked(), time_is_up());
  };
  CHECK_AWAIT_THROWS(coil::timeout(std::nullopt, body), coil::TimeoutError);
  CHECK(five.ended == 5);
}

PROCESS_TEST("wait: ends with the first failure, leaves the others alone, and waits for them once they are cancelled") {
  Five five;
  std::vector<coil::Task<void>> tasks;
  tasks.push_back(coil::create_task(five.task()));
  tasks.push_back(coil::create_task(five.thread()));
  tasks.push_back(coil::create_task(five.pooled()));
  tasks.push_back(coil::create_task(five.command()));
  tasks.push_back(coil::create_task(five.forked()));
  tasks.push_back(coil::create_task(fail(five, Failing::thread)));
  const auto first = co_await coil::wait(tasks, {.return_when = coil::ReturnWhen::first_exception});
  CHECK(first.done.size() == 1);
  CHECK(first.pending.size() == 5);
  CHECK(five.ended == 0);
  CHECK(coil_test::text_of(first.done.at(0).exception()) == "planned");
  for (coil::Task<void> task : first.pending) task.cancel();
  const auto rest = co_await coil::wait(first.pending);
  CHECK(rest.pending.empty());
  CHECK(five.ended == 5);
}

// ---- Bad input -------------------------------------------------------------------------------------------

PROCESS_TEST("fork_process: in a task group that is cancelled, the child is ended before the group is") {
  pid_t pid = 0;
  auto body = [&](coil::TaskGroup& group) -> Coro<void> {
    auto child_task = [&]() -> Coro<void> {
      ForkedProcess child = coil::fork_process([](MessagePipe& pipe) -> Coro<void> {
        co_await pipe.send("ready");
        co_await coil::sleep(1h);
      });
      pid = child.process().pid();
      const auto ready = co_await child.pipe().recv();
      static_cast<void>(ready);
      auto wait = [&]() -> Coro<void> { co_await child.process().wait(); };
      auto end = [&]() -> Coro<void> { co_await child.aclose(); };
      group.cancel();
      co_await coil::try_finally(wait, end);
    };
    co_await group.create_task(child_task());
  };
  auto task = coil::create_task([&]() -> Coro<void> { co_await coil::task_group(body); });
  const auto outcome = co_await coil::as_result(task);
  CHECK(!coil_test::has_child());
  CHECK(::kill(pid, 0) != 0);
}

PROCESS_TEST("a function that throws what is no std::exception: to_thread, start_thread, fork_process") {
  using Text = const char*;
  CHECK_AWAIT_THROWS(coil::to_thread([]() -> int { throw 5; }), int);
  CHECK_AWAIT_THROWS(coil::start_thread([]() -> int { throw "text"; }), Text);
  ForkedProcess child = coil::fork_process([](MessagePipe&) -> Coro<void> {
    if (std::freopen("/dev/null", "w", stderr) == nullptr) co_return;
    co_await coil::yield();
    throw 5;
  });
  const int code = co_await child.process().wait();
  CHECK(code == 1);
}

PROCESS_TEST("communicate: of 1 GiB no more is read than is wanted") {
  coil::Process child = co_await coil::create_subprocess_exec(shell("exec head -c 1073741824 /dev/zero"));
  CHECK_AWAIT_THROWS(child.communicate({}, 1 << 20), std::length_error);
  const int code = co_await child.aclose();
  CHECK(code != 0);
}

PROCESS_TEST("communicate: a child that closes its stdin early, or is killed meanwhile, is no error") {
  const std::string input(1 << 20, 'x');
  coil::Process closes = co_await coil::create_subprocess_exec(shell("head -c 5; exec <&-; echo; echo done"));
  const auto output = co_await closes.communicate(input);
  CHECK(output.out == "xxxxx\ndone\n");
  coil::Process killed = co_await coil_test::start_waiting();
  auto task = coil::create_task(killed.communicate(input));
  co_await coil::yield();
  killed.kill();
  const auto nothing = co_await task;
  CHECK(nothing.out.empty());
  CHECK(killed.returncode() == -SIGKILL);
}

PROCESS_TEST("communicate: a child that never reads holds nobody up once it is cancelled") {
  const std::string input(1 << 20, 'x');
  coil::Process child = co_await coil_test::start_waiting();
  auto task = coil::create_task(child.communicate(input));
  co_await coil_test::until_pipe_holds(child.stdin_().fd(), 1 << 16);
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  const int code = co_await child.aclose();
  CHECK(code == -SIGTERM);
}

PROCESS_TEST("pools used after their end say so") {
  coil::ThreadPool threads(1);
  threads.shutdown();
  CHECK_THROWS_AS(static_cast<void>(threads.run([] {})), std::logic_error);
  coil::ProcessPool processes(1);
  co_await processes.aclose();
  CHECK_AWAIT_THROWS(processes.run([] {}), std::logic_error);
}

TEST_CASE("process: a thousand children at once are waited for, and none is left") {
  // Each has a ring; a user without rights has locked memory for some two hundred at a time.
  const std::size_t count = coil_test::sanitized || ::geteuid() != 0 ? 100 : 1000;
  rlimit descriptors{};
  ::getrlimit(RLIMIT_NOFILE, &descriptors);
  const rlimit more{descriptors.rlim_max, descriptors.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &more);
  auto main = [&]() -> Coro<void> {
    coil_test::LeakCheck leaks;
    std::vector<ForkedProcess> children;
    for (std::size_t i = 0; i < count; ++i) {
      children.push_back(coil::fork_process(
          [](MessagePipe& pipe, int number) -> Coro<int> {
            const auto end = co_await pipe.recv();
            static_cast<void>(end);
            co_return number;
          },
          static_cast<int>(i % 100)));
    }
    std::vector<coil::Task<int>> waits;
    for (ForkedProcess& child : children) {
      waits.push_back(coil::create_task(child.process().wait()));
      child.pipe().close();
    }
    const std::vector<int> codes = co_await coil::gather(waits);
    bool as_told = codes.size() == count;
    for (std::size_t i = 0; i < codes.size(); ++i) as_told = as_told && codes[i] == static_cast<int>(i % 100);
    CHECK(as_told);
  };
  coil::run(main);
  CHECK(!coil_test::has_child());
  ::setrlimit(RLIMIT_NOFILE, &descriptors);
}
