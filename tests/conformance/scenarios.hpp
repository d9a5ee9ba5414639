// Coroutines that many scenarios use; their Python halves are in scenarios.py.
#pragma once
#include "conformance.hpp"

namespace conformance {

using coil::create_task;
using coil::sleep;

inline coil::Coro<int> value(std::chrono::milliseconds delay, int result) {
  co_await sleep(delay);
  co_return result;
}

inline coil::Coro<void> fail(std::chrono::milliseconds delay, std::string text) {
  co_await sleep(delay);
  throw Failure(text);
}

inline coil::Coro<void> steps(std::string name, int count) {
  for (int i = 0; i < count; ++i) {
    log(name, i);
    co_await sleep(0s);
  }
  log(name, "ends");
}

inline coil::Coro<void> park(std::string name) {
  try {
    co_await sleep(1h);
  } catch (const coil::CancelledError&) {
    log(name, std::current_exception());
    throw;
  }
}

inline coil::Coro<std::string> stubborn(std::string name, int times) {
  for (int i = 0; i < times; ++i) {
    try {
      co_await sleep(1h);
    } catch (const coil::CancelledError&) {
      log(name, "ignores", std::current_exception());
    }
  }
  co_return name;
}

/// Cleans up for a while when it is cancelled.
inline coil::Coro<void> clean_slowly(std::string name, std::chrono::milliseconds delay) {
  const auto ended = co_await coil::as_result(sleep(1h));
  co_await sleep(delay);
  log(name, "cleaned");
  ended.value();
}

inline coil::Coro<void> fail_in_cleanup(std::string text, std::chrono::milliseconds delay) {
  co_await coil::as_result(sleep(1h));
  co_await sleep(delay);
  throw Failure(text);
}

}  // namespace conformance
