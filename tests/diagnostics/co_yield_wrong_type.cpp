// expect-error: coil: this AsyncGenerator cannot co_yield a value of this type
#include <coil/coil.hpp>

#include <string>

coil::AsyncGenerator<int> words() { co_yield std::string("not a number"); }
