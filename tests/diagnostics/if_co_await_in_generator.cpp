// expect-abort(gcc12): ^coil: .*if_co_await_in_generator\.cpp:\d+.*PR 106188.*(local|variable|bool)
// expect-output: the body ran
#include <coil/coil.hpp>

#include <cstdio>

coil::Coro<bool> ready() { co_return true; }

coil::AsyncGenerator<int> values() {
  if (co_await ready()) co_yield 1;
}

coil::Coro<void> read() {
  auto generator = values();
  while (const int* value = co_await generator.next())
    if (*value == 1) std::puts("the body ran");
}

int main() { coil::run(read()); }
