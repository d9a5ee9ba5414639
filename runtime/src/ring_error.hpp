#pragma once

namespace coil::detail {

/// Throws RingUnavailableError: what refused io_uring, and what to do about it.
[[noreturn]] void throw_ring_unavailable(int error);

}  // namespace coil::detail
