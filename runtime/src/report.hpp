#pragma once
#include <chrono>
#include <exception>

namespace coil {
class Loop;
}

namespace coil::detail {

struct FutureState;
struct TaskState;

/// A task or future failed, and nobody can take its exception any more.
void report_never_retrieved(FutureState& state) noexcept;
/// A callback threw.
void report_callback_failed(Loop& loop, std::exception_ptr exception) noexcept;
/// A task's exception during the end of `run`.
void report_at_shutdown(TaskState& task, std::exception_ptr exception) noexcept;
/// A step or callback (`task` is null) took longer than allowed; debug mode.
void report_slow(Loop& loop, TaskState* task, std::chrono::nanoseconds took) noexcept;

}  // namespace coil::detail
