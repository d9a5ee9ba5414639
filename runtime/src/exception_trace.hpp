#pragma once
#include <exception>
#include <source_location>
#include <vector>

namespace coil::detail {

/// Takes up the trace of an exception that a task kept, before it is thrown at an awaiter.
void resume_trace(const std::exception_ptr& exception, const std::vector<std::source_location>& trace);
void forget_trace() noexcept;
/// The awaits that `exception` came through so far, innermost first; empty if it is not the one last seen.
const std::vector<std::source_location>& trace_of(const std::exception_ptr& exception) noexcept;

}  // namespace coil::detail
