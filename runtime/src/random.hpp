#pragma once
#include <cstdint>

namespace coil::detail {

/// The next number of a sequence that its first state decides. After Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators" (2014).
inline std::uint64_t next_random(std::uint64_t& state) noexcept {
  std::uint64_t z = (state += 0x9e3779b97f4a7c15U);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

/// From 0 to below 1.
inline double random_fraction(std::uint64_t& state) noexcept {
  return static_cast<double>(next_random(state) >> 11) * 0x1p-53;
}

}  // namespace coil::detail
