#include "multishot.hpp"

#include <liburing.h>
#include <sys/utsname.h>

#include <cstdio>

#include <coil/detail/loop_core.hpp>

#include "loop_parts.hpp"

namespace coil::detail {

namespace {

// Only the release tells: a later opcode shows that the kernel has what came with it.
bool supports(unsigned opcode) noexcept {
  LoopParts& parts = parts_of(*this_loop);
  return parts.options.multishot && parts.ring->supports(opcode);
}

// Linux 6.6 to 6.7 gives numbers that are no connection while another connection receives (liburing issue 1062).
bool accept_is_broken() noexcept {
  static const bool broken = [] {
    utsname kernel{};
    int major = 0;
    int minor = 0;
    ::uname(&kernel);
    return std::sscanf(kernel.release, "%d.%d", &major, &minor) == 2 && major == 6 && (minor == 6 || minor == 7);
  }();
  return broken;
}

}  // namespace

bool can_accept_multishot() noexcept { return supports(IORING_OP_SOCKET) && !accept_is_broken(); }  // 5.19
bool can_poll_first() noexcept { return supports(IORING_OP_SOCKET); }                               // 5.19
bool can_receive_multishot() noexcept { return supports(IORING_OP_SEND_ZC); }                       // 6.0

}  // namespace coil::detail
