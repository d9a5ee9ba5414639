// The end of `run` with functions in threads that nobody awaits any more.
#include <coil/thread_pool.hpp>
#include <coil/to_thread.hpp>

#include "../support/child.hpp"
#include "../support/loop_test.hpp"

#include <atomic>
#include <latch>
#include <stop_token>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using coil_test::virtual_time;

namespace {

/// A function for a thread: says that it has begun, and runs until it is let go, deaf to requests to stop.
struct Stuck {
  std::atomic<bool> began{false};
  std::atomic<bool> abandoned{false};
  std::atomic<bool> released{false};
  std::atomic<bool> finished{false};

  void run() {
    began = true;
    released.wait(false);
    finished = true;
  }
  void release() {
    released = true;
    released.notify_all();
  }
};

/// Leaves `stuck` running in a thread of the loop, with nobody who awaits it.
coil::Coro<void> abandon(Stuck& stuck) {
  auto task = coil::create_task(coil::to_thread([&stuck] { stuck.run(); }));
  while (!stuck.began) co_await coil::yield();
  task.cancel();
  const auto outcome = co_await coil::as_result(task);
  CHECK(outcome.cancelled());
  stuck.abandoned = true;
}

}  // namespace

TEST_CASE("run: waits at its end for functions in threads whose awaits were cancelled") {
  coil_test::LeakCheck leaks;
  for (const coil::RunOptions& options : {coil::RunOptions(), virtual_time}) {
    Stuck stuck;
    std::thread other([&] {
      while (!stuck.abandoned) std::this_thread::yield();
      stuck.release();
    });
    auto main = [&]() -> coil::Coro<int> {
      co_await abandon(stuck);
      co_return 5;
    };
    CHECK(coil::run(main, options) == 5);
    CHECK(stuck.finished);
    other.join();
  }
}

TEST_CASE("run: names at its end an abandoned function that keeps it waiting, and how long it has run") {
  coil_test::LeakCheck leaks;
  for (coil::RunOptions options : {coil::RunOptions(), virtual_time}) {
    options.stuck_function_duration = 1ms;
    Stuck stuck;
    std::vector<std::string> told;
    std::string file;
    auto main = [&]() -> coil::Coro<void> {
      coil::get_running_loop().set_exception_handler([&](const coil::ErrorContext& error) {
        told.push_back(error.message);
        file = error.where.file_name();
        if (told.size() == 2) stuck.release();  // it is named again while it goes on
      });
      coil::get_running_loop().call_later(24h, [] { FAIL("a timer fired at the end"); });
      co_await abandon(stuck);
    };
    coil::run(main, options);
    CHECK(stuck.finished);
    REQUIRE(told.size() >= 2);
    for (const std::string& message : told) {
      CHECK(message.starts_with("coil::run() waits for a function in another thread, which has run for 0."));
      CHECK(message.find(" s: ") != message.npos);
      CHECK(message.find("abandon(") != message.npos);
      CHECK(message.find("to_thread_end_test.cpp:") != message.npos);
    }
    CHECK(file.ends_with("to_thread_end_test.cpp"));
  }
}

TEST_CASE("run: names at its end a function that does not obey the request to stop") {
  coil_test::LeakCheck leaks;
  coil::ThreadPool pool(1);  // also one of another pool
  Stuck stuck;
  std::vector<std::string> told;
  auto main = [&]() -> coil::Coro<void> {
    coil::get_running_loop().set_exception_handler([&](const coil::ErrorContext& error) {
      told.push_back(error.message);
      stuck.release();
    });
    coil::create_task(pool.run([&](const std::stop_token&) { stuck.run(); }));
    while (!stuck.began) co_await coil::yield();
  };
  coil::run(main, {.stuck_function_duration = 1ms});
  CHECK(stuck.finished);
  REQUIRE(told.size() >= 1);
  CHECK(told[0].find("to_thread_end_test.cpp:") != told[0].npos);
}

TEST_CASE("run: a function that ends in time is not named") {
  coil_test::LeakCheck leaks;
  coil_test::Reports reports;
  Stuck stuck;
  auto main = [&]() -> coil::Coro<void> {
    reports.collect_from(coil::get_running_loop());
    co_await abandon(stuck);
    stuck.release();
  };
  coil::run(main);
  CHECK(reports.size() == 0);
}

TEST_CASE("run: while it waits for a function at its end, the loop still takes what that posts") {
  coil_test::LeakCheck leaks;
  coil_test::Reports reports;
  std::latch go(1);
  std::atomic<bool> answered{false};
  std::atomic<bool> began{false};
  bool saw_answer = false;
  auto main = [&]() -> coil::Coro<void> {
    auto& loop = coil::get_running_loop();
    reports.collect_from(loop);
    auto task = coil::create_task(coil::to_thread([&] {
      began = true;
      go.wait();
      loop.call_soon_threadsafe([&] { answered = true; });
      while (!answered) std::this_thread::yield();
      saw_answer = true;
      throw std::runtime_error("at last");
    }));
    while (!began) co_await coil::yield();
    task.cancel();
    const auto outcome = co_await coil::as_result(task);
    CHECK(outcome.cancelled());
    go.count_down();
  };
  coil::run(main, virtual_time);
  CHECK(saw_answer);
  CHECK(reports.take().error == "at last");
}

TEST_CASE("run: a task that is started while it waits for a function at its end is cancelled, and gets no thread") {
  coil_test::LeakCheck leaks;
  std::latch go(1);
  std::atomic<bool> began{false};
  std::atomic<bool> task_ended{false};
  std::string log;
  auto late = [&]() -> coil::Coro<void> {
    const auto outcome = co_await coil::as_result(coil::to_thread([&] { log += "called;"; }));
    log += coil_test::text_of(outcome.exception());
    task_ended = true;
  };
  auto main = [&]() -> coil::Coro<void> {
    auto& loop = coil::get_running_loop();
    auto task = coil::create_task(coil::to_thread([&] {
      began = true;
      go.wait();
      loop.call_soon_threadsafe([&] { coil::create_task(late()); });
      while (!task_ended) std::this_thread::yield();
    }));
    while (!began) co_await coil::yield();
    task.cancel();
    const auto outcome = co_await coil::as_result(task);
    CHECK(outcome.cancelled());
    go.count_down();
  };
  coil::run(main, virtual_time);
  CHECK(log == "coil: ThreadPool::run() after shutdown()");
}

TEST_CASE("run: tasks may call functions in threads while they clean up") {
  coil_test::LeakCheck leaks;
  int result = 0;
  auto work = [&]() -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(0);
    result = co_await coil::to_thread([] { return 5; });
  };
  auto main = [&]() -> coil::Coro<void> {
    coil::create_task(work());
    co_await coil::sleep(1s);
  };
  coil::run(main, virtual_time);
  CHECK(result == 5);
}

TEST_CASE("run: no thread of the loop is left when it is over") {
  const auto threads = [] {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) ++count;
    return count;
  };
  const std::size_t before = threads();
  auto main = []() -> coil::Coro<void> {
    std::latch both(2);
    const auto meet = [&] { both.arrive_and_wait(); };
    co_await coil::gather(coil::to_thread(meet), coil::to_thread(meet));
  };
  coil::run(main, virtual_time);
  while (threads() > before) std::this_thread::yield();  // the kernel lists a thread for a moment after its end
}

TEST_CASE("Runner: a loop's threads stay from run to run, and end with it") {
  coil_test::LeakCheck leaks;
  Stuck stuck;
  coil::Runner runner(virtual_time);
  auto first = [&]() -> coil::Coro<void> { co_await abandon(stuck); };
  runner.run(first);
  CHECK(!stuck.finished);
  auto second = []() -> coil::Coro<int> { co_return co_await coil::to_thread([] { return 5; }); };
  CHECK(runner.run(second) == 5);
  stuck.release();
  runner.close();
  CHECK(stuck.finished);
}

TEST_CASE("ThreadPool: a function whose loop is gone finishes, and its exception is printed") {
  const auto result = coil_test::in_child([] {
    Stuck stuck;
    coil::ThreadPool pool(1);
    auto main = [&]() -> coil::Coro<void> {
      auto task = coil::create_task(pool.run([&] {
        stuck.run();
        throw std::runtime_error("too late");
      }));
      while (!stuck.began) co_await coil::yield();
    };
    coil::run(main);
    if (stuck.finished) return 1;
    stuck.release();
    pool.shutdown();
    return stuck.finished ? 0 : 2;
  });
  CHECK(result.exited_with(0));
  CHECK(result.said("coil: nobody took the exception of a function in another thread: "));
  CHECK(result.said("too late"));
}
