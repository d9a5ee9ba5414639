#pragma once

namespace coil::detail {

// Whether the running loop uses operations that go on by themselves: where its kernel has them and they work, and
// RunOptions::multishot does not turn them off.
bool can_accept_multishot() noexcept;
bool can_receive_multishot() noexcept;

}  // namespace coil::detail
