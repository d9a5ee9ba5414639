#include <coil/timeout.hpp>

#include <coil/sleep.hpp>
#include <coil/wait.hpp>

namespace coil {

Timeout::Timeout(std::optional<time_point> when) : when_(when) { arm(); }

Timeout::~Timeout() { timer_.cancel(); }

void Timeout::arm() {
  if (!when_) return;
  Loop& loop = get_running_loop();
  const auto expire_it = [this] { expire(); };
  if (*when_ <= loop.time())
    timer_ = loop.call_soon(expire_it);
  else
    timer_ = loop.call_at(*when_, expire_it);
}

void Timeout::reschedule(std::optional<time_point> when) {
  if (state_ != State::entered)
    detail::throw_logic_error("coil: Timeout::reschedule() after the deadline expired or the body ended");
  timer_.cancel();
  when_ = when;
  arm();
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

std::optional<time_point> Deadline::resolve() const {
  switch (kind) {
    case Kind::never:
      return std::nullopt;
    case Kind::after:
      return saturating_add(get_running_loop().time(), delay);
    case Kind::at:
      break;
  }
  return when;
}

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
