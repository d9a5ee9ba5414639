#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

#include <coil/detail/holder.hpp>
#include <coil/detail/loop_bound.hpp>
#include <coil/detail/wait_line.hpp>

namespace coil {

/// A number of permits: `acquire()` takes one and waits while there is none. Fair, as a `Lock` is.
///
/// Cancellation: of a task that waits, or whose turn has just come, passes the permit on to the next one.
/// Lifetime: as a `Lock`.
class Semaphore : private detail::LoopBound, private detail::Held {
public:
  class AcquireOperation;
  class ScopedOperation;
  class Permit;

  /// Errors: `std::invalid_argument` if `value` is negative.
  explicit Semaphore(std::ptrdiff_t value = 1) : Semaphore(value, PTRDIFF_MAX) {}

  /// Whether `acquire()` would have to wait: no permit is left, or others wait for one.
  bool locked() const noexcept { return value_ == 0 || !line_.empty(); }
  /// Waits until there is a permit and takes it.
  /// Errors: `std::logic_error` if it has to wait in another loop than others did before.
  [[nodiscard]] AcquireOperation acquire() noexcept;
  /// The same; what it gives returns the permit when it is destroyed.
  [[nodiscard]] ScopedOperation scoped() noexcept;
  /// Takes a permit unless that would have to wait.
  [[nodiscard]] bool try_acquire() noexcept {
    if (locked()) return false;
    --value_;
    return true;
  }
  /// Adds a permit and wakes the task that has waited longest.
  /// Errors: `std::invalid_argument` for a BoundedSemaphore that has all its permits; `std::logic_error` in
  ///   another thread than that of the tasks that wait.
  void release() {
    if (value_ >= bound_) throw_too_often();
    if (line_.may_wake()) check_thread("Semaphore::release");
    ++value_;
    if (line_.wake_one()) --value_;
  }

protected:
  Semaphore(std::ptrdiff_t value, std::ptrdiff_t bound);

private:
  [[noreturn]] static void throw_too_often();
  void wake_allowed() noexcept;

  std::ptrdiff_t value_;  // permits that nobody holds; those of tasks that were woken are taken already
  std::ptrdiff_t bound_;
  detail::WaitLine line_;
};

/// A semaphore that never has more permits than at first: one `release()` too many is an error.
class BoundedSemaphore : public Semaphore {
public:
  /// Errors: `std::invalid_argument` if `value` is negative.
  explicit BoundedSemaphore(std::ptrdiff_t value = 1) : Semaphore(value, value) {}
};

/// Holds a permit until it is destroyed. Move-only.
class [[nodiscard("coil: the permit is returned at once if nobody keeps it")]] Semaphore::Permit
    : private detail::Holder {
public:
  Permit() noexcept = default;  // holds nothing
  /// Takes over a permit that was acquired.
  explicit Permit(Semaphore& semaphore) noexcept : Holder(semaphore) {}
  Permit(Permit&&) noexcept = default;
  Permit& operator=(Permit&& other) noexcept {
    if (this != &other) {
      give_back();
      take_over(other);
    }
    return *this;
  }
  ~Permit() { give_back(); }

  /// Whether it holds a permit.
  explicit operator bool() const noexcept { return held() != nullptr; }
  /// Returns the permit early. Errors: as `Semaphore::release`, or `std::logic_error` if this holds none.
  void release();

private:
  void give_back() noexcept {
    Semaphore* semaphore = static_cast<Semaphore*>(let_go());
    if (semaphore != nullptr && semaphore->value_ < semaphore->bound_) semaphore->release();
  }
};

class Semaphore::AcquireOperation : public detail::Operation<AcquireOperation, detail::WaitLine::Waiter> {
public:
  explicit AcquireOperation(Semaphore& semaphore) noexcept : Operation(semaphore.line_), semaphore_(semaphore) {}

  bool await_ready() {
    if (semaphore_.try_acquire()) [[likely]]
      return true;
    semaphore_.bind("Semaphore::acquire");
    return false;
  }
  void await_resume() {
    if (waited()) keep_or_pass_on();
  }

protected:
  Semaphore& semaphore_;

private:
  void keep_or_pass_on();
};

class Semaphore::ScopedOperation final : public AcquireOperation {
public:
  using AcquireOperation::AcquireOperation;
  Permit await_resume() {
    AcquireOperation::await_resume();
    return Permit(semaphore_);
  }
};

inline Semaphore::AcquireOperation Semaphore::acquire() noexcept { return AcquireOperation(*this); }
inline Semaphore::ScopedOperation Semaphore::scoped() noexcept { return ScopedOperation(*this); }

}  // namespace coil
