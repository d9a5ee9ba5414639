#include <coil/detail/thread_function.hpp>

#include <atomic>
#include <mutex>

#include <coil/detail/check.hpp>
#include <coil/detail/loop_core.hpp>

#include "inbox.hpp"
#include "thread_report.hpp"

namespace coil::detail {

// ---- Its life --------------------------------------------------------------------------------------------

void ThreadFunction::ref() noexcept { std::atomic_ref(refs_).fetch_add(1, std::memory_order_relaxed); }

void ThreadFunction::unref() noexcept {
  if (std::atomic_ref(refs_).fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (error_ && !taken_ && !is_cancelled_error(error_)) report_thread_failed(home_, describe(), std::move(error_));
  delete this;
}

ThreadFunction::~ThreadFunction() {
  if (home_ != nullptr) home_->unref();
}

void ThreadFunction::prepare() noexcept {
  context_ = copy_context();
  if (this_loop == nullptr) return;
  home_ = this_loop->inbox;
  home_->ref();
}

void ThreadFunction::execute() noexcept {
  {
    const std::lock_guard lock(lock_);
    begun_ = std::chrono::steady_clock::now();
  }
  Context context = std::move(context_);
  current_context() = &context;
  try {
    call();
  } catch (...) {
    error_ = std::current_exception();
  }
  current_context() = nullptr;
}

void ThreadFunction::fail(std::exception_ptr error) noexcept {
  error_ = std::move(error);
  ended_ = true;
  while (waiters_.pop_front() != nullptr) {
  }
}

void ThreadFunction::end() noexcept {
  const std::lock_guard lock(lock_);
  check(!ended_, "a function ends once");
  ended_ = true;
  while (Suspension* waiter = waiters_.pop_front()) waiter->wake(nullptr);
}

// ---- Those who wait --------------------------------------------------------------------------------------

bool ThreadFunction::add_waiter(Suspension& waiter) noexcept {
  const std::lock_guard lock(lock_);
  if (!ended_) waiters_.push_back(waiter);
  return !ended_;
}

ThreadFunction::Quit ThreadFunction::remove_waiter(Suspension& waiter) noexcept {
  {
    const std::lock_guard lock(lock_);
    if (ended_) return Quit::ended;
    if (!takes_stop_token()) {
      waiters_.remove(waiter);
      return Quit::gone;
    }
  }
  stop();  // not under the lock: it calls what the user hung on the token
  return Quit::stopping;
}

bool ThreadFunction::ended() noexcept {
  const std::lock_guard lock(lock_);
  return ended_;
}

bool ThreadFunction::request_stop() noexcept {
  if (!takes_stop_token() || ended()) return false;
  stop();
  return true;
}

std::exception_ptr ThreadFunction::take_error() noexcept { return std::move(error_); }

std::exception_ptr ThreadFunction::share_error() noexcept {
  const std::lock_guard lock(lock_);
  if (error_) taken_ = true;
  return error_;
}

void ThreadFunction::claim_result() {
  const std::lock_guard lock(lock_);
  if (std::exchange(taken_, true)) throw_invalid_state("coil: the result was already moved out by an earlier await");
}

ThreadFunction::Description ThreadFunction::describe() noexcept {
  const std::lock_guard lock(lock_);
  return {name_, where_, begun_, !waiters_.empty()};
}

void ThreadFunction::set_where_if_unknown(const std::source_location& where) noexcept {
  if (where_.line() == 0) where_ = where;
}

}  // namespace coil::detail
