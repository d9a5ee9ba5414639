#include <coil/barrier.hpp>

namespace coil {

Barrier::Barrier(std::ptrdiff_t parties) : parties_(static_cast<std::size_t>(parties)) {
  if (parties < 1) detail::throw_invalid_argument("coil: Barrier(parties): there must be at least one party");
}

/// A task at the barrier, from its arrival until it goes on.
class Barrier::Arrival {
public:
  Arrival(Barrier& barrier, const detail::LineOperation& turn) noexcept : barrier_(barrier), turn_(turn) {
    ++barrier_.inside_;
  }
  Arrival(const Arrival&) = delete;
  Arrival& operator=(const Arrival&) = delete;
  ~Arrival() {
    if (!turn_.is_orphan()) barrier_.leave();
  }

private:
  Barrier& barrier_;
  const detail::LineOperation& turn_;
};

// As in asyncio, another task has a look in place of one that is cancelled.
Coro<void> Barrier::wait_for_change(detail::LineOperation& turn) {
  bind("Barrier::wait");
  try {
    co_await turn;
  } catch (...) {
    turn.pass_on();
    throw;
  }
}

Coro<std::size_t> Barrier::wait() {
  detail::LineOperation turn(line_, "Barrier");
  while (is_emptying()) co_await wait_for_change(turn);
  if (broken()) throw BrokenBarrierError("coil: Barrier::wait(): the barrier was aborted");
  const std::size_t index = inside_;
  const Arrival arrival(*this, turn);
  if (index + 1 == parties_) {
    state_ = State::draining;
    line_.wake_all();
  } else {
    while (state_ == State::filling) co_await wait_for_change(turn);
    if (state_ != State::draining) throw BrokenBarrierError("coil: Barrier::wait(): the barrier was aborted or reset");
  }
  co_return index;
}

// The last one out makes it ready for the next round.
void Barrier::leave() noexcept {
  if (--inside_ != 0) return;
  if (is_emptying()) state_ = State::filling;
  line_.wake_all();
}

void Barrier::reset() {
  if (line_.may_wake()) check_thread("Barrier::reset");
  state_ = inside_ != 0 ? State::resetting : State::filling;
  line_.wake_all();
}

void Barrier::abort() {
  if (line_.may_wake()) check_thread("Barrier::abort");
  state_ = State::broken;
  line_.wake_all();
}

}  // namespace coil
