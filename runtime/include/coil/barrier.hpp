#pragma once
#include <cstddef>
#include <cstdint>

#include <coil/coro.hpp>
#include <coil/detail/loop_bound.hpp>
#include <coil/detail/wait_line.hpp>

namespace coil {

/// Where a fixed number of tasks wait for each other; again and again.
///
/// The barrier fills until all parties wait, then drains until all have gone on; who comes meanwhile waits for the
/// next round.
/// Lifetime: outlives the tasks that wait at it. Those that still do when it goes end cancelled, or with a
///   `std::logic_error`.
class Barrier : private detail::LoopBound {
public:
  /// Errors: `std::invalid_argument` if `parties` is not positive.
  explicit Barrier(std::ptrdiff_t parties);

  /// Waits until all parties do. Gives each of them another number from 0 to `parties() - 1`: that of its arrival.
  /// Errors: BrokenBarrierError if the barrier is aborted, or reset while this waits; `std::logic_error` in
  ///   another loop than that of others that waited.
  /// Cancellation: takes back the arrival; the others wait on for somebody else.
  [[nodiscard]] Coro<std::size_t> wait();

  /// Begins anew: those who wait get BrokenBarrierError, and a broken barrier is whole again.
  /// Errors: `std::logic_error` in another thread than that of the tasks that wait.
  void reset();
  /// Breaks the barrier: those who wait, and all who come until `reset()`, get BrokenBarrierError.
  /// Errors: as `reset`.
  void abort();

  std::size_t parties() const noexcept { return parties_; }
  /// How many wait for the others now.
  std::size_t n_waiting() const noexcept { return state_ == State::filling ? inside_ : 0; }
  bool broken() const noexcept { return state_ == State::broken; }

private:
  class Arrival;
  enum class State : std::uint8_t {
    filling,
    draining,   // all have arrived, some are still to go on
    resetting,  // some are still to learn that it was reset
    broken,
  };
  bool is_emptying() const noexcept { return state_ == State::draining || state_ == State::resetting; }
  Coro<void> wait_for_change(detail::LineOperation& turn);
  void leave() noexcept;

  std::size_t parties_;
  std::size_t inside_ = 0;  // arrived and not gone on yet
  State state_ = State::filling;
  detail::WaitLine line_;  // those inside, and those who wait for them to leave
};

}  // namespace coil
