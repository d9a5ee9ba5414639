#include <cerrno>

#include <coil/detail/check.hpp>
#include <coil/detail/loop_core.hpp>
#include <coil/detail/ring.hpp>

#include "loop_parts.hpp"

namespace coil::detail {

// Beside EINTR numbers that the kernel keeps to itself but that leak into completions of interrupted operations:
// ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ENOIOCTLCMD and ERESTART_RESTARTBLOCK.
bool RingOperation::is_interruption(std::int32_t result) noexcept {
  return result == -EINTR || (result <= -512 && result >= -516);
}

void RingOperation::submit() noexcept {
  if (task_ != nullptr && task_->has(Ready::must_cancel)) return;  // `settle` follows, and finds us nowhere
  result_ = 0;
  cancel_requested_ = cancelled_ = false;
  parts_of(*this_loop).ring->submit(*this);
}

void RingOperation::complete(std::int32_t result, std::uint32_t, bool more) noexcept {
  check(!more, "a one-shot operation completes once");
  // A cancellation that came before the operation did anything; else its result counts.
  const bool interrupted = is_interruption(result);
  if (cancel_requested_ && ((interrupted && restarts_) || result == -ECANCELED)) {
    cancelled_ = true;
  } else if ((interrupted && restarts_) || !advance(result)) {
    if (!cancel_requested_) {
      parts_of(*this_loop).ring->submit(*this);
      return;
    }
    cancelled_ = true;
  }
  wake(nullptr);
}

bool RingOperation::advance(std::int32_t result) noexcept {
  result_ = result;
  return true;
}

std::int32_t RingOperation::take_result() {
  if (cancelled_) [[unlikely]]
    task_->throw_cancelled();
  // A request that came while the result was on its way waits for the next suspension.
  if (task_ != nullptr && task_->has(Ready::must_cancel)) [[unlikely]]
    task_->set(Ready::late_cancel);
  return result_;
}

Abort RingOperation::abort() noexcept {
  if (place_ == Place::nowhere) {
    cancelled_ = true;
    return Abort::gone;
  }
  task_->set(Ready::must_cancel | Ready::late_cancel);  // if the operation succeeds all the same, the next wait throws
  if (!cancel_requested_) {
    cancel_requested_ = true;
    parts_of(task_->core()).ring->cancel(*this);
  }
  return Abort::answer_coming;
}

bool runs_on_virtual_clock() noexcept { return parts_of(*this_loop).is_virtual; }

void Ring::count_in(const RingOperation& operation) noexcept {
  ++in_kernel_;
  ++counters_.submissions;
  self_finishing_ += operation.self_finishing();
  internal_ += operation.internal();
  may_wait_ += operation.may_wait();
}

void Ring::count_out(const RingOperation& operation) noexcept {
  check(in_kernel_ != 0, "every completion belongs to a submission");
  --in_kernel_;
  ++counters_.completions;
  self_finishing_ -= operation.self_finishing();
  internal_ -= operation.internal();
  may_wait_ -= operation.may_wait();
}

}  // namespace coil::detail
