#include <coil/lock.hpp>

#include <coil/detail/check.hpp>

namespace coil {

// The turn of this task has come: the lock is free, or it was cancelled.
void Lock::AcquireOperation::take_or_pass_on() {
  if (is_orphan()) throw_orphaned("Lock");
  leave();
  if (is_cancelled()) {
    if (!lock_.locked_) lock_.line_.wake_front();
    throw_if_cancelled();
  }
  detail::check(!lock_.locked_, "nobody takes a lock whose next holder was woken");
  lock_.locked_ = true;
}

void Lock::Guard::release() {
  if (held() == nullptr) detail::throw_logic_error("coil: Lock::Guard::release() of a guard that holds no lock");
  static_cast<Lock*>(held())->release();
  let_go();
}

}  // namespace coil
