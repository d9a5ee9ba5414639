// Timeouts: one that is met, one that is not, one that is moved, and a retry with growing patience.
//
//   sh examples/run timeouts
#include <cstdio>
#include <string>

#include "support.hpp"

using namespace std::chrono_literals;

coil::Coro<std::string> answer_after(std::chrono::milliseconds delay) {
  co_await coil::sleep(delay);
  co_return "answered after " + std::to_string(delay.count()) + " ms";
}

coil::Coro<void> try_for(std::chrono::milliseconds patience) {
  try {
    const std::string answer = co_await coil::wait_for(answer_after(100ms), patience);
    std::printf("waited %ld ms at most: %s\n", static_cast<long>(patience.count()), answer.c_str());
  } catch (const coil::TimeoutError&) {
    std::printf("waited %ld ms at most: timed out\n", static_cast<long>(patience.count()));
  }
}

coil::Coro<int> timeouts() {
  co_await try_for(500ms);
  co_await try_for(20ms);

  // A whole block under one deadline, which the block itself may move.
  const auto block = [](coil::Timeout& deadline) -> coil::Coro<void> {
    std::puts("the block has 30 ms, and takes 60 more");
    deadline.reschedule(*deadline.when() + 60ms);
    co_await coil::sleep(60ms);
    std::puts("the block is done in time");
  };
  co_await coil::timeout(30ms, block);

  for (std::chrono::milliseconds patience = 25ms; patience <= 200ms; patience *= 2) co_await try_for(patience);
  co_return 0;
}

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 0, "timeouts");
  return example::run(timeouts());
}
