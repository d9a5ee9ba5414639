// to_process(): a function in a worker process, its result or its error.
#include <coil/to_process.hpp>

#include "../support/process_test.hpp"

#include <signal.h>

#include <array>
#include <climits>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil::Coro;
using coil::ProcessDied;
using coil::RemoteError;
using coil::to_process;

namespace {

struct Point {
  int x;
  double y;
  bool operator==(const Point&) const = default;
};

struct NoDefault {
  explicit NoDefault(int given) : value(given) {}
  int value;
};

int add(int a, int b) { return a + b; }
std::string repeat(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}
int sum_of(std::array<int, 4> numbers) { return numbers[0] + numbers[1] + numbers[2] + numbers[3]; }

int global = 1;

}  // namespace

PROCESS_TEST("to_process: gives what a function returns") {
  const int sum = co_await to_process(add, 2, 3);
  CHECK(sum == 5);
  const int pointed = co_await to_process(&add, 20, 30);
  CHECK(pointed == 50);
}

PROCESS_TEST("to_process: takes a lambda without captures") {
  const int product = co_await to_process([](int a, int b) { return a * b; }, 6, 7);
  CHECK(product == 42);
}

PROCESS_TEST("to_process: runs in another process") {
  const pid_t pid = co_await to_process([] { return ::getpid(); });
  CHECK(pid != ::getpid());
  const pid_t parent = co_await to_process(::getppid);
  CHECK(parent == ::getpid());
}

PROCESS_TEST("to_process: arguments and results are values and text") {
  const std::string text = co_await to_process(repeat, std::string("ab"), 3);
  CHECK(text == "ababab");
  const std::string literal = co_await to_process(repeat, "xy", 2);
  CHECK(literal == "xyxy");
  const std::string view = co_await to_process(repeat, std::string_view("view").substr(1), 1);
  CHECK(view == "iew");
  const Point point =
      co_await to_process([](Point p, char add) { return Point{p.x + add, p.y * 2}; }, Point{1, 2.5}, 'a');
  CHECK(point == Point{98, 5.0});
  const std::array<int, 4> numbers{1, 2, 3, 4};
  const int sum = co_await to_process(sum_of, numbers);
  CHECK(sum == 10);
  const NoDefault value = co_await to_process([](NoDefault given) { return NoDefault(given.value + 1); }, NoDefault(4));
  CHECK(value.value == 5);
  const bool empty = co_await to_process([](std::string given) { return given.empty(); }, "");
  CHECK(empty);
  const std::string binary("a\0b\xff", 4);
  const std::string same = co_await to_process([](std::string given) { return given; }, binary);
  CHECK(same == binary);
}

PROCESS_TEST("to_process: nothing for void, text for a reference to text") {
  co_await to_process([] {});
  const std::string text = co_await to_process([]() -> const std::string& {
    static const std::string kept = "kept there";
    return kept;
  });
  CHECK(text == "kept there");
}

PROCESS_TEST("to_process: large arguments and results") {
  const std::string large(5'000'000, 'x');
  const std::string result = co_await to_process(repeat, large, 2);
  CHECK((result == large + large));
}

PROCESS_TEST("to_process: arguments are taken at the call") {
  Coro<std::string> running = [] {
    std::string text = "a text that is gone when the coroutine runs";
    return to_process(repeat, text, 1);
  }();
  const std::string result = co_await std::move(running);
  CHECK(result == "a text that is gone when the coroutine runs");
}

PROCESS_TEST("to_process: the worker's memory is its own, a copy from when it started") {
  global = 5;
  const int seen = co_await to_process([] { return global++; });
  CHECK(seen == 5);
  CHECK(global == 5);
}

// ---- Errors ----------------------------------------------------------------------------------------------

PROCESS_TEST("to_process: an exception arrives as RemoteError with its text and type") {
  bool thrown = false;
  try {
    co_await to_process([](int at) { return std::string("short").at(static_cast<std::size_t>(at)); }, 99);
  } catch (const RemoteError& error) {
    thrown = true;
    CHECK(std::string(error.what()).find("basic_string::at") != std::string::npos);
    CHECK(error.type() == "std::out_of_range");
  }
  CHECK(thrown);
  CHECK_AWAIT_FAILS_WITH(to_process([] { throw std::runtime_error("what went wrong"); }), "what went wrong");
  const int sum = co_await to_process(add, 1, 1);  // the worker goes on
  CHECK(sum == 2);
}

PROCESS_TEST("to_process: so does what is no std::exception") {
  CHECK_AWAIT_THROWS(to_process([] { throw 5; }), RemoteError);
  CHECK_AWAIT_THROWS(to_process([] { throw coil::CancelledError("there"); }), RemoteError);
}

PROCESS_TEST("to_process: a crash is ProcessDied that names the signal, and the next call works") {
  for (const int signal : {SIGSEGV, SIGABRT, SIGKILL, SIGTERM}) {
    bool thrown = false;
    try {
      co_await to_process([](int number) { ::raise(number); }, signal);
    } catch (const ProcessDied& error) {
      thrown = true;
      CHECK(error.returncode() == -signal);
      const std::string name = "SIG" + std::string(::sigabbrev_np(signal));
      CHECK_MESSAGE(std::string(error.what()).find(name) != std::string::npos, error.what());
    }
    CHECK(thrown);
  }
  const int sum = co_await to_process(add, 1, 2);
  CHECK(sum == 3);
}

PROCESS_TEST("to_process: a null pointer written through is a crash there, not here") {
  CHECK_AWAIT_THROWS(to_process([] {
                       volatile int* volatile nowhere = nullptr;
                       *nowhere = 1;
                     }),
                     ProcessDied);
}

PROCESS_TEST("to_process: a function that ends its process is ProcessDied with the exit status") {
  int returncode = 0;
  try {
    co_await to_process([] { ::_exit(3); });
  } catch (const ProcessDied& error) {
    returncode = error.returncode();
    CHECK(std::string(error.what()) == "coil: the process that was to run a function ended with exit status 3");
  }
  CHECK(returncode == 3);
}

// ---- Together with the rest ------------------------------------------------------------------------------

PROCESS_TEST("to_process: calls run at the same time") {
  // Two that wait for each other through pipes: neither could end alone.
  const auto meet = [](std::string in, std::string out) {
    const int writing = ::open(out.c_str(), O_RDWR);
    if (::write(writing, "x", 1) != 1) return 0;
    const int reading = ::open(in.c_str(), O_RDWR);
    char got = 0;
    return ::read(reading, &got, 1) == 1 ? 1 : 0;
  };
  const coil_test::TemporaryDirectory folder;
  const std::string first = folder / "first";
  const std::string second = folder / "second";
  REQUIRE(::mkfifo(first.c_str(), 0600) == 0);
  REQUIRE(::mkfifo(second.c_str(), 0600) == 0);
  const auto met = co_await coil::gather(to_process(meet, first, second), to_process(meet, second, first));
  CHECK(std::get<0>(met) + std::get<1>(met) == 2);
}

PROCESS_TEST("to_process: the loop goes on meanwhile, and a timeout kills the worker") {
  bool timed_out = false;
  try {
    co_await coil::wait_for(to_process([] {
                              for (;;) ::pause();
                            }),
                            5ms);
  } catch (const coil::TimeoutError&) {
    timed_out = true;
  }
  CHECK(timed_out);
  const int sum = co_await to_process(add, 1, 2);
  CHECK(sum == 3);
}

PROCESS_TEST("to_process: a function may run a loop of its own, and processes") {
  const int result = co_await to_process([] {
    return coil::run([]() -> Coro<int> {
      co_await coil::sleep(1ms);
      coil::Process process = co_await coil::create_subprocess_shell("exit 6");
      const int code = co_await process.wait();
      const int nested = co_await to_process(add, code, 10);
      co_return nested;
    });
  });
  CHECK(result == 16);
}

PROCESS_TEST("to_process: a worker has no descriptor of this process but stdout and stderr") {
  coil_test::Ends pipe = coil_test::make_pipe();
  const std::string listed = co_await to_process([] {
    std::string found;
    for (const auto& [number, target] : coil_test::open_descriptors())
      if (number != "1" && number != "2") found += target.substr(0, target.find(':')) + " ";
    return found;
  });
  CHECK(listed == "/dev/null socket ");
}

TEST_CASE("to_process: made outside a loop, it runs in the one that awaits it") {
  Coro<int> running = to_process(add, 1, 2);
  CHECK(coil::run(std::move(running)) == 3);
}

TEST_CASE("to_process: workers are gone when run returns, busy ones as well") {
  const auto before = coil_test::open_descriptors();
  auto main = []() -> Coro<void> {
    auto busy = coil::create_task(to_process([] {
      for (;;) ::pause();
    }));
    const int sum = co_await to_process(add, 1, 2);
    CHECK(sum == 3);
  };
  coil::run(main);
  CHECK(!coil_test::has_child());
  CHECK(coil_test::open_descriptors() == before);
}
