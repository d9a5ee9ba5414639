#include "signals.hpp"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>

#include "loop_parts.hpp"

namespace coil::detail {

namespace {

/// One signal of the process. The C handler looks at the first two only.
struct Signal {
  std::atomic<LoopParts*> taker{nullptr};
  std::atomic<std::uint32_t> arrived{0};  // as `take_arrival` gives it
  LoopParts* handler = nullptr;           // the loop that took it by take_signal()
  struct sigaction before{};              // the disposition without coil; meaningful while there is a taker
};

constexpr int signal_count = NSIG;
Signal signals[signal_count];
std::mutex mutex;                    // guards all of them and the next two
LoopParts* interruptible = nullptr;  // the loop whose run takes SIGINT, or would if there were no handler
bool interrupt_used = false;         // by that run

std::atomic<std::uint32_t> arrivals{0};
std::atomic<int> handlers_running{0};  // C handlers, in whatever thread
static_assert(std::atomic<LoopParts*>::is_always_lock_free && std::atomic<std::uint32_t>::is_always_lock_free);

void on_signal(int number) {
  handlers_running.fetch_add(1);
  Signal& signal = signals[number];
  if (LoopParts* parts = signal.taker.load()) {
    signal.arrived.store(arrivals.fetch_add(2) | 1U);
    parts->signalled.store(true);
    parts->wake_up.signal();
  }
  handlers_running.fetch_sub(1);
}

// Nobody wakes the loop that was the taker any more when this returns.
void set_taker(Signal& signal, LoopParts* parts) noexcept {
  signal.taker.store(parts);
  while (handlers_running.load() != 0) ::sched_yield();
}

bool is_ours(const struct sigaction& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == on_signal;
}
bool is_default(const struct sigaction& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
}
struct sigaction current_disposition(int signal) noexcept {
  struct sigaction current{};
  ::sigaction(signal, nullptr, &current);
  return current;
}

// Gives the errno, 0 for none.
int install(int number, int flags) noexcept {
  struct sigaction action{};
  struct sigaction previous{};
  action.sa_handler = on_signal;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  if (::sigaction(number, &action, &previous) != 0) return errno;
  if (!is_ours(previous)) signals[number].before = previous;
  return 0;
}

void restore(int number) noexcept {
  if (is_ours(current_disposition(number))) ::sigaction(number, &signals[number].before, nullptr);
}

// ---- In a forked child: it has no loop yet, and the dispositions that the program gave itself ----

void before_fork() { mutex.lock(); }
void after_fork_in_parent() { mutex.unlock(); }
void after_fork_in_child() {
  for (int number = 1; number < signal_count; ++number) {
    Signal& signal = signals[number];
    if (signal.taker.load() == nullptr) continue;
    restore(number);
    signal.taker.store(nullptr);
    signal.arrived.store(0);
    signal.handler = nullptr;
  }
  interruptible = nullptr;
  handlers_running.store(0);  // those of threads that the child does not have
  mutex.unlock();
}

void watch_forks() noexcept {
  static const int registered = ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  static_cast<void>(registered);
}

// ---- What can be handled ----

std::string name_of(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name == nullptr ? "signal " + std::to_string(signal) : "SIG" + std::string(name);
}

[[noreturn]] void refuse(int signal, const char* why) {
  throw std::invalid_argument("coil: add_signal_handler(): " + name_of(signal) + why);
}

void check_number(int signal, const char* call) {
  sigset_t none;
  sigemptyset(&none);  // sigaddset knows which numbers the C library keeps for itself
  if (signal < 1 || signal >= signal_count || ::sigaddset(&none, signal) != 0)
    throw std::invalid_argument("coil: " + std::string(call) + "(): invalid signal number " + std::to_string(signal));
}

void check_can_be_handled(int signal) {
  check_number(signal, "add_signal_handler");
  switch (signal) {
    case SIGKILL:
    case SIGSTOP:
      refuse(signal, " cannot be caught");
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
      refuse(signal, " comes of the instruction that fails, which would fail again before the loop could run");
    default:
      break;
  }
}

}  // namespace

void take_signal(LoopParts& parts, int number) {
  check_can_be_handled(number);
  watch_forks();
  const std::lock_guard lock(mutex);
  Signal& signal = signals[number];
  if (signal.handler != nullptr && signal.handler != &parts)
    throw std::logic_error("coil: add_signal_handler(): another loop handles " + name_of(number) + " already");
  LoopParts* const taker_before = signal.taker.load();
  set_taker(signal, &parts);  // before the first one can come
  if (const int error = install(number, SA_RESTART | SA_ONSTACK); error != 0) {
    set_taker(signal, taker_before);
    throw std::system_error(error, std::system_category(), "coil: add_signal_handler() for " + name_of(number));
  }
  signal.handler = &parts;
  if (signal.arrived.load() != 0) parts.signalled.store(true);  // a SIGINT that the run has not seen yet
}

void give_back_signal(LoopParts& parts, int number) noexcept {
  const std::lock_guard lock(mutex);
  Signal& signal = signals[number];
  if (signal.handler != &parts) return;
  signal.handler = nullptr;
  if (number == SIGINT && interruptible != nullptr && !interrupt_used && is_ours(current_disposition(SIGINT))) {
    set_taker(signal, interruptible);
    signal.arrived.store(0);
    install(SIGINT, static_cast<int>(SA_RESETHAND));
  } else {
    restore(number);
    set_taker(signal, nullptr);
    signal.arrived.store(0);
  }
}

bool takes_signal(const LoopParts& parts, int signal) {
  check_number(signal, "remove_signal_handler");
  const std::lock_guard lock(mutex);
  return signals[signal].handler == &parts;
}

void take_interrupt(LoopParts& parts) noexcept {
  watch_forks();
  const std::lock_guard lock(mutex);
  Signal& signal = signals[SIGINT];
  const bool handled = signal.handler != nullptr;
  if (interruptible != nullptr || !is_default(handled ? signal.before : current_disposition(SIGINT))) return;
  interruptible = &parts;
  interrupt_used = false;
  if (handled) return;
  set_taker(signal, &parts);
  install(SIGINT, static_cast<int>(SA_RESETHAND));
}

bool give_back_interrupt(LoopParts& parts) noexcept {
  const std::lock_guard lock(mutex);
  if (interruptible != &parts) return false;
  interruptible = nullptr;
  if (signals[SIGINT].handler != nullptr) return false;
  restore(SIGINT);
  set_taker(signals[SIGINT], nullptr);
  return take_arrival(SIGINT) != 0;
}

bool take_interrupt_arrival(LoopParts& parts) noexcept {
  const std::lock_guard lock(mutex);
  if (interruptible != &parts || signals[SIGINT].handler != nullptr || take_arrival(SIGINT) == 0) return false;
  interrupt_used = true;
  return true;
}

std::uint32_t take_arrival(int signal) noexcept { return signals[signal].arrived.exchange(0); }

bool has_default_disposition(int signal) noexcept { return is_default(current_disposition(signal)); }

}  // namespace coil::detail
