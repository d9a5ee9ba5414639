#pragma once
#include <exception>

#include <coil/detail/thread_function.hpp>

namespace coil::detail {

class Inbox;
struct LoopCore;

/// A function in another thread threw, and nobody took its exception. `home` is the loop it came from, or null.
/// Threads: any.
void report_thread_failed(Inbox* home, const ThreadFunction::Description& function,
                          std::exception_ptr exception) noexcept;
/// Names the functions in other threads for which `run` has been waiting at its end, once it is time to.
void report_stuck_functions(LoopCore& core) noexcept;

}  // namespace coil::detail
