#pragma once
#include <climits>
#include <cstdint>

namespace coil::detail {

class RingOperation;

/// What befalls the calls that a ring makes to the kernel, and what these answer, for tests: see testing::FaultPlan.
class RingFaults {
public:
  struct Call {
    int error = 0;                        ///< The errno that it is answered with, without being made; 0: none.
    unsigned submissions_max = UINT_MAX;  ///< That it passes on; the others stay in the queue.
  };
  /// Of the next call that submits and waits.
  virtual Call next_call() noexcept = 0;
  /// What the request to stop `operation` is answered: a negative errno, 0 for what the kernel says.
  virtual std::int32_t answer_to_cancel(RingOperation& operation) noexcept = 0;
  /// Whether its last completion comes once more.
  virtual bool comes_twice(const RingOperation& operation) const noexcept = 0;

protected:
  ~RingFaults() = default;
};

}  // namespace coil::detail
