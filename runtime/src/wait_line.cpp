#include <coil/detail/wait_line.hpp>

#include <stdexcept>
#include <string>

#include <coil/detail/check.hpp>

namespace coil::detail {

// ---- WaitLine --------------------------------------------------------------------------------------------

bool WaitLine::wake_next() noexcept {
  while (Waiter* waiter = next_) {
    next_ = after(*waiter);
    if (waiter->state_ != Waiter::State::waiting) continue;
    waiter->wake_now();
    return true;
  }
  return false;
}

void WaitLine::wake_all() noexcept {
  while (wake_one()) continue;
}

void WaitLine::wake_front() noexcept {
  auto* front = static_cast<Waiter*>(waiters_.front());
  if (front != nullptr && front->state_ == Waiter::State::waiting) wake_next();
}

void WaitLine::drop_all() noexcept {
  while (Suspension* node = waiters_.pop_front()) {
    auto& waiter = static_cast<Waiter&>(*node);
    waiter.line_ = nullptr;
    if (waiter.state_ != Waiter::State::waiting) continue;
    waiter.state_ = Waiter::State::dropped;
    waiter.Suspension::wake(nullptr);
  }
}

// ---- Waiter ----------------------------------------------------------------------------------------------

Abort WaitLine::Waiter::abort() noexcept {
  check(state_ == State::waiting, "a wait in a line is given up only while it lasts");
  state_ = State::cancelled;
  --line_->live_;
  return Abort::gone;
}

void WaitLine::Waiter::finish(const char* what) {
  leave();
  throw_if_cancelled();
  if (state_ == State::dropped) throw_orphaned(what);
}

void WaitLine::Waiter::throw_orphaned(const char* what) {
  throw_if_cancelled();
  throw std::logic_error("coil: the " + std::string(what) + " was destroyed while a task waited for it");
}

}  // namespace coil::detail
