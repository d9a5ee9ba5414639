#pragma once

namespace coil::detail {

struct LoopCore;

/// Starts to close every generator that stands at a `co_yield`, in the order in which they began. False if there is
/// none.
bool close_generators(LoopCore& core) noexcept;

}  // namespace coil::detail
