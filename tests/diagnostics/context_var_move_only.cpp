// expect-error: coil: a ContextVar holds copyable objects
#include <coil/coil.hpp>

#include <memory>

coil::ContextVar<std::unique_ptr<int>> number("number");
