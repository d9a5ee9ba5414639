#pragma once
#include <cstddef>

#include <coil/detail/check.hpp>
#include <coil/detail/operation.hpp>

namespace coil::detail {

/// Where tasks wait for one thing, in the order in which they came.
///
/// As in asyncio a waiter keeps its place until its coroutine goes on, also once it was woken or cancelled. So
/// nobody gets past one whose turn has come, and who was woken in vain knows it and can wake the next.
///
/// Lifetime: may end before its waiters do. Those that were not woken yet end with an error, or cancelled.
class WaitLine {
public:
  class Waiter;

  WaitLine() noexcept = default;
  WaitLine(const WaitLine&) = delete;
  WaitLine& operator=(const WaitLine&) = delete;
  ~WaitLine() {
    if (!waiters_.empty()) [[unlikely]]
      drop_all();
  }

  /// Whether all who stand here, if any, were cancelled.
  bool empty() const noexcept { return live_ == 0; }
  /// Whether somebody may stand here who was not woken yet.
  bool may_wake() const noexcept { return next_ != nullptr; }
  /// Wakes the first one that was neither woken nor cancelled. False if there is none.
  inline bool wake_one() noexcept;
  void wake_all() noexcept;
  /// Wakes the first one, unless it was woken or cancelled and is still to go on.
  void wake_front() noexcept;

protected:
  /// The last one before those that were not woken yet. Not for a line in which there is none.
  inline Waiter* last_before_unwoken() const noexcept;
  /// Not for the first one.
  static inline Waiter* before(const Waiter& waiter) noexcept;

private:
  inline Waiter* after(const Waiter& waiter) const noexcept;
  inline void push(Waiter& waiter) noexcept;
  inline void remove(Waiter& waiter) noexcept;
  bool wake_next() noexcept;
  void drop_all() noexcept;

  WaitQueue waiters_;
  Waiter* next_ = nullptr;  // the first one that was not woken yet, or one before it that was cancelled
  std::size_t live_ = 0;    // those that were not cancelled
};

/// Base of the operations that wait in a line. Leaves call `leave()` first when they go on after a wait.
class WaitLine::Waiter : public Suspension {
public:
  explicit Waiter(WaitLine& line) noexcept : Suspension(NeverAsked()), line_(&line) {}
  Waiter(const Waiter& other) noexcept : Suspension(NeverAsked()), line_(other.line_) {}

  void start() noexcept {
    state_ = State::waiting;
    line_->push(*this);
  }

protected:
  ~Waiter() = default;

  /// False if the operation did not have to wait.
  bool waited() const noexcept { return state_ != State::idle; }
  /// Whether it was this one's turn, even if it was cancelled afterwards.
  bool was_woken() const noexcept { return state_ == State::woken || state_ == State::stale; }
  /// Whether the line, and what it belongs to, exists no more. Of a waiter that has waited.
  bool is_orphan() const noexcept { return line_ == nullptr; }
  /// Of one that is no orphan.
  WaitLine& own_line() const noexcept { return *line_; }
  /// Gives up the place in the line, if that still exists.
  void leave() noexcept {
    if (line_ != nullptr) [[likely]]
      line_->remove(*this);
  }
  /// The same of one that was woken, is no orphan and was not cancelled while it waited.
  void leave_woken() noexcept {
    --line_->live_;
    line_->waiters_.remove(*this);
  }
  /// Whether it was woken and not told since that what it was woken for may be gone.
  bool is_fresh() const noexcept { return state_ == State::woken; }
  void grow_stale() noexcept { state_ = State::stale; }
  /// Wakes another one in place of this, if the line still exists.
  void pass_on() noexcept {
    if (line_ != nullptr) line_->wake_one();
  }
  /// Ends a wait that was for nothing but to be woken.
  /// Errors: CancelledError; as `throw_orphaned` if it was not woken before the line ended.
  void finish(const char* what);
  /// Errors: CancelledError; `std::logic_error` that says that `what` was destroyed.
  [[noreturn]] void throw_orphaned(const char* what);

private:
  friend class WaitLine;
  enum class State : unsigned char {
    idle,
    waiting,
    woken,
    stale,      // woken, but what for may be gone by now
    cancelled,  // while it waited
    dropped,    // the line ended while it waited
  };
  Abort abort() noexcept final;
  void wake_now() noexcept {
    state_ = State::woken;
    check(task_->waiting_on == this, "only the wait that a task is in wakes it");
    task_->make_ready();
  }

  WaitLine* line_;  // null once it is gone
  State state_ = State::idle;
};

/// Waits until it is woken, as often as it is awaited; for coroutines that check by themselves what they wait for. It keeps
/// its place from then on until it waits again or ends, so it knows at any time whether the line still exists.
class LineOperation final : public Operation<LineOperation, WaitLine::Waiter> {
public:
  /// `what`: of which the line is a part.
  LineOperation(WaitLine& line, const char* what) noexcept : Operation(line), what_(what) {}
  LineOperation(const LineOperation&) = delete;
  LineOperation& operator=(const LineOperation&) = delete;
  ~LineOperation() {
    if (waited()) leave();
  }
  using Waiter::is_orphan;
  using Waiter::pass_on;

  bool await_ready() const noexcept { return false; }
  void start() noexcept {
    if (waited()) leave();
    Waiter::start();
  }
  void await_resume() {
    if (is_orphan()) throw_orphaned(what_);
    throw_if_cancelled();
  }

private:
  const char* what_;
};

inline WaitLine::Waiter* WaitLine::after(const Waiter& waiter) const noexcept {
  return static_cast<Waiter*>(waiters_.after(waiter));
}

inline bool WaitLine::wake_one() noexcept {
  Waiter* waiter = next_;
  if (waiter == nullptr) return false;
  if (waiter->state_ != Waiter::State::waiting) [[unlikely]]
    return wake_next();
  next_ = after(*waiter);
  waiter->wake_now();
  return true;
}

inline WaitLine::Waiter* WaitLine::before(const Waiter& waiter) noexcept {
  return static_cast<Waiter*>(WaitQueue::before(waiter));
}

inline WaitLine::Waiter* WaitLine::last_before_unwoken() const noexcept {
  return next_ == nullptr ? static_cast<Waiter*>(waiters_.back()) : before(*next_);
}

inline void WaitLine::push(Waiter& waiter) noexcept {
  waiters_.push_back(waiter);
  if (next_ == nullptr) next_ = &waiter;
  ++live_;
}

inline void WaitLine::remove(Waiter& waiter) noexcept {
  if (next_ == &waiter) next_ = after(waiter);
  if (waiter.state_ != Waiter::State::cancelled) --live_;
  waiters_.remove(waiter);
}

}  // namespace coil::detail
