#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <utility>

#include <pthread.h>
#include <time.h>

#include <coil/detail/generator_link.hpp>
#include <coil/detail/resident.hpp>
#include <coil/detail/ring.hpp>
#include <coil/detail/timer_queue.hpp>
#include <coil/loop.hpp>

#include "inbox.hpp"
#include "loop_service.hpp"
#include "patience.hpp"
#include "step_observer.hpp"

namespace coil::detail {

/// Wakes the loop from other threads and from signal handlers: an eventfd that the loop always reads.
class WakeUp final : public RingOperation {
public:
  WakeUp();
  ~WakeUp();
  /// Threads: any; also from a signal handler.
  void signal() noexcept;

  void arm(Ring& ring) noexcept;
  void disarm(Ring& ring) noexcept;
  bool is_armed() const noexcept { return armed_; }
  /// Whether it was signalled since the last call.
  bool take_fired() noexcept { return std::exchange(fired_, false); }
  // Not counted in the metrics.
  std::uint64_t submissions() const noexcept { return submissions_; }
  std::uint64_t completions() const noexcept { return completions_; }

  void prepare(io_uring_sqe& sqe) noexcept override;
  void complete(std::int32_t result, std::uint32_t flags, bool more) noexcept override;

private:
  int fd_ = -1;
  bool armed_ = false;
  bool fired_ = false;
  std::uint64_t count_ = 0;  // written by the kernel
  std::uint64_t submissions_ = 0;
  std::uint64_t completions_ = 0;
};

struct LoopParts;

/// Has the residents give back now and then what they do not need any more, for as long as one of them asks for it.
class Tidying final : public TimedSuspension {
public:
  void begin(LoopParts& parts) noexcept;
  void wake(FutureState* source) noexcept override;

private:
  Abort abort() noexcept override { return Abort::gone; }
  static constexpr auto interval = std::chrono::milliseconds(300);
};

/// What a higher floor keeps for a loop. Destroyed before the ring is.
class LoopProperty {
public:
  virtual ~LoopProperty() = default;
};

struct SignalHandler {
  int signal;
  Handle handle;
};
class StartedThreads;
class Workers;

/// What a loop has beside its core. Outlived by nothing.
struct LoopParts {
  explicit LoopParts(const RunOptions& run_options);
  ~LoopParts();
  LoopParts(const LoopParts&) = delete;
  LoopParts& operator=(const LoopParts&) = delete;

  RunOptions options;
  std::unique_ptr<Ring> ring;
  bool is_virtual;
  const unsigned process = process_number();  // in which it was made
  time_point virtual_now{};
  TimerQueue timers;
  Resident* residents = nullptr;
  Resident* to_flush = nullptr;
  Tidying tidying;
  std::unique_ptr<LoopProperty> receive_buffers;

  WakeUp wake_up;
  const pthread_t thread = ::pthread_self();  // whose the ring is
  bool running = false;
  bool closing = false;               // no task runs any more
  GeneratorLink generators;           // the ring's own place
  Workers* workers = nullptr;         // of `to_thread`: made when first needed
  StartedThreads* started = nullptr;  // of `start_thread`: made when first needed
  std::size_t jobs = 0;               // functions in other threads that tasks await: a virtual clock waits for them
  Patience patience;                  // with them
  std::uint64_t wakeups = 0;
  std::chrono::nanoseconds longest_callback{0};
  time_point time_known{};
  std::shared_ptr<ErrorHandler> handler;
  std::vector<SignalHandler> signal_handlers;
  std::atomic<bool> signalled{false};  // one of its signals came
  LoopServices services;
  std::minstd_rand shuffler;
  TaskState* interruptible = nullptr;  // what SIGINT cancels
  int interrupts = 0;
  StepObserver* observer = nullptr;  // of a test

  /// Whether this is a child that was forked off meanwhile: nothing can be done with it.
  bool is_parents() const noexcept { return process != process_number(); }

  // At the end of `run`, functions that keep it waiting are named, in real time: first after this long, then rarer.
  time_point ending_since{};
  std::chrono::nanoseconds naming_after{0};

  Workers& default_workers();
  StartedThreads& started_threads();
  void begin_ending() noexcept {
    ending_since = time_point::clock::now();
    naming_after = std::max<std::chrono::nanoseconds>(options.stuck_function_duration, std::chrono::milliseconds(1));
  }
  /// The most that the loop may sleep at the end of `run`, or under a test's eyes, if it would sleep for `wait`
  /// (negative: without end).
  std::chrono::nanoseconds until_naming(std::chrono::nanoseconds wait) const noexcept {
    if (wait.count() == 0) return wait;
    if (observer != nullptr) wait = at_most_until(observer->deadline, wait);
    return naming_after.count() == 0 ? wait : at_most_until(ending_since + naming_after, wait);
  }
  static std::chrono::nanoseconds at_most_until(time_point end, std::chrono::nanoseconds wait) noexcept {
    const auto left = std::max<std::chrono::nanoseconds>(end - time_point::clock::now(), std::chrono::nanoseconds(1));
    return wait.count() < 0 ? left : std::min(wait, left);
  }
  /// Whether nothing comes from the kernel, of a timer or a signal, nor is to go to the kernel.
  bool is_quiet() const noexcept {
    return !signalled.load(std::memory_order_relaxed) && !ring->has_work() && (timers.empty() || timers_are_far());
  }
  /// Whether no timer is due for certain. Asked on every turn: to look at the clock may take 200 ns where there are
  /// virtual machines, and at the one that counts the kernel's ticks a tenth of it. Also false if the last look is some
  /// milliseconds ago, for what `note_time()` makes of it.
  bool timers_are_far() const noexcept {
    if (is_virtual) return false;
    constexpr auto behind_max = std::chrono::milliseconds(20);  // two of the longest ticks that kernels have
    constexpr auto looks_apart_max = std::chrono::milliseconds(5);
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    const time_point tick(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
    return tick + behind_max < timers.soonest() && tick < time_known + looks_apart_max;
  }
  /// What was gathered in the steps of this turn becomes operations.
  void flush_residents() noexcept;
  /// Whether one wants to be asked again.
  bool tidy_residents() noexcept;
  /// Without the loop's own.
  std::size_t timer_count() const noexcept { return timers.size() - (tidying.queued() ? 1 : 0); }
  /// Nothing but tasks' operations and those of the loop may be left in the kernel then.
  void close_residents() noexcept;
  /// The real time is known to be `real_now`: what ran since it was last known counts as one callback. In debug mode
  /// each is timed by itself.
  void note_time(time_point real_now, bool debug) noexcept {
    if (!debug) longest_callback = std::max(longest_callback, std::chrono::nanoseconds(real_now - time_known));
    time_known = real_now;
  }
  time_point now() const noexcept { return is_virtual ? virtual_now : time_point::clock::now(); }
};

inline LoopParts& parts_of(LoopCore& core) noexcept { return *core.parts; }

}  // namespace coil::detail
