// expect-error(clang): coil: this cannot be co_awaited
// expect-error(gcc): awaitable
#include <coil/coil.hpp>

coil::Coro<void> wait() { co_await 42; }
