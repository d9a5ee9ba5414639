#pragma once
#include <utility>

#include <coil/detail/holder.hpp>
#include <coil/detail/loop_bound.hpp>
#include <coil/detail/wait_line.hpp>

namespace coil {

/// Held by one task at a time. Fair: it goes to whoever has waited longest, and nobody gets past a waiter.
///
/// Between `release()` and the turn of the task that was woken the lock is free, but nobody else can take it.
/// Cancellation: of a task that waits, or whose turn has just come, passes the lock on to the next one.
/// Lifetime: outlives the tasks that use it. If it goes before, as a lock of main's may when main ends, its guards hold
///   nothing any more, and tasks that still wait end cancelled, or with a `std::logic_error`.
class Lock : private detail::LoopBound, private detail::Held {
public:
  class AcquireOperation;
  class ScopedOperation;
  class Guard;

  Lock() noexcept = default;

  bool locked() const noexcept { return locked_; }
  /// Waits until the lock is free and takes it.
  /// Errors: `std::logic_error` if it has to wait in another loop than others did before.
  [[nodiscard]] AcquireOperation acquire() noexcept;
  /// The same; what it gives releases the lock when it is destroyed.
  [[nodiscard]] ScopedOperation scoped() noexcept;
  /// Takes the lock if nobody holds it or waits for it.
  [[nodiscard]] bool try_acquire() noexcept {
    if (locked_ || !line_.empty()) return false;
    locked_ = true;
    return true;
  }
  /// Gives the lock back and wakes the task that has waited longest. Whoever holds it may be another task.
  /// Errors: `std::logic_error` if nobody holds it, or in another thread than that of the tasks that wait.
  void release();

private:
  detail::WaitLine line_;
  bool locked_ = false;
};

/// Holds a lock until it is destroyed. Move-only.
class [[nodiscard("coil: the lock is released at once if nobody keeps its Guard")]] Lock::Guard
    : private detail::Holder {
public:
  Guard() noexcept = default;  // holds nothing
  /// Takes over a lock that is held.
  explicit Guard(Lock& lock) noexcept : Holder(lock) {}
  Guard(Guard&&) noexcept = default;
  Guard& operator=(Guard&& other) noexcept {
    if (this != &other) {
      give_back();
      take_over(other);
    }
    return *this;
  }
  ~Guard() { give_back(); }

  /// Whether it holds a lock.
  explicit operator bool() const noexcept { return held() != nullptr; }
  /// Gives the lock back early. Errors: as `Lock::release`, or `std::logic_error` if this holds none.
  void release();

private:
  void give_back() noexcept {
    Lock* lock = static_cast<Lock*>(let_go());
    if (lock != nullptr && lock->locked()) lock->release();
  }
};

class Lock::AcquireOperation : public detail::Operation<AcquireOperation, detail::WaitLine::Waiter> {
public:
  explicit AcquireOperation(Lock& lock) noexcept : Operation(lock.line_), lock_(lock) {}

  bool await_ready() {
    if (lock_.try_acquire()) [[likely]]
      return true;
    lock_.bind("Lock::acquire");
    return false;
  }
  void await_resume() {
    if (waited()) take_or_pass_on();
  }

protected:
  Lock& lock_;

private:
  void take_or_pass_on();
};

class Lock::ScopedOperation final : public AcquireOperation {
public:
  using AcquireOperation::AcquireOperation;
  Guard await_resume() {
    AcquireOperation::await_resume();
    return Guard(lock_);
  }
};

inline Lock::AcquireOperation Lock::acquire() noexcept { return AcquireOperation(*this); }
inline Lock::ScopedOperation Lock::scoped() noexcept { return ScopedOperation(*this); }

inline void Lock::release() {
  if (!locked_) detail::throw_logic_error("coil: Lock::release() of a lock that nobody holds");
  if (line_.may_wake()) {
    check_thread("Lock::release");
    line_.wake_front();
  }
  locked_ = false;
}

}  // namespace coil
