// The smallest program: one coroutine that waits and prints.
//
//   sh examples/run hello
#include <cstdio>

#include "support.hpp"

using namespace std::chrono_literals;

coil::Coro<int> hello() {
  std::puts("hello");
  co_await coil::sleep(100ms);
  std::puts("world");
  co_return 0;
}

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 0, "hello");
  return example::run(hello());
}
