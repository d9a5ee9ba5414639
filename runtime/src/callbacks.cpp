#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <liburing.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <coil/detail/check.hpp>

#include "fork.hpp"
#include "interrupt.hpp"
#include "loop_parts.hpp"
#include "signals.hpp"

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
  if (callback_ == nullptr || std::exchange(callback_->phase, detail::Phase::cancelled) != detail::Phase::ready) return;
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

Handle Loop::queue(detail::Callback* callback) {
  Handle handle(callback);
  check_thread("call_soon");
  callback->prepare(context);
  push_ready(*callback);
  return handle;
}

TimerHandle Loop::queue_at(time_point when, detail::Callback* callback) {
  TimerHandle handle(callback);
  check_thread("call_at");
  callback->prepare(context);
  callback->when = when;
  callback->timer = new detail::TimerCallback(*this, callback);
  parts->timers.add(*callback->timer, when);
  return handle;
}

// ---- Signals ---------------------------------------------------------------------------------------------

void Loop::set_signal_handler(int signal, detail::Callback* callback) {
  Handle handle(callback);
  refuse_other_threads("add_signal_handler");
  std::vector<detail::SignalHandler>& handlers = parts->signal_handlers;
  handlers.reserve(handlers.size() + 1);
  detail::take_signal(*parts, signal);
  callback->prepare_unqueued(context);
  for (detail::SignalHandler& old : handlers) {
    if (old.signal != signal) continue;
    const bool is_queued = old.handle.callback_->phase == detail::Phase::ready;
    old.handle.cancel();
    old.handle = std::move(handle);
    if (is_queued) queue_again(*callback);
    return;
  }
  handlers.push_back({signal, std::move(handle)});
}

bool Loop::remove_signal_handler(int signal) {
  refuse_other_threads("remove_signal_handler");
  if (!detail::takes_signal(*parts, signal)) return false;
  detail::give_back_signal(*parts, signal);
  std::erase_if(parts->signal_handlers, [signal](const detail::SignalHandler& handler) {
    if (handler.signal == signal) handler.handle.cancel();
    return handler.signal == signal;
  });
  return true;
}

void Loop::remove_signal_handlers() noexcept {
  for (const detail::SignalHandler& handler : parts->signal_handlers) {
    detail::give_back_signal(*parts, handler.signal);
    handler.handle.cancel();
  }
  parts->signal_handlers.clear();
}

// Those whose signal came, in the order in which they came.
void Loop::queue_signal_handlers() noexcept {
  struct Arrival {
    std::uint32_t when;
    detail::Callback* callback;
  };
  Arrival arrivals[NSIG];
  std::size_t count = 0;
  parts->signalled.store(false);  // before looking: what comes from here on is seen now or on the next turn
  for (const detail::SignalHandler& handler : parts->signal_handlers) {
    const std::uint32_t when = detail::take_arrival(handler.signal);
    if (when == 0) continue;
    std::size_t place = count++;
    for (; place != 0 && static_cast<std::int32_t>(arrivals[place - 1].when - when) > 0; --place)
      arrivals[place] = arrivals[place - 1];
    arrivals[place] = {when, handler.handle.callback_};
  }
  for (std::size_t i = 0; i < count; ++i) queue_again(*arrivals[i].callback);
  if (detail::take_interrupt_arrival(*parts)) detail::deliver_interrupt(*parts);
}

void Loop::queue_again(detail::Callback& callback) noexcept {
  if (callback.phase == detail::Phase::ready) return;
  callback.enter_queue();
  push_ready(callback);
}

// ---- At the end of the loop --------------------------------------------------------------------------------

// What is queued is destroyed, and what is queued by that. A task that begins there stays, and so do timers, one of
// which may be the task's.
void Loop::drop_callbacks() noexcept {
  constexpr time_point end_of_time = time_point::max();
  bool any = true;
  while (std::exchange(any, false)) {
    for (detail::Ready* node = take_ready(); node != nullptr;) {
      detail::Ready& dropped = *std::exchange(node, node->next);
      if (dropped.has(detail::Ready::is_task)) {
        push_ready(dropped);
      } else {
        static_cast<detail::Callback&>(dropped).unref();
        any = true;
      }
    }
    while (tasks_alive == 0 && !parts->timers.empty()) {
      parts->timers.pop_due(end_of_time)->wake(nullptr);
      any = true;
    }
  }
}

// ---- From other threads ----------------------------------------------------------------------------------

void Loop::queue_threadsafe(detail::ThreadsafeCallback* callback, const char* call) {
  callback->prepare(detail::current_context());
  if (!inbox->post(*callback)) {
    callback->unref();
    throw std::logic_error(
        "coil: " + std::string(call) +
        (inbox->is_parents() ? "() on a loop of the parent process" : "() on a loop that is closed"));
  }
}

}  // namespace coil
