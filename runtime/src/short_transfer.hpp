#pragma once
#include <liburing.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <vector>

namespace coil::detail {

/// A transfer that is asked for in a smaller size: what the kernel is given instead.
class ShortTransfer {
public:
  /// Changes `sqe` if it is a transfer that may be short.
  void apply(io_uring_sqe& sqe, std::size_t most, std::size_t less);
  /// Tells the caller's message what the kernel has told the other one.
  void finish() noexcept;

private:
  void shorten_pieces(const ::iovec* pieces, std::size_t count, std::size_t size);

  std::vector<::iovec> pieces_;
  ::msghdr message_{};
  ::msghdr* original_ = nullptr;
};

}  // namespace coil::detail
