#include <coil/coil.hpp>

#include <chrono>
#include <cstdio>

coil::Coro<int> answer() {
  co_await coil::sleep(std::chrono::milliseconds(1));
  co_return 42;
}

int main() { std::printf("%d\n", coil::run(answer())); }
