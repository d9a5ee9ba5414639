#include <coil/detail/thread_wait.hpp>

#include <coil/detail/check.hpp>
#include <coil/detail/promise.hpp>

#include "loop_parts.hpp"
#include "workers.hpp"

namespace coil::detail {

// ---- ThreadWait ------------------------------------------------------------------------------------------

void ThreadWait::begin() noexcept {
  if (task_->has(Ready::must_cancel)) return;  // `settle` follows, and finds that nothing has begun
  begun_ = true;
  attach();
  if (!function_->add_waiter(*this)) task_->make_ready();
}

Abort ThreadWait::abort() noexcept {
  if (!begun_) return Abort::gone;
  const ThreadFunction::Quit quit = function_->remove_waiter(*this);
  if (quit == ThreadFunction::Quit::gone) return Abort::gone;
  stopping_ = quit == ThreadFunction::Quit::stopping;
  task_->set(Ready::must_cancel | Ready::late_cancel);
  return Abort::answer_coming;
}

void ThreadWait::finish(Waiters waiters) {
  if (task_ != nullptr && task_->has(Ready::throw_cancel)) task_->throw_cancelled();  // it may still run
  std::exception_ptr error = waiters == Waiters::one ? function_->take_error() : function_->share_error();
  if (task_ != nullptr && task_->has(Ready::must_cancel)) {
    if (!stopping_) {
      task_->set(Ready::late_cancel);
    } else {
      if (!error || is_cancelled_error(error)) task_->throw_cancelled();
      task_->unset(Ready::must_cancel | Ready::late_cancel);
    }
  }
  if (error) std::rethrow_exception(std::move(error));
}

// ---- PoolWait --------------------------------------------------------------------------------------------

PoolWait::PoolWait(Workers* workers, ThreadFunction* function) noexcept : ThreadWait(function), workers_(workers) {
  if (workers_ != nullptr) workers_->ref();
}

PoolWait::~PoolWait() {
  if (workers_ != nullptr) workers_->unref();
}

void PoolWait::check_fresh() {
  if (function_ == nullptr || begun_)
    throw_logic_error("coil: this call of a function in a thread was awaited or moved from before");
}

void PoolWait::submit() noexcept {
  if (task_->has(Ready::must_cancel)) return;  // `settle` follows, and finds that nothing has begun
  begun_ = true;
  LoopParts& parts = parts_of(*this_loop);
  attach();
  function_->set_where_if_unknown(promise_at(task_->resume).where_);
  try {
    function_->prepare();
    if (workers_ == nullptr) {
      workers_ = &parts.default_workers();
      workers_->ref();
    }
    const bool waits = function_->add_waiter(*this);
    check(waits, "a function does not end before it begins");
    workers_->submit(*function_);
  } catch (...) {
    function_->fail(std::current_exception());
    task_->make_ready();
    return;
  }
  ++parts.jobs;
}

void PoolWait::arrive() noexcept {
  --parts_of(*this_loop).jobs;
  ThreadWait::arrive();
}

Abort PoolWait::abort() noexcept {
  if (!begun_) return Abort::gone;
  const bool never_ran = workers_->withdraw(*function_);
  const Abort answer = never_ran ? Abort::gone : ThreadWait::abort();
  if (answer == Abort::gone) --parts_of(*this_loop).jobs;
  return answer;
}

}  // namespace coil::detail
