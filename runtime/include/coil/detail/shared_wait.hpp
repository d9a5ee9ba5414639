#pragma once
#include <cstddef>
#include <cstdint>

#include <coil/clock.hpp>
#include <coil/detail/futex_lock.hpp>
#include <coil/detail/operation.hpp>
#include <coil/detail/remote_suspension.hpp>

namespace coil::detail {

class SharedWait;

/// Those whose wait is over, to be woken when the lock is free again: declare it before the guard.
class Wakes {
public:
  Wakes() noexcept = default;
  Wakes(const Wakes&) = delete;
  Wakes& operator=(const Wakes&) = delete;
  ~Wakes() {
    if (!waiters_.empty()) wake_all();
  }

private:
  friend class SharedLine;
  void wake_all() noexcept;
  WaitQueue waiters_;
};

/// Where tasks of any loop, and threads that block, wait for one thing, in the order in which they came. All of it under
/// the lock of that thing, but for what `Wakes` does.
class SharedLine {
public:
  SharedLine() noexcept = default;
  SharedLine(const SharedLine&) = delete;
  SharedLine& operator=(const SharedLine&) = delete;

  bool empty() const noexcept { return waiters_.empty(); }
  void push(SharedWait& waiter) noexcept;
  void remove(SharedWait& waiter) noexcept;
  SharedWait* first() const noexcept;
  /// The first one has got what it waited for. False if there is none.
  bool grant_one(Wakes& wakes) noexcept;
  /// The wait of `waiter`, which is the first, is over, whatever came of it.
  void end(SharedWait& waiter, Wakes& wakes) noexcept;
  /// Nobody here will get it.
  void refuse_all(Wakes& wakes) noexcept;
  /// What they wait for is destroyed.
  void orphan_all(Wakes& wakes) noexcept;

private:
  WaitQueue waiters_;
};

/// Waits in a SharedLine: a task by `co_await`, a thread by `block`.
class SharedWait : public RemoteSuspension {
public:
  void wake(FutureState* source) noexcept final;

protected:
  enum class Answer : unsigned char {
    none,     ///< It waits, has not begun, or was given up.
    granted,  ///< It has what it wanted.
    refused,  ///< It will never get it.
    orphan,   ///< What it waited for is gone: not even its lock can be touched.
  };

  SharedWait(FutexLock& lock, SharedLine& line) noexcept : lock_(&lock), line_(&line) {}
  SharedWait(const SharedWait& other) noexcept : RemoteSuspension(other), lock_(other.lock_), line_(other.line_) {}
  ~SharedWait() = default;

  /// Under the lock: takes what there is, or says that there will be none (`answer_`); false if it has to wait.
  /// `at_once`: it is not to be cancelled between this and the end of its await.
  virtual bool attempt(Wakes& wakes, bool at_once) = 0;

  /// In `await_ready`. Errors: what `attempt` throws.
  bool is_ready();
  /// In `start`. What `attempt` throws ends the wait: it has kept that.
  void begin() noexcept;
  /// The same for threads: blocks until the wait is over.
  /// Errors: `std::logic_error` that names the call if it would block an event loop.
  void block(const char* call);
  /// The same, until `deadline` at the latest. False if it is still to wait then: it has left the line.
  bool block_until(const char* call, time_point deadline);
  Abort abort() noexcept override;

  /// After the wait. Errors: CancelledError if it was given up; `std::logic_error` if `what` was destroyed meanwhile.
  void check_answer(const char* what);

  FutexLock* lock_;  // null once it is destroyed
  SharedLine* line_;
  Answer answer_ = Answer::none;

private:
  friend class SharedLine;
  bool stand_in_line(const char* call);
  bool leave_line() noexcept;
  bool is_woken() noexcept;

  bool begun_ = false;
  bool is_thread_ = false;
  std::uint32_t woken_ = 0;  // of a thread
};

template <class Rep, class Period>
time_point deadline_in(std::chrono::duration<Rep, Period> timeout) {
  return saturating_add(time_point::clock::now(), to_nanoseconds(timeout));
}

inline SharedWait* SharedLine::first() const noexcept { return static_cast<SharedWait*>(waiters_.front()); }

}  // namespace coil::detail
