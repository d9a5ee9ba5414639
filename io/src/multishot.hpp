#pragma once

namespace coil::detail {

// Whether the running loop uses operations that go on by themselves: where its kernel has them and they work, and
// RunOptions::multishot does not turn them off.
bool can_accept_multishot() noexcept;
bool can_receive_multishot() noexcept;
// Whether its kernel waits for data without a look first: IORING_RECVSEND_POLL_FIRST.
bool can_poll_first() noexcept;

}  // namespace coil::detail
