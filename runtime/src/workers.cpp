#include "workers.hpp"

#include <algorithm>
#include <utility>

#include <coil/detail/check.hpp>
#include <coil/error.hpp>

#include "loop_parts.hpp"
#include "ring_cache.hpp"
#include "started_thread.hpp"
#include "thread_start.hpp"

namespace coil::detail {

unsigned Workers::default_max() noexcept {
  constexpr unsigned most = 32;
  constexpr unsigned beside_the_cpus = 4;  // for functions that wait more than they compute
  return std::min(most, std::max(1U, std::thread::hardware_concurrency()) + beside_the_cpus);
}

Workers::Workers(unsigned threads_max, std::string_view name_prefix)
    : threads_max_(threads_max), name_prefix_(name_prefix) {
  if (threads_max == 0) throw_invalid_argument("coil: a ThreadPool needs max_workers of 1 or more");
}

Workers::~Workers() { check(threads_.empty(), "the threads of a pool have ended before it goes"); }

void Workers::unref() noexcept {
  if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

// ---- For those who have functions called -----------------------------------------------------------------

void Workers::check_open() {
  const std::lock_guard lock(mutex_);
  if (shut_down_) throw_logic_error("coil: ThreadPool::run() after shutdown()");
}

void Workers::submit(ThreadFunction& function) {
  std::unique_lock lock(mutex_, std::defer_lock);
  lock_soon(lock);
  if (shut_down_) throw_logic_error("coil: ThreadPool::run() after shutdown()");
  if (queued_ >= idle_ && threads_.size() < threads_max_) {
    try {
      start_thread();
    } catch (...) {
      if (threads_.empty()) throw;  // else one of those that there are will come to it
    }
  }
  function.ref();
  function.place_ = ThreadFunction::Place::queue;
  queue_.push_back(function);
  ++queued_;
  if (!looking_ || queued_ > 1) work_.notify_one();
}

bool Workers::withdraw(ThreadFunction& function) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (function.place_ != ThreadFunction::Place::queue) return false;
    function.place_ = ThreadFunction::Place::nowhere;
    queue_.remove(function);
    --queued_;
  }
  function.unref();
  return true;
}

void Workers::shut_down() noexcept {
  const std::lock_guard lock(mutex_);
  shut_down_ = true;
  work_.notify_all();
}

void Workers::shut_down(Inbox& inbox) noexcept {
  const std::lock_guard lock(mutex_);
  watcher_ = InboxRef(inbox);
  shut_down_ = true;
  work_.notify_all();
}

bool Workers::idle() noexcept {
  const std::lock_guard lock(mutex_);
  return queued_ == 0 && busy_ == 0;
}

void Workers::join() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    check(shut_down_, "a pool is shut down before its threads are joined");
    for (const std::thread& thread : threads_)
      if (thread.get_id() == std::this_thread::get_id())
        throw_logic_error("coil: ThreadPool::shutdown() waits for this very thread");
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

std::vector<ThreadFunction::Description> Workers::abandoned() {
  const std::lock_guard lock(mutex_);
  std::vector<ThreadFunction::Description> found;
  running_.for_each([&](ThreadFunction& function) {
    if (const ThreadFunction::Description description = function.describe(); !description.awaited)
      found.push_back(description);
  });
  return found;
}

// ---- Those of a loop -------------------------------------------------------------------------------------

Workers& LoopParts::default_workers() {
  if (workers == nullptr) workers = new Workers(Workers::default_max(), "coil");
  return *workers;
}

LoopParts::~LoopParts() {
  receive_buffers.reset();
  if (!is_parents()) RingCache::keep(std::move(ring), options.ring_entries);
  if (started != nullptr) {
    started->join();
    started->unref();
  }
  if (workers == nullptr) return;
  workers->shut_down();
  workers->join();
  workers->unref();
}

// ---- The threads -----------------------------------------------------------------------------------------

void Workers::start_thread() {
  const auto number = static_cast<unsigned>(threads_.size());
  threads_.reserve(threads_.size() + 1);
  const SignalsBlocked blocked;
  threads_.emplace_back([this, number] { work(number); });
}

void Workers::work(unsigned number) noexcept {
  name_this_thread(name_prefix_, number);
  std::unique_lock lock(mutex_);
  ++idle_;
  while (ThreadFunction* function = next(lock)) {
    lock.unlock();
    function->execute();
    lock_soon(lock);
    running_.remove(*function);
    ++idle_;  // before those who wait are woken: what they submit next is for this thread
    lock.unlock();
    function->end();
    function->unref();  // if nobody waits: destroys the result, reports an exception
    lock_soon(lock);
    if (--busy_ == 0 && queued_ == 0 && watcher_.get() != nullptr) watcher_.get()->wake();
  }
}

// The function to be called next; null once there are no more.
ThreadFunction* Workers::next(std::unique_lock<std::mutex>& lock) {
  if (queued_ == 0) wait_for_work(lock);
  --idle_;
  ThreadFunction* function = queue_.first();
  if (function == nullptr) return nullptr;
  queue_.remove(*function);
  --queued_;
  function->place_ = ThreadFunction::Place::thread;
  running_.push_back(*function);
  ++busy_;
  return function;
}

// One at a time first looks for work a little, if that has lately come soon after one of them had nothing to do.
void Workers::wait_for_work(std::unique_lock<std::mutex>& lock) {
  const auto there = [this] { return queued_ != 0 || shut_down_; };
  const bool looks = !looking_ && patience_.pays();
  idle_since_ = Patience::Clock::now();
  if (looks) {
    looking_ = true;
    const Patience::Clock::time_point end = idle_since_ + Patience::looks_for;
    lock.unlock();
    Patience::look(end, there);
    lock_soon(lock);
    looking_ = false;
  }
  work_.wait(lock, there);
  if (!looking_) patience_.learn(true, Patience::Clock::now() - idle_since_, looks);
}

// Whoever holds the lock lets it go within some hundred nanoseconds, and to sleep for it costs microseconds: so that is
// put off for a little, as by FutexLock.
void Workers::lock_soon(std::unique_lock<std::mutex>& lock) {
  constexpr int looks_max = 100;
  for (int looks = 0; looks != looks_max; ++looks) {
    if (lock.try_lock()) return;
    pause_cpu();
  }
  lock.lock();
}

}  // namespace coil::detail
