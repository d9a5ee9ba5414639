#pragma once
#include <coil/detail/operation.hpp>

namespace coil::detail {

/// One at a time, in arrival order. Whoever acquires it releases it.
class Turn {
public:
  class AcquireOperation;
  /// Cancellation: it is not acquired; one that was handed over already goes on to the next.
  AcquireOperation acquire() noexcept;
  void release() noexcept;

private:
  bool taken_ = false;
  WaitQueue waiters_;  // empty while it is not taken
};

class Turn::AcquireOperation final : public Operation<AcquireOperation> {
public:
  explicit AcquireOperation(Turn& turn) noexcept : turn_(turn) {}
  bool await_ready() noexcept {
    if (turn_.taken_) return false;
    turn_.taken_ = true;
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
    taken_ = false;
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
