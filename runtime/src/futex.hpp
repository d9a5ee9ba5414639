#pragma once
#include <climits>
#include <cstdint>

#include <coil/clock.hpp>

namespace coil::detail {

/// Blocks the thread while `word` holds `expected`. May return without cause.
void futex_wait(const std::uint32_t& word, std::uint32_t expected) noexcept;

/// The same, until `deadline` of CLOCK_MONOTONIC at the latest. False once that has passed.
bool futex_wait_until(const std::uint32_t& word, std::uint32_t expected, time_point deadline) noexcept;

/// Wakes up to `count` threads and tasks that wait on `word`, and gives how many. To be called after a change of the
/// word that is sequentially consistent.
int futex_wake(const std::uint32_t& word, int count) noexcept;

inline constexpr int everyone = INT_MAX;

}  // namespace coil::detail
