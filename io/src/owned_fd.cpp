#include <coil/detail/owned_fd.hpp>

#include <unistd.h>

#include "fork.hpp"

namespace coil::detail {

void OwnedFd::keep_private() noexcept {
  if (number_ < 0 || is_private_) return;
  close_in_forked_children(number_);
  is_private_ = true;
}

// Not again after EINTR: the descriptor is gone by then, and may be somebody else's.
void OwnedFd::close() noexcept {
  if (number_ < 0) return;
  const int number = std::exchange(number_, -1);
  if (std::exchange(is_private_, false))
    close_private(number);
  else
    ::close(number);
}

Fd to_fd(OwnedFd& owned) {
  const bool is_private = owned.is_private();
  Fd fd(owned.release());
  if (is_private) FdRef(fd).state()->is_private = true;
  return fd;
}

}  // namespace coil::detail
