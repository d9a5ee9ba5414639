// expect-error(gcc12): coil: g\+\+ 12 destroys this temporary twice.*name it first
// expect-compiles:
#include <coil/coil.hpp>

#include <string>

struct Row {
  std::string name;
  int number;
};

coil::AsyncGenerator<Row> rows() { co_yield Row{"a name that is too long to fit", 1}; }
