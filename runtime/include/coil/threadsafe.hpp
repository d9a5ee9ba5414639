#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <coil/detail/shared_wait.hpp>

namespace coil {

namespace detail {

/// A number of permits that tasks of any loop and threads share.
class SharedPermits {
public:
  class AcquireWait;

  SharedPermits(std::ptrdiff_t value, const char* what) noexcept : value_(value), what_(what) {}
  SharedPermits(const SharedPermits&) = delete;
  SharedPermits& operator=(const SharedPermits&) = delete;
  ~SharedPermits();

  bool try_take() noexcept;
  void take_blocking(const char* call);
  /// Errors: `std::logic_error` that names the call if there would be more than `bound` then.
  void give_back(std::ptrdiff_t bound, const char* call);
  std::ptrdiff_t value() const noexcept;

private:
  mutable FutexLock lock_;
  std::ptrdiff_t value_;  // permits that nobody holds or was granted
  const char* what_;
  SharedLine line_;  // empty while `value_` is not 0
};

class SharedPermits::AcquireWait : public SharedWait {
public:
  explicit AcquireWait(SharedPermits& permits) noexcept
      : SharedWait(permits.lock_, permits.line_), permits_(&permits), what_(permits.what_) {}

  bool await_ready() { return is_ready(); }
  void start() noexcept { begin(); }

protected:
  /// Errors: CancelledError; a permit that was granted meanwhile goes to the next one.
  void finish();

private:
  friend class SharedPermits;
  bool attempt(Wakes& wakes, bool at_once) noexcept override;
  SharedPermits* permits_;  // gone if `answer_` is orphan
  const char* what_;
};

/// Acquires a permit of `Owner`, and gives it as a `Result` (void: keeps it).
template <class Owner, class Result>
class SharedAcquire final : public Operation<SharedAcquire<Owner, Result>, SharedPermits::AcquireWait> {
public:
  SharedAcquire(SharedPermits& permits, Owner& owner) noexcept
      : Operation<SharedAcquire, SharedPermits::AcquireWait>(permits), owner_(&owner) {}
  Result await_resume() {
    this->finish();
    if constexpr (!std::is_void_v<Result>) return Result(*owner_);
  }

private:
  Owner* owner_;
};

/// Releases what it holds at its end. Move-only.
template <class Owner>
class [[nodiscard("coil: it is released at once if nobody keeps this")]] SharedGuard {
public:
  SharedGuard() noexcept = default;  // holds nothing
  /// Takes over what is held.
  explicit SharedGuard(Owner& owner) noexcept : owner_(&owner) {}
  SharedGuard(SharedGuard&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
  SharedGuard& operator=(SharedGuard&& other) noexcept {
    if (this != &other) {
      if (owner_ != nullptr) owner_->release();
      owner_ = std::exchange(other.owner_, nullptr);
    }
    return *this;
  }
  ~SharedGuard() {
    if (owner_ != nullptr) owner_->release();
  }

  explicit operator bool() const noexcept { return owner_ != nullptr; }
  /// Releases early. Does nothing if it holds nothing.
  void release() {
    if (owner_ != nullptr) std::exchange(owner_, nullptr)->release();
  }

private:
  Owner* owner_ = nullptr;
};

}  // namespace detail

// What tasks of any loop and threads share. Tasks wait by `co_await`, threads by the calls that block. All wait in one
// line and are served in arrival order: what is released goes to the one that has waited longest, and nobody gets past.
//
// Errors: a call that would block an event loop is a `std::logic_error`; so is the wait of whoever waits still when the
//   thing is destroyed.
// Cancellation: of a task that waits, or whose turn has just come, passes it on to the next one.
// Lifetime: outlives all that use it, and its guards.
// Threads: any.

/// Held by one task or thread at a time, which need not be the one that releases it.
class ThreadsafeLock {
public:
  using Guard = detail::SharedGuard<ThreadsafeLock>;

  bool locked() const noexcept { return permits_.value() == 0; }
  [[nodiscard]] detail::SharedAcquire<ThreadsafeLock, void> acquire() noexcept { return {permits_, *this}; }
  /// The same; what it gives releases the lock when it is destroyed.
  [[nodiscard]] detail::SharedAcquire<ThreadsafeLock, Guard> scoped() noexcept { return {permits_, *this}; }
  [[nodiscard]] bool try_acquire() noexcept { return permits_.try_take(); }
  void acquire_blocking() { permits_.take_blocking("ThreadsafeLock::acquire_blocking"); }
  /// Errors: `std::logic_error` if nobody holds it.
  void release() { permits_.give_back(1, "ThreadsafeLock::release"); }

  // For std::lock_guard and its like, in threads.
  void lock() { permits_.take_blocking("ThreadsafeLock::lock"); }
  bool try_lock() noexcept { return permits_.try_take(); }
  void unlock() { release(); }

private:
  detail::SharedPermits permits_{1, "ThreadsafeLock"};
};

/// A number of permits: to acquire takes one, and waits while there is none.
class ThreadsafeSemaphore {
public:
  using Permit = detail::SharedGuard<ThreadsafeSemaphore>;

  /// Errors: `std::invalid_argument` if `value` is negative.
  explicit ThreadsafeSemaphore(std::ptrdiff_t value = 1);

  bool locked() const noexcept { return permits_.value() == 0; }
  [[nodiscard]] detail::SharedAcquire<ThreadsafeSemaphore, void> acquire() noexcept { return {permits_, *this}; }
  /// The same; what it gives returns the permit when it is destroyed.
  [[nodiscard]] detail::SharedAcquire<ThreadsafeSemaphore, Permit> scoped() noexcept { return {permits_, *this}; }
  [[nodiscard]] bool try_acquire() noexcept { return permits_.try_take(); }
  void acquire_blocking() { permits_.take_blocking("ThreadsafeSemaphore::acquire_blocking"); }
  /// Adds a permit.
  void release() { permits_.give_back(PTRDIFF_MAX, "ThreadsafeSemaphore::release"); }

private:
  detail::SharedPermits permits_;
};

/// A flag to wait for. Once set it stays set until `clear()`.
class ThreadsafeEvent {
public:
  class WaitOperation;

  ThreadsafeEvent() noexcept = default;
  ThreadsafeEvent(const ThreadsafeEvent&) = delete;
  ThreadsafeEvent& operator=(const ThreadsafeEvent&) = delete;
  ~ThreadsafeEvent();

  bool is_set() const noexcept;
  /// Sets it and wakes all who wait.
  void set() noexcept;
  void clear() noexcept;
  /// Waits until it is set. Who was woken goes on also if it is cleared before its turn.
  [[nodiscard]] WaitOperation wait() noexcept;
  void wait_blocking();

private:
  mutable detail::FutexLock lock_;
  bool set_ = false;
  detail::SharedLine line_;
};

class ThreadsafeEvent::WaitOperation final : public detail::Operation<WaitOperation, detail::SharedWait> {
public:
  explicit WaitOperation(ThreadsafeEvent& event) noexcept : Operation(event.lock_, event.line_), event_(&event) {}

  bool await_ready() { return is_ready(); }
  void start() noexcept { begin(); }
  void await_resume();

private:
  friend class ThreadsafeEvent;
  bool attempt(detail::Wakes& wakes, bool at_once) noexcept override;
  ThreadsafeEvent* event_;
};

inline ThreadsafeEvent::WaitOperation ThreadsafeEvent::wait() noexcept { return WaitOperation(*this); }

}  // namespace coil
