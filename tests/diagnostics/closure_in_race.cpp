// expect-error(gcc12): error: static assertion failed: coil: .*temporary closure
// expect-compiles:
#include <coil/coil.hpp>

#include <chrono>
#include <string>

using namespace std::chrono_literals;

coil::Coro<void> wait(std::string text) {
  co_await coil::race([text]() -> coil::Coro<void> { co_await coil::sleep(1ms); }, coil::sleep(1s));
}
