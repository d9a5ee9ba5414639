// ProcessPool: its workers, their replacement, and its end.
#include <coil/process_pool.hpp>

#include "../support/process_test.hpp"

#include <signal.h>

#include <coil/scope.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil::Coro;
using coil::ProcessDied;
using coil::ProcessPool;
using coil_test::settle;

namespace {

int twice(int number) { return 2 * number; }

/// Says that it runs by a byte into a FIFO, and waits for one from another.
int wait_at(std::string said, std::string go, int result) {
  const int out = ::open(said.c_str(), O_WRONLY);
  if (::write(out, "x", 1) != 1) return -1;
  const int in = ::open(go.c_str(), O_RDONLY);
  char got = 0;
  if (::read(in, &got, 1) != 1) return -2;
  ::close(in);
  ::close(out);
  return result;
}

/// The two FIFOs of `wait_at`, open here.
struct Gate {
  coil_test::TemporaryDirectory folder;
  std::string said = folder / "said";
  std::string go = folder / "go";
  coil_test::Fd said_fd;
  coil_test::Fd go_fd;

  Gate() {
    REQUIRE(::mkfifo(said.c_str(), 0600) == 0);
    REQUIRE(::mkfifo(go.c_str(), 0600) == 0);
    said_fd = coil_test::Fd(::open(said.c_str(), O_RDWR | O_CLOEXEC));
    go_fd = coil_test::Fd(::open(go.c_str(), O_RDWR | O_CLOEXEC));
  }
  Coro<void> until_running() { co_await coil_test::read_text(said_fd, 1); }
  void open() { coil_test::put(go_fd, "x"); }
};

}  // namespace

PROCESS_TEST("pool: starts its workers at once, and runs jobs in them") {
  ProcessPool pool(3);
  CHECK(pool.max_workers() == 3);
  const std::vector<pid_t> workers = pool.workers();
  CHECK(workers.size() == 3);
  for (int number = 0; number < 20; ++number) {
    const int result = co_await pool.run(twice, number);
    CHECK(result == 2 * number);
    const pid_t where = co_await pool.run(::getpid);
    CHECK(std::find(workers.begin(), workers.end(), where) != workers.end());
  }
  co_await pool.aclose();
}

PROCESS_TEST("pool: by default there are as many workers as processors") {
  ProcessPool pool;
  CHECK(pool.max_workers() >= 1);
  CHECK(pool.workers().size() == pool.max_workers());
  co_await pool.aclose();
}

PROCESS_TEST("pool: more jobs than workers wait their turn, in order") {
  ProcessPool pool(2);
  Gate gate;
  auto first = coil::create_task(pool.run(wait_at, gate.said, gate.go, 1));
  auto second = coil::create_task(pool.run(wait_at, gate.said, gate.go, 2));
  co_await gate.until_running();
  co_await gate.until_running();
  std::string order;
  auto job = [&](char name) -> Coro<void> {
    const int result = co_await pool.run(twice, 1);
    CHECK(result == 2);
    order += name;
  };
  std::vector<coil::Task<void>> waiting;
  for (char name = 'a'; name <= 'e'; ++name) waiting.push_back(coil::create_task(job(name)));
  co_await settle();
  CHECK(order.empty());
  gate.open();  // one worker goes on, and does them one after the other
  co_await coil::gather(waiting);
  CHECK(order == "abcde");
  gate.open();
  const int both = co_await first + co_await second;
  CHECK(both == 3);
  co_await pool.aclose();
}

PROCESS_TEST("pool: 200 jobs, all at once") {
  ProcessPool pool(4);
  std::vector<Coro<int>> jobs;
  std::vector<int> expected;
  for (int number = 0; number < 200; ++number) {
    jobs.push_back(pool.run(twice, number));
    expected.push_back(2 * number);
  }
  const std::vector<int> results = co_await coil::gather(std::move(jobs));
  CHECK(results == expected);
  co_await pool.aclose();
}

// ---- Workers that die ------------------------------------------------------------------------------------

PROCESS_TEST("pool: a worker that crashes is replaced, and the others go on") {
  ProcessPool pool(2);
  const std::vector<pid_t> before = pool.workers();
  for (int round = 0; round < 5; ++round) CHECK_AWAIT_THROWS(pool.run([] { ::raise(SIGSEGV); }), ProcessDied);
  const std::vector<pid_t> after = pool.workers();
  CHECK(after.size() == 2);
  CHECK(after != before);
  const int result = co_await pool.run(twice, 4);
  CHECK(result == 8);
  co_await pool.aclose();
}

PROCESS_TEST("pool: a busy worker that is killed from outside is ProcessDied") {
  ProcessPool pool(1);
  Gate gate;
  auto running = coil::create_task(pool.run(wait_at, gate.said, gate.go, 1));
  co_await gate.until_running();
  ::kill(pool.workers().front(), SIGKILL);
  int returncode = 0;
  try {
    co_await running;
  } catch (const ProcessDied& error) {
    returncode = error.returncode();
  }
  CHECK(returncode == -SIGKILL);
  const int result = co_await pool.run(twice, 4);
  CHECK(result == 8);
  co_await pool.aclose();
}

PROCESS_TEST("pool: idle workers that are killed do no harm to the next jobs") {
  ProcessPool pool(2);
  for (int round = 0; round < 5; ++round) {
    for (const pid_t worker : pool.workers()) {
      ::kill(worker, SIGKILL);
      siginfo_t found{};
      ::waitid(P_PID, static_cast<id_t>(worker), &found, WEXITED | WNOWAIT);
    }
    const auto results = co_await coil::gather(pool.run(twice, 1), pool.run(twice, 2), pool.run(twice, 3));
    CHECK(std::get<0>(results) + std::get<1>(results) + std::get<2>(results) == 12);
  }
  co_await pool.aclose();
}

PROCESS_TEST("pool: a job that closes its end of the pipe is ProcessDied, not a wait for ever") {
  ProcessPool pool(1);
  CHECK_AWAIT_THROWS(pool.run([] {
    for (int fd = 3; fd < 100; ++fd) ::close(fd);
    for (;;) ::pause();
  }),
                     ProcessDied);
  co_await pool.aclose();
}

PROCESS_TEST("pool: what a job prints is there at its end, and once") {
  const coil_test::Ends out = coil_test::make_pipe();
  const coil_test::Fd saved(::fcntl(1, F_DUPFD_CLOEXEC, 3));
  std::fflush(stdout);
  ::dup2(out.in, 1);
  {
    ProcessPool pool(1);
    co_await pool.run([] { std::printf("printed"); });
    CHECK(coil_test::take_all(out.out) == "printed");
    co_await pool.aclose();
  }
  ::dup2(saved, 1);
  CHECK(coil_test::take_all(out.out).empty());
}

// ---- Cancellation ----------------------------------------------------------------------------------------

PROCESS_TEST("pool: a cancelled job is killed, with its worker, and that is replaced") {
  ProcessPool pool(1);
  Gate gate;
  const pid_t before = pool.workers().front();
  auto running = coil::create_task(pool.run(wait_at, gate.said, gate.go, 1));
  co_await gate.until_running();
  running.cancel();
  CHECK_AWAIT_THROWS(running, coil::CancelledError);
  const pid_t after = co_await pool.run(::getpid);
  CHECK(after != before);
  co_await pool.aclose();
}

PROCESS_TEST("pool: a job that waits for its turn can be cancelled") {
  ProcessPool pool(1);
  Gate gate;
  const pid_t before = pool.workers().front();
  auto running = coil::create_task(pool.run(wait_at, gate.said, gate.go, 1));
  co_await gate.until_running();
  auto waiting = coil::create_task(pool.run(twice, 1));
  auto last = coil::create_task(pool.run(::getpid));
  co_await settle();
  waiting.cancel();
  CHECK_AWAIT_THROWS(waiting, coil::CancelledError);
  gate.open();
  const int result = co_await running;
  CHECK(result == 1);
  const pid_t worker = co_await last;
  CHECK(worker == before);
  co_await pool.aclose();
}

PROCESS_TEST("pool: a job cancelled before it begins does not run") {
  ProcessPool pool(1);
  const pid_t before = pool.workers().front();
  auto never = coil::create_task(pool.run([] { ::_exit(1); }));
  never.cancel();
  CHECK_AWAIT_THROWS(never, coil::CancelledError);
  const pid_t worker = co_await pool.run(::getpid);
  CHECK(worker == before);
  co_await pool.aclose();
}

PROCESS_TEST("pool: a job cancelled when its answer has come gives it") {
  for (int turns = 0; turns < 6; ++turns) {
    ProcessPool pool(1);
    auto running = coil::create_task(pool.run(twice, 4));
    for (int turn = 0; turn < turns; ++turn) co_await coil::yield();
    running.cancel();
    auto outcome = co_await coil::as_result(running);
    CHECK((outcome.cancelled() || outcome.value() == 8));
    const int next = co_await pool.run(twice, 5);
    CHECK(next == 10);
    co_await pool.aclose();
  }
}

// ---- The end ---------------------------------------------------------------------------------------------

PROCESS_TEST("pool: aclose() waits for all jobs, those in line as well, and takes no more") {
  ProcessPool pool(1);
  Gate gate;
  auto running = coil::create_task(pool.run(wait_at, gate.said, gate.go, 7));
  auto in_line = coil::create_task(pool.run(twice, 5));
  co_await gate.until_running();
  auto closing = coil::create_task(pool.aclose());
  co_await settle();
  CHECK(!closing.done());
  CHECK_AWAIT_THROWS(pool.run(twice, 1), std::logic_error);
  gate.open();
  co_await closing;
  CHECK(running.result() == 7);
  CHECK(in_line.result() == 10);
  CHECK(pool.workers().empty());
  CHECK(!coil_test::has_child());
  co_await pool.aclose();
}

PROCESS_TEST("pool: aclose() that is cancelled kills the workers") {
  ProcessPool pool(2);
  Gate gate;
  auto running = coil::create_task(pool.run(wait_at, gate.said, gate.go, 7));
  co_await gate.until_running();
  auto closing = coil::create_task(pool.aclose());
  co_await settle();
  closing.cancel();
  CHECK_AWAIT_THROWS(closing, coil::CancelledError);
  CHECK_AWAIT_THROWS(running, ProcessDied);
}

PROCESS_TEST("pool: the destructor kills the workers, with what they do") {
  Gate gate;
  coil::Task<int> running;
  coil::Task<int> in_line;
  {
    ProcessPool pool(1);
    running = coil::create_task(pool.run(wait_at, gate.said, gate.go, 7));
    in_line = coil::create_task(pool.run(twice, 5));
    co_await gate.until_running();
  }
  CHECK_AWAIT_THROWS(running, ProcessDied);
  CHECK_AWAIT_THROWS(in_line, std::logic_error);
}

PROCESS_TEST("pool: with() closes it") {
  ProcessPool pool(1);
  auto body = [](ProcessPool& used) -> Coro<int> {
    const int result = co_await used.run(twice, 5);
    co_return result;
  };
  const int result = co_await coil::with(std::move(pool), body);
  CHECK(result == 10);
  CHECK(!coil_test::has_child());
}

TEST_CASE("pool: can be made and destroyed outside a loop, and used in several") {
  {
    ProcessPool pool(2);
    CHECK(coil::run(pool.run(twice, 1)) == 2);
    CHECK(coil::run(pool.run(twice, 2)) == 4);
  }
  CHECK(!coil_test::has_child());
}

TEST_CASE("pool: its workers end with this process, busy or not") {
  // Grandchildren of this one, whose end is seen by the pipe that only they hold.
  const coil_test::Ends pipe = coil_test::make_pipe();
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(pipe.in, 1);
    ProcessPool pool(2);
    coil::run([&]() -> Coro<void> {
      auto busy = coil::create_task(pool.run([] {
        coil_test::put(1, "busy");
        for (;;) ::pause();
      }));
      co_await busy;
    });
    ::_exit(0);
  }
  char said[4];
  REQUIRE(::read(pipe.out, said, 4) == 4);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  coil_test::Fd(std::move(const_cast<coil_test::Fd&>(pipe.in))).close();
  CHECK(::read(pipe.out, said, 1) == 0);
}
