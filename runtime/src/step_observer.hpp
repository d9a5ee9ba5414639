#pragma once
#include <chrono>

#include <coil/detail/state.hpp>

namespace coil::detail {

/// Sees each step of a loop's tasks, and does not let it wait for ever. For tests.
class StepObserver {
public:
  virtual ~StepObserver() = default;
  virtual void before_step(TaskState& task) noexcept = 0;
  virtual void after_step(TaskState& task) noexcept = 0;
  /// The time, by the real clock, has come.
  virtual void overdue() noexcept = 0;

  std::chrono::steady_clock::time_point deadline{};
};

}  // namespace coil::detail
