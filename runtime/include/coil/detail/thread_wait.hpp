#pragma once
#include <utility>

#include <coil/detail/operation.hpp>
#include <coil/detail/remote_suspension.hpp>
#include <coil/detail/thread_function.hpp>

namespace coil::detail {

/// How many may wait for one function: what came of it is moved out, or copied.
enum class Waiters : unsigned char { one, several };

/// Waits for the end of a function in another thread.
///
/// Cancelling it asks a function that takes a stop token to stop, and waits for it: the await then throws, what the
/// function returns is dropped, what it throws counts. If it had ended before, its result is returned and the next wait
/// throws. Any other function is left alone, and the wait ends at once.
class ThreadWait : public RemoteSuspension {
public:
  /// Takes over a reference.
  explicit ThreadWait(ThreadFunction* function) noexcept : function_(function) {}
  ThreadWait(ThreadWait&& other) noexcept
      : RemoteSuspension(other), function_(std::exchange(other.function_, nullptr)) {}
  ThreadWait& operator=(const ThreadWait&) = delete;
  ~ThreadWait() {
    if (function_ != nullptr) function_->unref();
  }

  ThreadFunction* function() const noexcept { return function_; }

protected:
  void begin() noexcept;
  /// In `await_resume`: throws CancelledError or what the function threw; else its result is there.
  void finish(Waiters waiters);
  Abort abort() noexcept override;

  ThreadFunction* function_;
  bool begun_ = false;
  bool stopping_ = false;  // the function was asked to stop before it ended
};

/// Has a function called by a thread pool.
class PoolWait : public ThreadWait {
public:
  /// `workers` null: those of the running loop. Takes over a reference to the function.
  PoolWait(Workers* workers, ThreadFunction* function) noexcept;
  PoolWait(PoolWait&& other) noexcept
      : ThreadWait(std::move(other)), workers_(std::exchange(other.workers_, nullptr)) {}
  ~PoolWait();

protected:
  /// Errors: `std::logic_error` if it was awaited or moved from before.
  void check_fresh();
  void submit() noexcept;

private:
  void arrive() noexcept override;
  Abort abort() noexcept override;

  Workers* workers_;  // counted
};

template <class T>
class PoolOperation final : public Operation<PoolOperation<T>, PoolWait> {
public:
  PoolOperation(Workers* workers, ThreadFunctionTo<T>* function) noexcept
      : Operation<PoolOperation<T>, PoolWait>(workers, function) {}

  bool await_ready() {
    this->check_fresh();
    return false;
  }
  void start() noexcept { this->submit(); }
  T await_resume() {
    this->finish(Waiters::one);
    return static_cast<ThreadFunctionTo<T>*>(this->function_)->take();
  }
};

}  // namespace coil::detail
