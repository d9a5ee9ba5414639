#include <coil/detail/loop_bound.hpp>

#include <stdexcept>
#include <string>

namespace coil::detail {

void LoopBound::throw_other_loop(const char* call) {
  throw std::logic_error("coil: " + std::string(call) +
                         "(): it belongs to another event loop, the first one that waited for it");
}

void LoopBound::throw_other_thread(const char* call) {
  throw std::logic_error("coil: " + std::string(call) +
                         "() from another thread than that of the tasks that wait; use Loop::call_soon_threadsafe");
}

}  // namespace coil::detail
