#pragma once

namespace coil::detail {

/// What not every kernel has, and coil does without.
enum class RingFeature : unsigned char {
  defer_taskrun,      // 6.1: completions are worked out when the loop asks for them
  coop_taskrun,       // 5.19: and not in the middle of other work
  registered_fd,      // 5.18
  worker_limits,      // 5.15
  multishot_accept,   // 5.19
  multishot_receive,  // 6.0
  waitid,             // 6.7
  ftruncate,          // 6.9
};

/// Which of them may be used: all but those that COIL_RING_WITHOUT names, a list with commas, or `all`. So tests see
/// how coil does on older kernels.
class RingFeatures {
public:
  RingFeatures() = default;
  /// Errors: `std::invalid_argument` for a name that does not exist.
  static RingFeatures from_environment();

  bool may_use(RingFeature feature) const noexcept { return (without_ & bit(feature)) == 0; }
  /// The same for what the kernel is asked by its opcode.
  bool may_use_opcode(unsigned opcode) const noexcept;

private:
  static constexpr unsigned bit(RingFeature feature) noexcept { return 1U << static_cast<unsigned>(feature); }
  unsigned without_ = 0;
};

}  // namespace coil::detail
