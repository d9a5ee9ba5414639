#include <coil/semaphore.hpp>

#include <coil/error.hpp>

namespace coil {

Semaphore::Semaphore(std::ptrdiff_t value, std::ptrdiff_t bound) : value_(value), bound_(bound) {
  if (value < 0) detail::throw_invalid_argument("coil: Semaphore(value): the value must not be negative");
}

void Semaphore::throw_too_often() {
  detail::throw_invalid_argument("coil: BoundedSemaphore::release() called more often than acquire()");
}

// Those who came while the permits of tasks just woken were still to be taken had to wait behind them.
void Semaphore::wake_allowed() noexcept {
  while (value_ > 0 && line_.wake_one()) --value_;
}

// The turn of this task has come: a permit was put aside for it, or it was cancelled, perhaps both.
void Semaphore::AcquireOperation::keep_or_pass_on() {
  if (is_orphan()) throw_orphaned("Semaphore");
  leave();
  const bool cancelled = is_cancelled();
  if (cancelled && was_woken()) ++semaphore_.value_;
  semaphore_.wake_allowed();
  if (cancelled) throw_if_cancelled();
}

void Semaphore::Permit::release() {
  if (held() == nullptr) detail::throw_logic_error("coil: Semaphore::Permit::release() of one that holds no permit");
  static_cast<Semaphore*>(held())->release();
  let_go();
}

}  // namespace coil
