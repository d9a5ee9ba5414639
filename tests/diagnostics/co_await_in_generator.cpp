// expect-error(clang): coil: this cannot be co_awaited
// expect-error(gcc): awaitable
#include <coil/coil.hpp>

coil::AsyncGenerator<int> numbers() {
  co_await 42;
  co_yield 1;
}
