#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <utility>
#include <vector>

#include <coil/detail/ring.hpp>
#include <coil/detail/timer_queue.hpp>
#include <coil/loop.hpp>

#include "loop_service.hpp"

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

/// What a loop has beside its core. Outlived by nothing.
struct LoopParts {
  explicit LoopParts(const RunOptions& run_options);

  RunOptions options;
  std::unique_ptr<Ring> ring;
  bool is_virtual;
  bool is_parents = false;  // in a child that was forked off meanwhile: nothing can be done with it
  time_point virtual_now{};
  TimerQueue timers;

  WakeUp wake_up;
  std::mutex mutex;  // guards the next three
  std::vector<Callback*> from_threads;
  bool wake_up_signalled = false;
  bool closed = false;

  bool running = false;
  bool stopping = false;
  std::size_t jobs = 0;  // of thread pools: a virtual clock waits for them
  std::uint64_t wakeups = 0;
  std::chrono::nanoseconds longest_callback{0};
  time_point awake_since{};
  std::shared_ptr<ErrorHandler> handler;
  LoopServices services;
  std::minstd_rand shuffler;
  TaskState* interruptible = nullptr;  // what SIGINT cancels
  int interrupts = 0;

  /// The loop goes to sleep: what it did since it woke up counts as one stretch.
  void fall_asleep() noexcept;
  time_point now() const noexcept { return is_virtual ? virtual_now : time_point::clock::now(); }
};

inline LoopParts& parts_of(LoopCore& core) noexcept { return *core.parts; }

}  // namespace coil::detail
