#pragma once
#include <coil/fault_plan.hpp>

namespace coil::detail {

/// What a FaultPlan says before there is a ring.
struct Faults {
  /// A loop begins.
  static void restart(testing::FaultPlan& plan) noexcept;
  /// Whether it has rules for the making of a ring, which then is not one that another loop has left.
  static bool concern_setup(const testing::FaultPlan& plan) noexcept;
  /// The errno that this try to make a ring is answered with, 0 for none. Without a plan there is none.
  static int setup_error(testing::FaultPlan* plan) noexcept;
};

}  // namespace coil::detail
