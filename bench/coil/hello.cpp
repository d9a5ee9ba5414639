// One coroutine that prints.
#include <cstdio>

#include <coil/coil.hpp>

namespace {

coil::Coro<void> hello() {
  std::puts("hello");
  co_return;
}

}  // namespace

int main() { coil::run(hello()); }
