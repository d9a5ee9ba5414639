#include <coil/detail/owned_fd.hpp>

#include <unistd.h>

namespace coil::detail {

// Not again after EINTR: the descriptor is gone by then, and may be somebody else's.
void OwnedFd::close() noexcept {
  if (number_ >= 0) ::close(std::exchange(number_, -1));
}

}  // namespace coil::detail
