// expect-error(gcc12): coil: g\+\+ 12 destroys this temporary twice.*name it first
// expect-compiles:
#include <coil/coil.hpp>

#include <functional>
#include <string>

coil::AsyncGenerator<std::function<std::string()>> makers(std::string text) {
  co_yield [text] { return text; };
}
