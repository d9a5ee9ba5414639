// fork_process(): a function in a child process with its own memory, and the pipe to it.
#include <coil/fork_process.hpp>

#include "../support/process_test.hpp"

#include <signal.h>

#include <array>
#include <memory>
#include <string>

using namespace std::chrono_literals;
using coil::Coro;
using coil::fork_process;
using coil::ForkedProcess;
using coil::MessagePipe;
using coil_test::settle;

namespace {

Coro<int> echo(MessagePipe& pipe) {
  int count = 0;
  for (;;) {
    const auto message = co_await pipe.recv();
    if (!message) break;
    co_await pipe.send(*message);
    ++count;
  }
  co_return count;
}

Coro<void> wait_for_end(MessagePipe& pipe) {
  const auto end = co_await pipe.recv();
  static_cast<void>(end);
}

}  // namespace

PROCESS_TEST("fork_process: the body's result is the exit status") {
  ForkedProcess seven = fork_process([](MessagePipe&) -> Coro<int> { co_return 7; });
  const int code = co_await seven.process().wait();
  CHECK(code == 7);
  ForkedProcess none = fork_process([](MessagePipe&) -> Coro<void> { co_return; });
  const int zero = co_await none.process().wait();
  CHECK(zero == 0);
}

PROCESS_TEST("fork_process: messages go both ways") {
  ForkedProcess child = fork_process(echo);
  for (int round = 0; round < 20; ++round) {
    const std::string text = "message " + std::to_string(round);
    co_await child.pipe().send(text);
    const auto back = co_await child.pipe().recv();
    CHECK(back == text);
  }
  const std::string large(3'000'000, 'x');
  auto sending = coil::create_task(child.pipe().send(large));
  const auto back = co_await child.pipe().recv();
  co_await sending;
  CHECK((back == large));
  child.pipe().close();
  const int code = co_await child.process().wait();
  CHECK(code == 21);
}

PROCESS_TEST("fork_process: recv() gives nothing once the child is gone, however it went") {
  ForkedProcess ended = fork_process([](MessagePipe& pipe) -> Coro<void> { co_await pipe.send("last"); });
  const auto last = co_await ended.pipe().recv();
  const auto end = co_await ended.pipe().recv();
  CHECK(last == "last");
  CHECK(!end.has_value());
  ForkedProcess killed = fork_process(wait_for_end);
  killed.process().kill();
  const auto nothing = co_await killed.pipe().recv();
  CHECK(!nothing.has_value());
  const int code = co_await killed.process().wait();
  CHECK(code == -SIGKILL);
}

PROCESS_TEST("fork_process: the child has its own memory") {
  int value = 1;
  std::string text = "before";
  ForkedProcess child = fork_process([&](MessagePipe& pipe) -> Coro<int> {
    text += " and in the child";
    value = 2;
    co_await pipe.send(text);
    const auto go = co_await pipe.recv();
    static_cast<void>(go);
    co_return value;
  });
  const auto theirs = co_await child.pipe().recv();
  CHECK(theirs == "before and in the child");
  CHECK(text == "before");
  value = 3;  // too late for the child
  co_await child.pipe().send("go");
  const int code = co_await child.process().wait();
  CHECK(code == 2);
  CHECK(value == 3);
}

PROCESS_TEST("fork_process: body and arguments are copied or moved at the call") {
  auto owned = std::make_unique<int>(5);
  std::string text = "text";
  auto body = [prefix = std::string("a prefix that is long enough to be on the heap ")](
                  MessagePipe& pipe, std::unique_ptr<int> number, const std::string& suffix, int more) -> Coro<int> {
    co_await pipe.send(prefix + suffix);
    co_return *number + more;
  };
  ForkedProcess child = fork_process(std::move(body), std::move(owned), text, 30);
  CHECK(owned == nullptr);
  CHECK(text == "text");
  const auto message = co_await child.pipe().recv();
  CHECK(message == "a prefix that is long enough to be on the heap text");
  const int code = co_await child.process().wait();
  CHECK(code == 35);
}

PROCESS_TEST("fork_process: values and descriptors go through the pipe") {
  struct Job {
    int factor;
    double value;
  };
  ForkedProcess child = fork_process([](MessagePipe& pipe) -> Coro<void> {
    const auto job = co_await pipe.recv<Job>();
    co_await pipe.send(job->value * job->factor);
    auto message = co_await pipe.recv_message();
    co_await coil::write_all(message->descriptors[0].get(), "from the child");
  });
  co_await child.pipe().send(Job{3, 1.5});
  const auto result = co_await child.pipe().recv<double>();
  CHECK(result == 4.5);
  coil_test::Ends pipe = coil_test::make_pipe();
  const std::array<int, 1> descriptors = {pipe.in};
  co_await child.pipe().send("write here", descriptors);
  pipe.in.close();
  const std::string text = co_await coil_test::read_text(pipe.out);
  CHECK(text == "from the child");
  const int code = co_await child.process().wait();
  CHECK(code == 0);
}

PROCESS_TEST("fork_process: an exception of the body is printed and gives 1") {
  const coil_test::Ends errors = coil_test::make_pipe();
  const coil_test::Fd saved(::fcntl(2, F_DUPFD_CLOEXEC, 3));
  ::dup2(errors.in, 2);
  ForkedProcess child = fork_process([](MessagePipe&) -> Coro<void> {
    co_await coil::yield();
    throw std::runtime_error("what the child says");
  });
  const int code = co_await child.process().wait();
  ::dup2(saved, 2);
  CHECK(code == 1);
  const std::string text = coil_test::take_all(errors.out);
  CHECK_MESSAGE(text.find("what the child says") != std::string::npos, text);
  CHECK(text.find("in process " + std::to_string(child.process().pid())) != std::string::npos);
}

PROCESS_TEST("fork_process: a crash of the child is a signal here") {
  ForkedProcess aborts = fork_process([](MessagePipe&) -> Coro<int> { std::abort(); });
  ForkedProcess crashes = fork_process([](MessagePipe&) -> Coro<int> {
    ::raise(SIGSEGV);
    co_return 0;
  });
  const int aborted = co_await aborts.process().wait();
  const int crashed = co_await crashes.process().wait();
  CHECK(aborted == -SIGABRT);
  CHECK(crashed == -SIGSEGV);
}

PROCESS_TEST("fork_process: the child has a loop of its own, with all that belongs to it") {
  ForkedProcess child = fork_process([](MessagePipe& pipe) -> Coro<int> {
    const coil::time_point start = coil::get_running_loop().time();
    auto late = coil::create_task(coil::sleep(2ms, 20));
    auto early = coil::create_task(coil::sleep(1ms, 10));
    const auto sum = co_await coil::gather(late, early);
    coil::Process grandchild = co_await coil::create_subprocess_shell("exit 3");
    const int code = co_await grandchild.wait();
    ForkedProcess forked = fork_process([code](MessagePipe& inner) -> Coro<int> {
      const auto number = co_await inner.recv<int>();
      co_return *number + code;
    });
    co_await forked.pipe().send(std::get<0>(sum) + std::get<1>(sum));
    const int total = co_await forked.process().wait();
    co_await pipe.send(coil::get_running_loop().time() - start >= 2ms ? "in time" : "too early");
    co_return coil::all_tasks().size() == 1 ? total : 99;
  });
  const auto message = co_await child.pipe().recv();
  CHECK(message == "in time");
  const int code = co_await child.process().wait();
  CHECK(code == 33);
}

PROCESS_TEST("fork_process: what runs and waits here does not go on in the child") {
  const coil_test::Ends pipe = coil_test::make_pipe();
  const coil_test::Ends seen = coil_test::make_pipe();
  auto reader = [&]() -> Coro<std::string> {
    struct AtEnd {
      int fd;
      ~AtEnd() { coil_test::put(fd, "destroyed "); }
    };
    const AtEnd at_end{seen.in};
    const std::string text = co_await coil_test::read_text(pipe.out);
    coil_test::put(seen.in, "read ");
    co_return text;
  };
  auto sleeper = [&]() -> Coro<void> {
    co_await coil::sleep(1ms);
    coil_test::put(seen.in, "slept ");
  };
  auto reading = coil::create_task(reader);
  co_await settle();
  auto sleeping = coil::create_task(sleeper);
  auto ready = coil::create_task([&]() -> Coro<void> {
    coil_test::put(seen.in, "ran ");
    co_return;
  });
  ForkedProcess child = fork_process([&](MessagePipe& to_parent) -> Coro<int> {
    co_await coil::sleep(3ms);  // longer than the sleeper's
    co_await wait_for_end(to_parent);
    co_return 0;
  });
  co_await sleeping;
  co_await ready;
  co_await child.pipe().send("end");
  const int code = co_await child.process().wait();
  CHECK(code == 0);
  CHECK(!reading.done());
  coil_test::put(pipe.in, "for the parent");
  const std::string text = co_await reading;
  CHECK(text == "for the parent");
  CHECK(coil_test::take_all(seen.out) == "ran slept read destroyed ");
}

PROCESS_TEST("fork_process: forked in a deep coroutine, a callback, and without a loop") {
  auto deep = []() -> Coro<int> {
    ForkedProcess child = fork_process([](MessagePipe&) -> Coro<int> { co_return 4; });
    const int code = co_await child.process().wait();
    co_return code;
  };
  const int code = co_await deep();
  CHECK(code == 4);
  std::optional<ForkedProcess> from_callback;
  coil::get_running_loop().call_soon(
      [&] { from_callback = fork_process([](MessagePipe&) -> Coro<int> { co_return 5; }); });
  while (!from_callback) co_await coil::yield();
  const int five = co_await from_callback->process().wait();
  CHECK(five == 5);
}

TEST_CASE("fork_process: needs no loop here") {
  ForkedProcess child = fork_process([](MessagePipe& pipe) -> Coro<int> {
    const auto number = co_await pipe.recv<int>();
    co_return *number;
  });
  auto talk = [&]() -> Coro<int> {
    co_await child.pipe().send(6);
    const int code = co_await child.process().wait();
    co_return code;
  };
  CHECK(coil::run(talk) == 6);
  CHECK(!coil_test::has_child());
}

PROCESS_TEST("fork_process: the destructor closes the pipe and ends the child") {
  const coil_test::Ends seen = coil_test::make_pipe();
  {
    ForkedProcess reads = fork_process(wait_for_end);
    ForkedProcess sleeps = fork_process([&](MessagePipe& pipe) -> Coro<void> {
      co_await pipe.send("ready");
      co_await coil::sleep(coil_test::ages);
    });
    const auto ready = co_await sleeps.pipe().recv();
    CHECK(ready == "ready");
  }
  co_await coil::yield();
}

PROCESS_TEST("fork_process: aclose() waits for a child that ends with its pipe") {
  ForkedProcess child = fork_process([](MessagePipe& pipe) -> Coro<int> {
    ::signal(SIGTERM, SIG_IGN);
    co_await pipe.send("ready");
    co_await wait_for_end(pipe);
    co_return 8;
  });
  const auto ready = co_await child.pipe().recv();
  CHECK(ready == "ready");
  const int code = co_await child.aclose();
  CHECK(code == 8);
}

PROCESS_TEST("fork_process: SIGINT cancels the child's main, and it ends by the signal") {
  ForkedProcess child = fork_process([](MessagePipe& pipe) -> Coro<void> {
    auto outcome = co_await coil::as_result([&]() -> Coro<void> {
      co_await pipe.send("ready");
      co_await coil::sleep(coil_test::ages);
    });
    co_await pipe.send(outcome.cancelled() ? "cancelled" : "not cancelled");
    outcome.value();
  });
  const auto ready = co_await child.pipe().recv();
  CHECK(ready == "ready");
  child.process().send_signal(SIGINT);
  const auto said = co_await child.pipe().recv();
  CHECK(said == "cancelled");
  const int code = co_await child.process().wait();
  CHECK(code == -SIGINT);
}
