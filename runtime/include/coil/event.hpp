#pragma once
#include <coil/detail/loop_bound.hpp>
#include <coil/detail/wait_line.hpp>

namespace coil {

/// A flag that tasks can wait for. Once set it stays set until `clear()`.
///
/// Lifetime: may go once it was set. A task that still waits when it goes ends cancelled, or with a
///   `std::logic_error`.
class Event : private detail::LoopBound {
public:
  class WaitOperation;

  Event() noexcept = default;

  bool is_set() const noexcept { return set_; }
  void clear() noexcept { set_ = false; }
  /// Sets the flag and wakes all who wait; a `clear()` that follows does not change that.
  /// Errors: `std::logic_error` in another thread than that of the tasks that wait.
  void set() {
    if (line_.may_wake()) {
      check_thread("Event::set");
      line_.wake_all();
    }
    set_ = true;
  }
  /// Waits until the flag is set.
  /// Errors: `std::logic_error` if it has to wait in another loop than others did before.
  [[nodiscard]] WaitOperation wait() noexcept;

private:
  bool set_ = false;
  detail::WaitLine line_;
};

class Event::WaitOperation final : public detail::Operation<WaitOperation, detail::WaitLine::Waiter> {
public:
  explicit WaitOperation(Event& event) noexcept : Operation(event.line_), event_(event) {}

  bool await_ready() {
    if (event_.set_) return true;
    event_.bind("Event::wait");
    return false;
  }
  void await_resume() {
    if (waited()) finish("Event");
  }

private:
  Event& event_;
};

inline Event::WaitOperation Event::wait() noexcept { return WaitOperation(*this); }

}  // namespace coil
