// SignalSet.
#include <coil/signal_set.hpp>

#include "../support/io_test.hpp"

#include <signal.h>

using coil::SignalSet;
using coil_test::settle;

namespace {

bool is_default(int signal) {
  struct sigaction action{};
  ::sigaction(signal, nullptr, &action);
  return action.sa_handler == SIG_DFL;
}

}  // namespace

IO_TEST("signal_set: gives the signals in the order in which they come, and each once") {
  SignalSet signals(SIGUSR1, SIGTERM);
  auto waiting = coil::create_task(signals.wait());
  co_await settle();
  CHECK(!waiting.done());
  ::raise(SIGTERM);
  int signal = co_await waiting;
  CHECK(signal == SIGTERM);
  ::raise(SIGUSR1);
  ::raise(SIGUSR1);
  co_await settle();
  signal = co_await signals.wait();
  CHECK(signal == SIGUSR1);
  CHECK_AWAIT_THROWS(coil::wait_for(signals.wait(), std::chrono::seconds(1)), coil::TimeoutError);
}

IO_TEST("signal_set: of two who wait one gets a signal; one who is cancelled loses none") {
  SignalSet signals(SIGUSR1);
  auto first = coil::create_task(signals.wait());
  auto second = coil::create_task(signals.wait());
  co_await settle();
  ::raise(SIGUSR1);
  while (!first.done()) {
    first.cancel();
    co_await coil::yield();
  }
  if (first.cancelled()) {
    const int signal = co_await second;
    CHECK(signal == SIGUSR1);
  } else {
    CHECK(!second.done());
  }
}

IO_TEST("signal_set: at its end the dispositions are back, and who waits is told") {
  auto signals = std::make_unique<SignalSet>(SIGUSR2);
  CHECK(!is_default(SIGUSR2));
  auto waiting = coil::create_task(signals->wait());
  co_await settle();
  signals.reset();
  CHECK(is_default(SIGUSR2));
  CHECK_AWAIT_FAILS_WITH(waiting, "coil: SignalSet::wait() of one that is closed");
  CHECK_THROWS_AS(SignalSet(SIGUSR1, SIGKILL), std::invalid_argument);
  CHECK(is_default(SIGUSR1));
}

TEST_CASE("signal_set: it may outlive its loop") {
  std::unique_ptr<SignalSet> signals;
  auto main = [&]() -> coil::Coro<void> {
    signals = std::make_unique<SignalSet>(SIGUSR1);
    co_await settle();
  };
  coil::run(main);
  CHECK(is_default(SIGUSR1));
}
