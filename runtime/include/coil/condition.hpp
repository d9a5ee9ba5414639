#pragma once
#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>

#include <coil/coro.hpp>
#include <coil/lock.hpp>

namespace coil {

/// A lock, and tasks that wait, without holding it, for what it guards to change.
///
///     const auto guard = co_await condition.scoped();
///     co_await condition.wait_for([&] { return ready; });
///
/// Lifetime: as a `Lock`; a lock that it shares outlives it.
class Condition : private detail::LoopBound {
public:
  /// With a lock of its own.
  Condition() noexcept : lock_(own_lock_) {}
  /// Shares a lock, with other conditions for example.
  explicit Condition(Lock& lock) noexcept : lock_(lock) {}

  // The lock's:
  bool locked() const noexcept { return lock_.locked(); }
  [[nodiscard]] Lock::AcquireOperation acquire() noexcept { return lock_.acquire(); }
  [[nodiscard]] Lock::ScopedOperation scoped() noexcept { return lock_.scoped(); }
  void release() { lock_.release(); }

  /// Releases the lock, waits until it is notified, and takes the lock again. May return without a reason: the
  /// caller checks what it waits for, as `wait_for` does.
  /// Errors: `std::logic_error` if nobody holds the lock, or in another loop than that of others that waited.
  /// Cancellation: takes the lock again before it throws, and notifies another task in its place.
  [[nodiscard]] Coro<void> wait();

  /// Waits until `predicate()` is true, and gives what it returned. Called with the lock held, first at once.
  /// Errors, Cancellation: as `wait()`; what the predicate throws.
  template <class F>
    requires std::invocable<std::decay_t<F>&>
  [[nodiscard]] auto wait_for(F&& predicate) {
    detail::refuse_temporary_closure<F>();
    using R = std::decay_t<std::invoke_result_t<std::decay_t<F>&>>;
    return wait_until_true<R, std::decay_t<F>>(std::forward<F>(predicate));
  }

  /// Wakes up to `n` of the tasks that wait, those first that have waited longest. They go on once they get the lock.
  /// Errors: `std::logic_error` if nobody holds the lock, or in another thread than that of the tasks that wait.
  void notify(std::size_t n = 1);
  void notify_all() { notify(static_cast<std::size_t>(-1)); }

private:
  template <class R, class F>
  Coro<R> wait_until_true(F predicate) {
    for (;;) {
      R result = predicate();
      if (static_cast<bool>(result)) co_return std::move(result);
      co_await wait();
    }
  }

  Lock own_lock_;  // not used if one is shared
  Lock& lock_;
  detail::WaitLine line_;
};

}  // namespace coil
