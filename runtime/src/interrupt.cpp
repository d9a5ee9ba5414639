#include "interrupt.hpp"

#include <sys/prctl.h>

#include <atomic>
#include <mutex>
#include <utility>

#include "fork.hpp"
#include "loop_parts.hpp"

namespace coil::detail {

namespace {

// One loop at a time takes SIGINT: the first one that finds the default disposition.
std::atomic<LoopParts*> taker{nullptr};
std::atomic<bool> pending{false};

void on_interrupt(int) {
  pending.store(true, std::memory_order_relaxed);
  if (LoopParts* parts = taker.load(std::memory_order_relaxed)) parts->wake_up.signal();
}

bool has_handler(int signal, void (*handler)(int)) noexcept {
  struct sigaction current{};
  return ::sigaction(signal, nullptr, &current) == 0 && (current.sa_flags & SA_SIGINFO) == 0 &&
         current.sa_handler == handler;
}
bool has_default_disposition(int signal) noexcept { return has_handler(signal, SIG_DFL); }

void set_disposition(int signal, void (*handler)(int), int flags) noexcept {
  struct sigaction action{};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);
}

// SIGPIPE belongs to the process, loops to threads: the first loop ignores it, the last one restores it.
struct PipeSignal {
  std::mutex mutex;
  int loops = 0;
  bool ignored_by_us = false;
};
PipeSignal& pipe_signal() {
  static auto* instance = new PipeSignal;
  return *instance;
}

}  // namespace

void lock_dispositions() noexcept { pipe_signal().mutex.lock(); }
void unlock_dispositions() noexcept { pipe_signal().mutex.unlock(); }

void restore_dispositions_in_child() noexcept {
  if (taker.exchange(nullptr) != nullptr && has_handler(SIGINT, on_interrupt)) set_disposition(SIGINT, SIG_DFL, 0);
  pending.store(false);
  if (std::exchange(pipe_signal().ignored_by_us, false)) set_disposition(SIGPIPE, SIG_DFL, 0);
  pipe_signal().loops = 0;
}

InterruptScope::InterruptScope(LoopParts& parts, TaskState& main) noexcept : parts_(parts) {
  parts.interruptible = &main;
  LoopParts* nobody = nullptr;
  if (!has_default_disposition(SIGINT) || !taker.compare_exchange_strong(nobody, &parts)) return;
  installed_ = true;
  pending.store(false);
  set_disposition(SIGINT, on_interrupt, static_cast<int>(SA_RESETHAND));
}

InterruptScope::~InterruptScope() {
  parts_.interruptible = nullptr;
  if (!installed_) return;
  if (has_handler(SIGINT, on_interrupt)) set_disposition(SIGINT, SIG_DFL, 0);
  taker.store(nullptr);
  pending.store(false);
}

bool interrupt_pending(const LoopParts& parts) noexcept {
  return pending.load(std::memory_order_relaxed) && taker.load(std::memory_order_relaxed) == &parts;
}

void deliver_interrupt(LoopParts& parts) noexcept {
  pending.store(false);
  if (parts.interruptible == nullptr) return;
  ++parts.interrupts;
  parts.interruptible->cancel({});
}

ThreadSettings::ThreadSettings() noexcept {
  timer_slack_before_run = ::prctl(PR_GET_TIMERSLACK);
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  const std::lock_guard lock(pipe_signal().mutex);
  if (pipe_signal().loops++ == 0 && has_default_disposition(SIGPIPE)) {
    pipe_signal().ignored_by_us = true;
    set_disposition(SIGPIPE, SIG_IGN, 0);
  }
}

void restore_timer_slack() noexcept {
  if (timer_slack_before_run > 0) ::prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(timer_slack_before_run));
}

ThreadSettings::~ThreadSettings() {
  restore_timer_slack();
  timer_slack_before_run = 0;
  const std::lock_guard lock(pipe_signal().mutex);
  if (--pipe_signal().loops == 0 && pipe_signal().ignored_by_us) {
    pipe_signal().ignored_by_us = false;
    set_disposition(SIGPIPE, SIG_DFL, 0);
  }
}

}  // namespace coil::detail
