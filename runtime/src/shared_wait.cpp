#include <coil/detail/shared_wait.hpp>

#include <atomic>
#include <stdexcept>
#include <string>

#include <coil/error.hpp>

#include "futex.hpp"

namespace coil::detail {

// ---- Wakes, SharedLine -----------------------------------------------------------------------------------

void Wakes::wake_all() noexcept {
  while (Suspension* waiter = waiters_.pop_front()) waiter->wake(nullptr);
}

void SharedLine::push(SharedWait& waiter) noexcept { waiters_.push_back(waiter); }

void SharedLine::remove(SharedWait& waiter) noexcept { waiters_.remove(waiter); }

void SharedLine::end(SharedWait& waiter, Wakes& wakes) noexcept {
  waiters_.remove(waiter);
  wakes.waiters_.push_back(waiter);
}

bool SharedLine::grant_one(Wakes& wakes) noexcept {
  SharedWait* waiter = first();
  if (waiter == nullptr) return false;
  waiter->answer_ = SharedWait::Answer::granted;
  end(*waiter, wakes);
  return true;
}

void SharedLine::refuse_all(Wakes& wakes) noexcept {
  while (SharedWait* waiter = first()) {
    waiter->answer_ = SharedWait::Answer::refused;
    end(*waiter, wakes);
  }
}

void SharedLine::orphan_all(Wakes& wakes) noexcept {
  while (SharedWait* waiter = first()) {
    waiter->answer_ = SharedWait::Answer::orphan;
    waiter->lock_ = nullptr;
    end(*waiter, wakes);
  }
}

// ---- SharedWait ------------------------------------------------------------------------------------------

bool SharedWait::is_ready() {
  Wakes wakes;
  const FutexGuard guard(*lock_);
  return attempt(wakes, true);
}

void SharedWait::begin() noexcept {
  if (task_->has(Ready::must_cancel)) return;  // `settle` follows, and finds that nothing has begun
  begun_ = true;
  attach();
  bool over;
  {
    Wakes wakes;
    const FutexGuard guard(*lock_);
    over = attempt(wakes, false);
    if (!over) line_->push(*this);
  }
  if (over) task_->make_ready();
}

// Of a thread. False if there is nothing to wait for.
bool SharedWait::stand_in_line(const char* call) {
  Wakes wakes;
  const FutexGuard guard(*lock_);
  if (attempt(wakes, true)) return false;
  if (this_loop != nullptr)
    throw std::logic_error("coil: " + std::string(call) + "() would block the event loop: use co_await");
  is_thread_ = true;
  line_->push(*this);
  return true;
}

bool SharedWait::is_woken() noexcept { return std::atomic_ref(woken_).load(std::memory_order_acquire) != 0; }

void SharedWait::block(const char* call) {
  if (!stand_in_line(call)) return;
  while (!is_woken()) futex_wait(woken_, 0);
}

bool SharedWait::block_until(const char* call, time_point deadline) {
  if (!stand_in_line(call)) return true;
  while (!is_woken() && futex_wait_until(woken_, 0, deadline)) continue;
  if (!is_woken() && leave_line()) return false;
  while (!is_woken()) futex_wait(woken_, 0);  // its wait is over, and who ended it is still to say so
  return true;
}

bool SharedWait::leave_line() noexcept {
  if (lock_ == nullptr) return false;
  const FutexGuard guard(*lock_);
  if (answer_ != Answer::none) return false;
  line_->remove(*this);
  return true;
}

void SharedWait::wake(FutureState*) noexcept {
  if (!is_thread_) return RemoteSuspension::wake(nullptr);
  std::uint32_t& word = woken_;
  std::atomic_ref(word).store(1);
  // The thread may have gone on by now: then this wakes nobody, or somebody who looks again.
  futex_wake(word, 1);
}

Abort SharedWait::abort() noexcept {
  if (!begun_) return Abort::gone;
  if (leave_line()) return Abort::gone;
  task_->set(Ready::must_cancel | Ready::late_cancel);
  return Abort::answer_coming;
}

void SharedWait::check_answer(const char* what) {
  if (answer_ == Answer::none) task_->throw_cancelled();
  if (answer_ != Answer::orphan) return;
  throw_if_cancelled();
  throw std::logic_error("coil: the " + std::string(what) + " was destroyed while somebody waited for it");
}

}  // namespace coil::detail
