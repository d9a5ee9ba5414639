#include <coil/detail/promise.hpp>

#include <typeinfo>

#include <cxxabi.h>

#include <coil/coro.hpp>
#include <coil/error.hpp>

#include "exception_trace.hpp"

namespace coil::detail {

namespace {

/// The way of the exception that was last seen leaving a coroutine of this thread. It is held so that no other one
/// can have its address; a loop forgets it on its next turn.
struct Trace {
  std::exception_ptr exception;
  bool goes_on = false;  // it was just handed to the awaiting coroutine
  std::vector<std::source_location> awaits;
};
thread_local Trace trace;

// The loop does on its next turn; outside of loops the next one that runs.
void forget_later() noexcept {
  if (this_loop != nullptr) this_loop->notable.traces = true;
}

void note_leaving(const std::exception_ptr& exception, const std::source_location& where) noexcept {
  if (trace.exception != exception || !trace.goes_on) {
    trace.awaits.clear();
    trace.exception = exception;
    forget_later();
  }
  trace.goes_on = false;
  constexpr std::size_t awaits_max = 256;
  if (trace.awaits.size() < awaits_max) trace.awaits.push_back(where);
}

// What asks a coroutine to end is no failure, and may pass while one is on its way.
bool leaves_a_trace() noexcept {
  const std::type_info* type = abi::__cxa_current_exception_type();
  return type == nullptr || (*type != typeid(CancelledError) && *type != typeid(GeneratorExit));
}

}  // namespace

void PromiseBase::unhandled_exception() noexcept {
  std::exception_ptr exception;
  if (leaves_a_trace()) {
    exception = std::current_exception();
    note_leaving(exception, where_);
  }
  if (receiver_.is_task())
    receiver_.task().store_current_exception();
  else
    receiver_.slot().error = exception ? std::move(exception) : std::current_exception();
}

void note_rethrow(const std::exception_ptr& exception) noexcept {
  if (trace.exception == exception) trace.goes_on = true;
}

void resume_trace(const std::exception_ptr& exception, const std::vector<std::source_location>& awaits) {
  trace.exception = exception;
  trace.awaits = awaits;
  forget_later();
}

void forget_trace() noexcept {
  trace.exception = nullptr;
  trace.awaits.clear();
}

const std::vector<std::source_location>& trace_of(const std::exception_ptr& exception) noexcept {
  static const std::vector<std::source_location> none;
  return exception && trace.exception == exception ? trace.awaits : none;
}

}  // namespace coil::detail
