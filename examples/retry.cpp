// Retries: each attempt has a time limit, and the pause before the next one doubles. In virtual time, so that minutes
// of waiting take no time at all.
//
//   sh examples/run retry
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "support.hpp"

using namespace std::chrono_literals;
using Seconds = std::chrono::duration<double>;

struct Patience {
  int attempts;
  Seconds limit;      // of one attempt
  Seconds pause;      // before the second attempt; doubles
  Seconds pause_max;  // but grows no longer than this
};

void say(const std::string& text) {
  const Seconds now = coil::get_running_loop().time() - coil::time_point{};
  std::printf("%5.1f s: %s\n", now.count(), text.c_str());
}

// Calls `attempt(number)` until it succeeds, and gives its result; throws what the last attempt threw.
template <class F>
auto retry(F attempt, Patience patience) -> decltype(attempt(1)) {
  Seconds pause = patience.pause;
  for (int number = 1;; ++number) {
    std::string reason;
    try {
      co_return co_await coil::wait_for(attempt(number), patience.limit);
    } catch (const std::exception& failure) {  // a CancelledError is none: it passes
      if (number == patience.attempts) throw;
      reason = failure.what();
    }
    say("attempt " + std::to_string(number) + " failed: " + reason);
    co_await coil::sleep(pause);
    pause = std::min(pause * 2, patience.pause_max);
  }
}

// A server that is down, then overloaded, and answers the fifth request.
coil::Coro<std::string> request(int number) {
  if (number <= 2) throw std::runtime_error("connection refused");
  co_await coil::sleep(number < 5 ? 1h : 200ms);
  co_return "hello";
}

coil::Coro<int> ask_twice() {
  const Patience patience{.attempts = 6, .limit = 5s, .pause = 1s, .pause_max = 10s};
  const std::string answer = co_await retry(request, patience);
  say("the answer is " + answer);
  try {
    const Patience too_little{.attempts = 3, .limit = 5s, .pause = 1s, .pause_max = 10s};
    co_await retry(request, too_little);
  } catch (const coil::TimeoutError& error) {
    say(std::string("given up: ") + error.what());
  }
  co_return 0;
}

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 0, "retry");
  return example::run(ask_twice(), "", {.clock = coil::Clock::virtual_});
}
