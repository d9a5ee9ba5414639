// expect-error: error: static assertion failed.*coil: arguments for another process are trivially copyable, and no pointer
#include <coil/coil.hpp>

coil::Coro<int> run(int* number) {
  co_return co_await coil::to_process([](int* pointed) { return *pointed; }, number);
}
