// expect-error: error: static assertion failed.*coil: only a function or a lambda without captures can run in another
#include <coil/coil.hpp>

coil::Coro<int> run(int number) {
  co_return co_await coil::to_process([&number] { return number; });
}
