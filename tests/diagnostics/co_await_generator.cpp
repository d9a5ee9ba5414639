// expect-error(clang): coil: this cannot be co_awaited: .*next\(\)
// expect-error(gcc): await_ready.*AsyncGenerator
#include <coil/coil.hpp>

coil::AsyncGenerator<int> numbers() { co_yield 1; }

coil::Coro<void> read() { co_await numbers(); }
