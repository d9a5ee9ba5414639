#pragma once
#include <chrono>
#include <exception>

namespace coil {
class Loop;
}

namespace coil::detail {

struct Callback;
struct FutureState;
struct Ready;
struct TaskState;

/// A task or future failed, and nobody can take its exception any more.
void report_never_retrieved(FutureState& state) noexcept;
/// A callback threw.
void report_callback_failed(Loop& loop, const Callback& callback, std::exception_ptr exception) noexcept;
/// A task's exception during the end of `run`.
void report_at_shutdown(TaskState& task, std::exception_ptr exception) noexcept;
/// Whether COIL_DEBUG=1.
bool debug_in_environment() noexcept;
/// A task's step or a callback took longer than allowed; debug mode.
void report_slow(Loop& loop, Ready& node, std::chrono::nanoseconds took) noexcept;

}  // namespace coil::detail
