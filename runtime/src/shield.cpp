#include <coil/shield.hpp>

namespace coil::detail {

bool ShieldWait::await_ready() const {
  if (state_->done()) return true;
  check_awaitable(state_.get());
  return false;
}

void ShieldWait::wake(FutureState*) noexcept { waking_ = wake_in_two_steps(*task_); }

Abort ShieldWait::abort() noexcept {
  if (next_ != nullptr)
    state_->waiters.remove(*this);
  else
    waking_.cancel();
  return Abort::gone;
}

}  // namespace coil::detail
