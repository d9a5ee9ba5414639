// add_signal_handler and remove_signal_handler in one thread.
#include <coil/loop.hpp>

#include "../support/disposition.hpp"
#include "../support/loop_test.hpp"

#include <signal.h>

#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil_test::Disposition;
using coil_test::goes_to;
using coil_test::SignalFunction;
using coil_test::virtual_time;

namespace {

int calls_of_c_handler = 0;
void count_in_c(int) { ++calls_of_c_handler; }

std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "not refused";
}

}  // namespace

LOOP_TEST("signal handler: is called by the loop, after what was ready, not inside the C handler") {
  auto& loop = coil::get_running_loop();
  std::string log;
  coil::Loop* called_in = nullptr;
  loop.add_signal_handler(SIGUSR1, [&] {
    called_in = &coil::get_running_loop();
    log += "signal;";
  });
  ::raise(SIGUSR1);
  loop.call_soon([&] { log += "ready;"; });
  CHECK(log == "");
  co_await coil::sleep(1s);
  CHECK(log == "ready;signal;");
  CHECK(called_in == &loop);
}

LOOP_TEST("signal handler: is called again for each time that the signal comes") {
  auto& loop = coil::get_running_loop();
  int calls = 0;
  loop.add_signal_handler(SIGUSR1, [&] { ++calls; });
  for (int i = 1; i <= 5; ++i) {
    ::raise(SIGUSR1);
    co_await coil::sleep(1s);
    CHECK(calls == i);
  }
}

LOOP_TEST("signal handler: signals that come before it runs are one, as POSIX does with pending ones") {
  auto& loop = coil::get_running_loop();
  int calls = 0;
  loop.add_signal_handler(SIGUSR1, [&] { ++calls; });
  for (int i = 0; i < 100; ++i) ::raise(SIGUSR1);
  co_await coil::sleep(1s);
  CHECK(calls == 1);
  loop.call_soon([&] {
    for (int i = 0; i < 100; ++i) ::raise(SIGUSR1);
  });
  co_await coil::sleep(1s);
  CHECK(calls == 2);
}

LOOP_TEST("signal handler: several signals have a handler each, called in the order in which the signals came") {
  auto& loop = coil::get_running_loop();
  std::string log;
  const std::vector<int> signals = {SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGRTMIN};
  for (const int signal : signals)
    loop.add_signal_handler(signal, [&log, signal] { log += std::to_string(signal) + ";"; });
  std::string expected;
  for (auto signal = signals.rbegin(); signal != signals.rend(); ++signal) {
    ::raise(*signal);
    expected += std::to_string(*signal) + ";";
  }
  co_await coil::sleep(1s);
  CHECK(log == expected);
}

LOOP_TEST("signal handler: a signal does not let the virtual clock jump") {
  std::chrono::nanoseconds at{-1};
  coil::get_running_loop().add_signal_handler(SIGUSR1, [&] { at = coil_test::elapsed(); });
  ::raise(SIGUSR1);
  co_await coil::sleep(1h);
  CHECK(at == 0s);
}

LOOP_TEST("signal handler: what it throws reaches the exception handler, and it is called again") {
  auto& loop = coil::get_running_loop();
  const unsigned line = __LINE__ + 1;
  loop.add_signal_handler(SIGUSR1, [] { throw std::runtime_error("from a signal"); });
  for (int i = 0; i < 2; ++i) {
    ::raise(SIGUSR1);
    co_await coil::sleep(1s);
    const auto report = reports.take();
    CHECK(report.error == "from a signal");
    CHECK(report.line == line);
  }
}

LOOP_TEST("signal handler: one for the same signal replaces the first, also for a signal that has come already") {
  auto& loop = coil::get_running_loop();
  std::string log;
  auto kept = std::make_shared<int>(0);
  loop.add_signal_handler(SIGUSR1, [&log, kept] { log += "old;"; });
  ::raise(SIGUSR1);
  loop.add_signal_handler(SIGUSR1, [&] { log += "new;"; });
  CHECK(kept.use_count() == 1);
  co_await coil::sleep(1s);
  CHECK(log == "new;");
  loop.call_soon([&] { loop.add_signal_handler(SIGUSR1, [&] { log += "newest;"; }); });
  ::raise(SIGUSR1);  // its handler is queued behind the one that replaces it
  co_await coil::sleep(1s);
  CHECK(log == "new;newest;");
}

LOOP_TEST("signal handler: it may remove or replace itself") {
  auto& loop = coil::get_running_loop();
  std::string log;
  loop.add_signal_handler(SIGUSR1, [&, word = std::make_unique<std::string>("a word that is kept on the heap")] {
    CHECK(loop.remove_signal_handler(SIGUSR1));
    log += *word + ";";
  });
  loop.add_signal_handler(SIGUSR2, [&, word = std::make_unique<std::string>("one more word, on the heap, too")] {
    loop.add_signal_handler(SIGUSR2, [&] { log += "other;"; });
    log += *word + ";";
  });
  ::raise(SIGUSR1);
  ::raise(SIGUSR2);
  co_await coil::sleep(1s);
  CHECK(log == "a word that is kept on the heap;one more word, on the heap, too;");
  CHECK(!loop.remove_signal_handler(SIGUSR1));
  ::raise(SIGUSR2);
  co_await coil::sleep(1s);
  CHECK(log.ends_with("other;"));
}

LOOP_TEST("signal handler: once removed it is not called any more, also for a signal that has come already") {
  const Disposition quiet(SIGUSR1, SIG_IGN);
  auto& loop = coil::get_running_loop();
  int calls = 0;
  auto kept = std::make_shared<int>(0);
  loop.add_signal_handler(SIGUSR1, [&calls, kept] { ++calls; });
  ::raise(SIGUSR1);
  CHECK(loop.remove_signal_handler(SIGUSR1));
  CHECK(kept.use_count() == 1);
  ::raise(SIGUSR1);
  co_await coil::sleep(1s);
  CHECK(calls == 0);

  loop.add_signal_handler(SIGUSR1, [&] { ++calls; });  // not for one of before
  co_await coil::sleep(1s);
  CHECK(calls == 0);
  loop.call_soon([&] { loop.remove_signal_handler(SIGUSR1); });
  ::raise(SIGUSR1);  // its handler is queued behind the one that removes it
  co_await coil::sleep(1s);
  CHECK(calls == 0);
}

LOOP_TEST("remove_signal_handler: says whether there was one") {
  auto& loop = coil::get_running_loop();
  CHECK(!loop.remove_signal_handler(SIGUSR1));
  CHECK(!loop.remove_signal_handler(SIGKILL));
  loop.add_signal_handler(SIGUSR1, [] {});
  CHECK(!loop.remove_signal_handler(SIGUSR2));
  CHECK(loop.remove_signal_handler(SIGUSR1));
  CHECK(!loop.remove_signal_handler(SIGUSR1));
  co_await coil::yield();
}

LOOP_TEST("remove_signal_handler: restores the disposition that was there before") {
  auto& loop = coil::get_running_loop();
  for (const SignalFunction before : {SIG_DFL, SIG_IGN, SignalFunction{count_in_c}}) {
    const Disposition set(SIGUSR1, before);
    loop.add_signal_handler(SIGUSR1, [] {});
    loop.add_signal_handler(SIGUSR1, [] {});
    CHECK(!goes_to(SIGUSR1, before));
    loop.remove_signal_handler(SIGUSR1);
    CHECK(goes_to(SIGUSR1, before));
  }
  const Disposition set(SIGUSR1, count_in_c);
  loop.add_signal_handler(SIGUSR1, [] {});
  ::raise(SIGUSR1);
  CHECK(calls_of_c_handler == 0);
  loop.remove_signal_handler(SIGUSR1);
  ::raise(SIGUSR1);
  CHECK(calls_of_c_handler == 1);
  co_await coil::yield();
}

LOOP_TEST("remove_signal_handler: leaves a disposition alone that the program has set meanwhile") {
  const Disposition restored(SIGUSR1, SIG_DFL);
  auto& loop = coil::get_running_loop();
  loop.add_signal_handler(SIGUSR1, [] {});
  ::signal(SIGUSR1, count_in_c);
  CHECK(loop.remove_signal_handler(SIGUSR1));
  CHECK(goes_to(SIGUSR1, count_in_c));
  co_await coil::yield();
}

TEST_CASE("signal handler: the end of the loop restores the dispositions and releases what the handlers hold") {
  coil_test::LeakCheck leaks;
  const Disposition ignored(SIGUSR1, SIG_IGN);
  const Disposition counted(SIGUSR2, count_in_c);
  auto kept = std::make_shared<int>(0);
  bool called = false;
  auto main = [&]() -> coil::Coro<void> {
    auto& loop = coil::get_running_loop();
    loop.add_signal_handler(SIGUSR1, [&called, kept] { called = true; });
    loop.add_signal_handler(SIGUSR2, [kept] {});
    co_await coil::yield();
    ::raise(SIGUSR1);
  };
  coil::run(main, virtual_time);
  CHECK(goes_to(SIGUSR1, SIG_IGN));
  CHECK(goes_to(SIGUSR2, count_in_c));
  CHECK(kept.use_count() == 1);
  CHECK(!called);
}

TEST_CASE("signal handler: is called while the tasks that are left clean up") {
  coil_test::LeakCheck leaks;
  std::string log;
  auto clean = [&]() -> coil::Coro<void> {
    co_await coil_test::return_when_cancelled(0);
    ::raise(SIGUSR1);
    co_await coil::sleep(1s);
    log += "cleaned;";
  };
  auto main = [&]() -> coil::Coro<void> {
    coil::get_running_loop().add_signal_handler(SIGUSR1, [&] { log += "signal;"; });
    coil::create_task(clean());
    co_await coil::sleep(1s);
  };
  coil::run(main, virtual_time);
  CHECK(log == "signal;cleaned;");
}

TEST_CASE("signal handler: one that comes between two runs of a Runner is handled in the second") {
  coil_test::LeakCheck leaks;
  int calls = 0;
  coil::Runner runner(virtual_time);
  runner.loop().add_signal_handler(SIGUSR1, [&] { ++calls; });
  ::raise(SIGUSR1);
  CHECK(calls == 0);
  runner.run(coil::yield());
  CHECK(calls == 1);
  ::raise(SIGUSR1);
  runner.run(coil::sleep(1s));
  CHECK(calls == 2);
  CHECK(runner.loop().remove_signal_handler(SIGUSR1));
}

LOOP_TEST(
    "add_signal_handler: what is no signal, cannot be caught or cannot wait is an invalid_argument that says so") {
  auto& loop = coil::get_running_loop();
  const auto adding = [&](int signal) { return refusal([&] { loop.add_signal_handler(signal, [] {}); }); };
  const auto removing = [&](int signal) { return refusal([&] { loop.remove_signal_handler(signal); }); };
  for (const int signal : {0, -1, 32, 33, 65, 1000, std::numeric_limits<int>::max(), std::numeric_limits<int>::min()}) {
    const std::string number = std::to_string(signal);
    CHECK(adding(signal) == "coil: add_signal_handler(): invalid signal number " + number);
    CHECK(removing(signal) == "coil: remove_signal_handler(): invalid signal number " + number);
  }
  CHECK(adding(SIGKILL) == "coil: add_signal_handler(): SIGKILL cannot be caught");
  CHECK(adding(SIGSTOP) == "coil: add_signal_handler(): SIGSTOP cannot be caught");
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL})
    CHECK(adding(signal).find(" comes of the instruction that fails") != std::string::npos);
  co_await coil::yield();
}

LOOP_TEST("add_signal_handler: every other signal can be had, and is given back") {
  auto& loop = coil::get_running_loop();
  std::vector<int> signals;
  int calls = 0;
  for (int signal = 1; signal < NSIG; ++signal)
    if (refusal([&] { loop.add_signal_handler(signal, [&] { ++calls; }); }) == "not refused") signals.push_back(signal);
  CHECK(signals.size() == 64 - 2 - 2 - 4);
  for (const int signal : signals) {
    CHECK(!goes_to(signal, SIG_DFL));
    ::raise(signal);
  }
  co_await coil::sleep(1s);
  CHECK(calls == std::ssize(signals));
  for (const int signal : signals) CHECK(loop.remove_signal_handler(signal));
  for (const int signal : {SIGTRAP, SIGWINCH, SIGRTMIN, SIGRTMAX}) CHECK(goes_to(signal, SIG_DFL));
}

LOOP_TEST("signal handler: is no operation, no task and no timer in the metrics") {
  auto& loop = coil::get_running_loop();
  const auto before = loop.metrics();
  loop.add_signal_handler(SIGUSR1, [] {});
  ::raise(SIGUSR1);
  co_await coil::sleep(1s);
  const auto after = loop.metrics();
  CHECK(after.tasks == before.tasks);
  CHECK(after.timers == before.timers);
  CHECK(after.operations_in_flight == 0);
  CHECK(after.submissions == before.submissions);
  CHECK(after.completions == before.completions);
}
