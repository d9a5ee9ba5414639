#pragma once
#include <concepts>
#include <initializer_list>
#include <utility>

#include <coil/coro.hpp>
#include <coil/detail/state_ref.hpp>

namespace coil {

namespace detail {
class SignalSetCore;
}

/// Signals of the process that tasks wait for. From its construction to its end they do nothing else; afterwards they
/// have the dispositions that they had before.
///
/// Each signal that has come is given to one who waits, in the order of coming, or kept for the next one; one that comes
/// again before it was taken is one.
/// Errors: those of `Loop::add_signal_handler`; it replaces the loop's handler of the same signal.
/// Lifetime: may go while tasks wait: they end with `std::logic_error`.
/// Threads: loop thread. Any number of tasks may wait.
class SignalSet {
public:
  template <std::same_as<int>... Signals>
    requires(sizeof...(Signals) != 0)
  explicit SignalSet(Signals... signals) : SignalSet(std::initializer_list<int>{signals...}) {}
  SignalSet(std::initializer_list<int> signals);
  SignalSet(SignalSet&& other) noexcept;
  SignalSet& operator=(SignalSet&& other) noexcept;
  ~SignalSet();

  /// Waits for a signal, and gives its number.
  [[nodiscard]] Coro<int> wait();
  /// What its end does.
  void close() noexcept;

private:
  detail::StateRef<detail::SignalSetCore> core_;
};

}  // namespace coil
