// expect-error(gcc): error: use of deleted function
// expect-error(clang): error: .*deleted
#include <coil/coil.hpp>

bool same(const coil::Task<int>& a, const coil::Task<void>& b) { return a == b; }
