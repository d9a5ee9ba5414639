#pragma once
#include <sys/types.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <coil/coro.hpp>
#include <coil/detail/process_job.hpp>

namespace coil {

/// A function in another process threw. The text is that of its exception.
class RemoteError : public std::runtime_error {
public:
  RemoteError(std::string type, const std::string& text) : std::runtime_error(text), type_(std::move(type)) {}
  /// The name of the exception's type, as "std::out_of_range".
  const std::string& type() const noexcept { return type_; }

private:
  std::string type_;
};

/// The process that was to run a function ended before it had an answer.
class ProcessDied : public std::runtime_error {
public:
  explicit ProcessDied(int returncode);
  /// Its exit status, or -N if signal N killed it.
  int returncode() const noexcept { return returncode_; }

private:
  int returncode_;
};

namespace detail {

class PoolCore;

/// A counted reference to what a ProcessPool and those who wait in it share.
class PoolRef {
public:
  explicit PoolRef(PoolCore* core) noexcept;
  PoolRef(const PoolRef& other) noexcept : PoolRef(other.core_) {}
  PoolRef(PoolRef&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  PoolRef& operator=(PoolRef other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~PoolRef();

  PoolCore* operator->() const noexcept { return core_; }
  explicit operator bool() const noexcept { return core_ != nullptr; }

private:
  PoolCore* core_;
};

/// Runs a job of the pool that `to_process` uses.
Coro<std::string> run_in_default_pool(std::string request);

}  // namespace detail

/// Worker processes that run functions, for what needs another processor, its own memory, or may crash.
///
/// A worker is a copy of this process as fork(2) makes it, with what `fork_process` says of locks: so make the pool
/// before there are threads. It has no descriptor but stdout and stderr, and sees the program's variables as they were
/// when it was started. What a job prints is flushed at its end. A worker that crashes or is killed is replaced.
/// Lifetime: the destructor kills the workers, with what they do; `co_await pool.aclose()` lets them finish. They end
///   with the thread that started them as well.
/// Threads: that of its loop. It may be made before the loop runs.
class ProcessPool {
public:
  /// Starts the workers; 0: as many as there are processors for this process.
  /// Errors: `std::system_error` if there can be no further process.
  explicit ProcessPool(unsigned max_workers = 0);
  ProcessPool(ProcessPool&& other) noexcept = default;
  ProcessPool& operator=(ProcessPool&& other) noexcept;
  ~ProcessPool();

  /// Runs `f(args...)` in a worker and gives its result. Jobs begin in the order in which they are awaited.
  ///
  /// `f` is a function or a lambda without captures, of a part of the program that was loaded when the worker started.
  /// Arguments and result are trivially copyable, or text, which is carried as `std::string`.
  /// Errors: RemoteError with what `f` threw; ProcessDied if its worker ended; `std::logic_error` once the pool is
  ///   closed; `std::system_error` if a worker cannot be started.
  /// Cancellation: a job that has begun is killed, with its worker.
  template <class F, class... Args>
  [[nodiscard]] auto run(F&& f, Args&&... args) {
    using Job = detail::ProcessJob<std::decay_t<F>, Args...>;
    return detail::take_job_result<typename Job::Result>(run_request(Job::request(f, std::forward<Args>(args)...)));
  }

  /// Takes no more jobs, waits until all have ended, and ends the workers. Idempotent.
  /// Cancellation: they are killed.
  Coro<void> aclose();

  unsigned max_workers() const noexcept;
  /// The ids of the workers that are there.
  std::vector<pid_t> workers() const;

private:
  Coro<std::string> run_request(std::string request);
  detail::PoolRef core_;  // null once moved from
};

}  // namespace coil
