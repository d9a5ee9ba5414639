#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <coil/detail/thread_function.hpp>

#include "function_list.hpp"
#include "inbox.hpp"
#include "patience.hpp"

namespace coil::detail {

/// The threads of a pool and the functions that wait for one, in order. A thread is started when a function finds none
/// idle, and stays until the pool is shut down.
/// Threads: any.
class Workers {
public:
  /// Referred to by its maker. Errors: `std::invalid_argument` for no threads at all.
  Workers(unsigned threads_max, std::string_view name_prefix);
  void ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
  void unref() noexcept;

  /// Errors: `std::logic_error` after `shut_down()`, `std::system_error` if there is no thread to be had.
  void submit(ThreadFunction& function);
  void check_open();
  /// Takes back a function that no thread has begun. False if one has.
  bool withdraw(ThreadFunction& function) noexcept;

  /// Takes no more functions; those that it has are still called.
  void shut_down() noexcept;
  /// The same, and tells `inbox` when the last one has ended.
  void shut_down(Inbox& inbox) noexcept;
  /// Whether no function waits or runs.
  bool idle() noexcept;
  /// Waits until the threads have ended. After `shut_down()`. Errors: `std::logic_error` from one of them.
  void join();

  /// The functions that run although nobody awaits them any more.
  std::vector<ThreadFunction::Description> abandoned();

  static unsigned default_max() noexcept;

private:
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers();
  void start_thread();
  void work(unsigned number) noexcept;
  ThreadFunction* next(std::unique_lock<std::mutex>& lock);
  void wait_for_work(std::unique_lock<std::mutex>& lock);
  static void lock_soon(std::unique_lock<std::mutex>& lock);

  const unsigned threads_max_;
  const std::string name_prefix_;
  std::atomic<std::uint32_t> refs_{1};

  std::mutex mutex_;  // guards the rest
  std::condition_variable work_;
  std::vector<std::thread> threads_;
  FunctionList queue_;
  FunctionList running_;
  std::atomic<std::size_t> queued_ = 0;  // written under the lock, as the next
  std::atomic<bool> shut_down_ = false;
  std::size_t busy_ = 0;                      // threads that run a function, or clear up after one
  std::size_t idle_ = 0;                      // threads that wait for one, or are about to
  bool looking_ = false;                      // one of them looks for a function, and need not be woken for the first
  Patience patience_;                         // with the next function
  Patience::Clock::time_point idle_since_{};  // the one that was last to find nothing to do
  InboxRef watcher_;
};

}  // namespace coil::detail
