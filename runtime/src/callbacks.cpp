#include <cerrno>
#include <system_error>

#include <liburing.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <coil/detail/check.hpp>

#include "fork.hpp"
#include "loop_parts.hpp"

namespace coil {

namespace detail {

/// A callback with a time. The queue of timers owns it until it fires.
struct TimerCallback final : TimedSuspension, Pooled {
  TimerCallback(LoopCore& loop, Callback* callback) noexcept : core(loop), action(callback) {}
  LoopCore& core;
  Callback* action;

  void wake(FutureState*) noexcept override {
    core.push_ready(*action);
    action->timer = nullptr;
    delete this;
  }
  Abort abort() noexcept override { return Abort::gone; }
};

// ---- WakeUp ----------------------------------------------------------------------------------------------

WakeUp::WakeUp() : fd_(::eventfd(0, EFD_CLOEXEC)) {
  if (fd_ < 0) throw std::system_error(errno, std::system_category(), "eventfd");
  internal_ = true;
  close_in_forked_children(fd_);
}

WakeUp::~WakeUp() { close_private(fd_); }

void WakeUp::signal() noexcept {
  const int saved = errno;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(fd_, &one, sizeof one);
  errno = saved;
}

void WakeUp::arm(Ring& ring) noexcept {
  if (armed_) return;
  armed_ = true;
  ++submissions_;
  ring.submit(*this);
}

void WakeUp::disarm(Ring& ring) noexcept {
  if (armed_) ring.cancel(*this);
}

void WakeUp::prepare(io_uring_sqe& sqe) noexcept { io_uring_prep_read(&sqe, fd_, &count_, sizeof count_, 0); }

void WakeUp::complete(std::int32_t, std::uint32_t, bool) noexcept {
  armed_ = false;
  fired_ = true;
  ++completions_;
}

}  // namespace detail

// ---- Handles ---------------------------------------------------------------------------------------------

Handle::Handle(detail::Callback* callback) noexcept : callback_(callback) {
  if (callback_ != nullptr) ++callback_->refs;
}
Handle::Handle(const Handle& other) noexcept : Handle(other.callback_) {}
Handle::~Handle() {
  if (callback_ != nullptr) callback_->unref();
}

void Handle::cancel() const noexcept {
  if (callback_ == nullptr || callback_->phase != detail::Phase::ready) return;
  callback_->phase = detail::Phase::cancelled;
  callback_->drop();
  if (detail::TimerCallback* timer = std::exchange(callback_->timer, nullptr)) {
    timer->core.parts->timers.remove(*timer);
    delete timer;
    callback_->unref();
  }
}

bool Handle::cancelled() const noexcept { return callback_ != nullptr && callback_->phase == detail::Phase::cancelled; }

time_point TimerHandle::when() const {
  if (callback_ == nullptr) detail::throw_logic_error("coil: TimerHandle::when() of an empty handle");
  return callback_->when;
}

// ---- Queueing --------------------------------------------------------------------------------------------

void Loop::check_thread() const {
  if (debug && parts->running && detail::this_loop != this)
    detail::throw_logic_error("coil: call_soon() and its like from another thread; use call_soon_threadsafe()");
}

Handle Loop::queue(detail::Callback* callback) {
  Handle handle(callback);
  check_thread();
  callback->prepare(context);
  push_ready(*callback);
  return handle;
}

TimerHandle Loop::queue_at(time_point when, detail::Callback* callback) {
  TimerHandle handle(callback);
  check_thread();
  callback->prepare(context);
  callback->when = when;
  callback->timer = new detail::TimerCallback(*this, callback);
  parts->timers.add(*callback->timer, when);
  return handle;
}

void Loop::queue_threadsafe(detail::Callback* callback) {
  bool signal = false;
  {
    const std::lock_guard lock(parts->mutex);
    callback->prepare(nullptr);
    if (parts->closed) {
      callback->unref();
      detail::throw_logic_error("coil: call_soon_threadsafe() on a loop that is closed");
    }
    parts->from_threads.push_back(callback);
    signal = !std::exchange(parts->wake_up_signalled, true);
    // Signalled under the lock: a loop that closes meanwhile would take the descriptor away.
    if (signal) parts->wake_up.signal();
  }
}

}  // namespace coil
