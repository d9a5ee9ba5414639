#pragma once
#include <coil/detail/operation.hpp>

namespace coil::detail {

/// One at a time, or as many as there are places, in arrival order. Whoever acquires it releases it.
class Turn {
public:
  class AcquireOperation;
  explicit Turn(unsigned places = 1) noexcept : free_(places) {}
  /// Cancellation: it is not acquired; one that was handed over already goes on to the next.
  AcquireOperation acquire() noexcept;
  void release() noexcept;

private:
  unsigned free_;
  WaitQueue waiters_;  // empty while there is a free place
};

class Turn::AcquireOperation final : public Operation<AcquireOperation> {
public:
  explicit AcquireOperation(Turn& turn) noexcept : turn_(turn) {}
  bool await_ready() noexcept {
    if (turn_.free_ == 0) return false;
    --turn_.free_;
    return true;
  }
  void start() noexcept { turn_.waiters_.push_back(*this); }
  void await_resume() {
    if (handed_over_ && is_cancelled()) turn_.release();
    throw_if_cancelled();
  }
  void wake(FutureState*) noexcept override {
    handed_over_ = true;
    Suspension::wake(nullptr);
  }

private:
  Abort abort() noexcept override {
    turn_.waiters_.remove(*this);
    return Abort::gone;
  }
  Turn& turn_;
  bool handed_over_ = false;
};

inline Turn::AcquireOperation Turn::acquire() noexcept { return AcquireOperation(*this); }

inline void Turn::release() noexcept {
  if (Suspension* next = waiters_.pop_front())
    next->wake(nullptr);
  else
    ++free_;
}

/// Releases a turn at the end of the scope.
class TurnGuard {
public:
  explicit TurnGuard(Turn& turn) noexcept : turn_(turn) {}
  TurnGuard(const TurnGuard&) = delete;
  TurnGuard& operator=(const TurnGuard&) = delete;
  ~TurnGuard() { turn_.release(); }

private:
  Turn& turn_;
};

}  // namespace coil::detail
