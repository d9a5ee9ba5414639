#include <coil/timeout.hpp>

#include <coil/sleep.hpp>
#include <coil/wait.hpp>

namespace coil {

Timeout::Timeout(const detail::Deadline& deadline) {
  switch (deadline.kind) {
    case detail::Deadline::Kind::never:
      return;
    case detail::Deadline::Kind::after:
      when_ = detail::saturating_add(get_running_loop().time(), deadline.delay);
      arm(deadline.delay.count() <= 0);
      return;
    case detail::Deadline::Kind::at:
      when_ = deadline.when;
      arm(deadline.when <= get_running_loop().time());
      return;
  }
}

Timeout::~Timeout() { timer_.cancel(); }

void Timeout::arm(bool due) {
  Loop& loop = get_running_loop();
  const auto expire_it = [this] { expire(); };
  if (due)
    timer_ = loop.call_soon(expire_it);
  else
    timer_ = loop.call_at(*when_, expire_it);
}

void Timeout::reschedule(std::optional<time_point> when) {
  if (state_ != State::entered)
    detail::throw_logic_error("coil: Timeout::reschedule() after the deadline expired or the body ended");
  timer_.cancel();
  when_ = when;
  if (when) arm(*when <= get_running_loop().time());
}

void Timeout::expire() noexcept {
  state_ = State::expiring;
  scope_.request();
}

bool Timeout::leave(bool body_was_cancelled) noexcept {
  timer_.cancel();
  if (state_ != State::expiring) {
    if (state_ == State::entered) state_ = State::left;
    return false;
  }
  state_ = State::expired;
  return scope_.take_back() && body_was_cancelled;
}

namespace detail {

// Cancels what is awaited and waits for it, whatever it answers; if it is cancelled meanwhile, no longer.
Coro<void> end_expired(Child child) {
  child.state().cancel({});
  const std::span<Child> all(&child, 1);
  co_await WaitOperation(all, WaitOptions());
}

// The steps that asyncio needs to cancel the future that stands for the shield, and to wait for it.
Coro<void> end_expired() {
  co_await yield();
  co_await yield();
}

}  // namespace detail
}  // namespace coil
