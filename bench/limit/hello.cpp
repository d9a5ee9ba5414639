// The least that starts a loop, runs a coroutine and prints.
#include <cstdio>

#include "runtime.hpp"

namespace {

limit::Job hello() {
  std::puts("hello");
  co_return;
}

}  // namespace

int main() {
  hello().start();
  limit::loop.run();
}
