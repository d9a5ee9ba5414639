#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include <coil/detail/thread_function.hpp>

#include "function_list.hpp"
#include "inbox.hpp"

namespace coil::detail {

/// The threads that were started in one loop: those that run, and those that nobody has a handle to. Stays until the
/// last of them has ended, as its functions may outlive the loop's end by a few instructions.
/// Threads: any.
class StartedThreads {
public:
  /// Referred to by its maker.
  StartedThreads() = default;
  void ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
  void unref() noexcept {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  void begin(ThreadFunction& function) noexcept;
  /// The function has returned; it is about to tell those who wait.
  void end_function(ThreadFunction& function) noexcept;
  /// The last thing that its thread does: the loop need not wait for it any more.
  void end() noexcept;

  /// Nobody will join this one: the loop does at its end, or one that comes after it.
  void abandon(std::thread thread, ThreadFunction& function);
  /// Asks all that run to stop, and tells `inbox` when the last has ended.
  void stop_all(Inbox& inbox);
  /// Whether none runs.
  bool idle() noexcept;
  /// Waits for the last instruction of those that nobody has a handle to. All of them have ended, or are to.
  void join() noexcept;
  /// The functions that run although nobody awaits them.
  void add_abandoned(std::vector<ThreadFunction::Description>& found);

private:
  struct Abandoned {
    std::thread thread;
    ThreadFunction* function;  // counted
  };

  StartedThreads(const StartedThreads&) = delete;
  StartedThreads& operator=(const StartedThreads&) = delete;
  ~StartedThreads() = default;
  static void join_all(std::vector<Abandoned>& ended) noexcept;

  std::atomic<std::uint32_t> refs_{1};
  std::mutex mutex_;  // guards the rest
  FunctionList running_;
  std::size_t alive_ = 0;
  InboxRef watcher_;
  std::vector<Abandoned> abandoned_;
  std::size_t look_again_at_ = 16;  // so many abandoned ones: then those that have ended are joined
};

/// What the handles to one thread share.
class StartedThread {
public:
  /// Takes over the reference to the function, also if there can be no thread. Errors: `std::system_error`.
  explicit StartedThread(ThreadFunction& function);
  void ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
  void unref() noexcept;

  ThreadFunction& function() noexcept { return function_; }
  /// As `ThreadRef::join`.
  void join() noexcept;
  bool is_this_thread() const noexcept { return id_ == std::this_thread::get_id(); }

private:
  StartedThread(const StartedThread&) = delete;
  StartedThread& operator=(const StartedThread&) = delete;
  ~StartedThread();
  static void run(ThreadFunction& function, StartedThreads* room) noexcept;

  std::atomic<std::uint32_t> refs_{1};
  ThreadFunction& function_;  // counted
  StartedThreads* room_;      // of the loop it was started in, counted; null outside of loops
  std::mutex mutex_;          // guards `thread_`: two may join
  std::thread thread_;
  std::thread::id id_;
};

}  // namespace coil::detail
