// expect-error: coil: this AsyncGenerator cannot co_yield a value of this type
#include <coil/coil.hpp>

coil::AsyncGenerator<int&> numbers() { co_yield 42; }
