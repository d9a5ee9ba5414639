// expect-error(gcc12): error: static assertion failed: coil: .*temporary closure
// expect-compiles:
#include <coil/coil.hpp>

#include <chrono>
#include <string>

using namespace std::chrono_literals;

class Resource {
public:
  coil::Coro<void> aclose() { co_await coil::sleep(1ms); }
};

coil::Coro<void> wait(std::string text) {
  Resource resource;
  co_await coil::with(resource, [text](Resource&) -> coil::Coro<void> { co_await coil::sleep(1ms); });
}
