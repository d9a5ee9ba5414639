// expect-abort(gcc12): ^coil: .*if_co_await\.cpp:\d+.*PR 106188.*(local|variable|bool)
// expect-output: the body ran
#include <coil/coil.hpp>

#include <cstdio>

coil::Coro<bool> ready() { co_return true; }

coil::Coro<void> wait() {
  if (co_await ready()) std::puts("the body ran");
}

int main() { coil::run(wait()); }
