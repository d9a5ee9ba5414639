#include <coil/threadsafe.hpp>

#include <stdexcept>
#include <string>

#include <coil/error.hpp>

namespace coil {

namespace detail {

// ---- SharedPermits ---------------------------------------------------------------------------------------

SharedPermits::~SharedPermits() {
  Wakes wakes;
  const FutexGuard guard(lock_);
  line_.orphan_all(wakes);
}

bool SharedPermits::try_take() noexcept {
  const FutexGuard guard(lock_);
  if (value_ == 0) return false;
  --value_;
  return true;
}

void SharedPermits::take_blocking(const char* call) {
  AcquireWait wait(*this);
  wait.block(call);
  wait.finish();
}

void SharedPermits::give_back(std::ptrdiff_t bound, const char* call) {
  Wakes wakes;
  const FutexGuard guard(lock_);
  if (value_ >= bound) throw std::logic_error("coil: " + std::string(call) + "() more often than it was acquired");
  if (!line_.grant_one(wakes)) ++value_;
}

std::ptrdiff_t SharedPermits::value() const noexcept {
  const FutexGuard guard(lock_);
  return value_;
}

bool SharedPermits::AcquireWait::attempt(Wakes&, bool) noexcept {
  if (permits_->value_ == 0) return false;
  --permits_->value_;
  answer_ = Answer::granted;
  return true;
}

void SharedPermits::AcquireWait::finish() {
  check_answer(what_);
  if (!is_cancelled()) return;
  permits_->give_back(PTRDIFF_MAX, "");
  task_->throw_cancelled();
}

}  // namespace detail

ThreadsafeSemaphore::ThreadsafeSemaphore(std::ptrdiff_t value) : permits_(value, "ThreadsafeSemaphore") {
  if (value < 0) detail::throw_invalid_argument("coil: a ThreadsafeSemaphore begins with 0 permits or more");
}

// ---- ThreadsafeEvent -------------------------------------------------------------------------------------

ThreadsafeEvent::~ThreadsafeEvent() {
  detail::Wakes wakes;
  const detail::FutexGuard guard(lock_);
  line_.orphan_all(wakes);
}

bool ThreadsafeEvent::is_set() const noexcept {
  const detail::FutexGuard guard(lock_);
  return set_;
}

void ThreadsafeEvent::set() noexcept {
  detail::Wakes wakes;
  const detail::FutexGuard guard(lock_);
  set_ = true;
  while (line_.grant_one(wakes)) continue;
}

void ThreadsafeEvent::clear() noexcept {
  const detail::FutexGuard guard(lock_);
  set_ = false;
}

void ThreadsafeEvent::wait_blocking() {
  WaitOperation wait(*this);
  wait.block("ThreadsafeEvent::wait_blocking");
  wait.await_resume();
}

bool ThreadsafeEvent::WaitOperation::attempt(detail::Wakes&, bool) noexcept {
  if (!event_->set_) return false;
  answer_ = Answer::granted;
  return true;
}

void ThreadsafeEvent::WaitOperation::await_resume() {
  check_answer("ThreadsafeEvent");
  throw_if_cancelled();
}

}  // namespace coil
