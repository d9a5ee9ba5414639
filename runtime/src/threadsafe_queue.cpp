#include <coil/threadsafe_queue.hpp>

#include <string>

namespace coil::detail {

void SharedQueueCore::orphan_all() noexcept {
  Wakes wakes;
  const FutexGuard guard(lock_);
  getters_.orphan_all(wakes);
  putters_.orphan_all(wakes);
}

void SharedQueueCore::let_putters_in(Wakes& wakes) noexcept {
  while (SharedWait* first = putters_.first()) {
    auto& putter = static_cast<PutWait&>(*first);
    const bool done = putter.try_put_item();
    putter.answer_ = PutWait::Answer::granted;
    putters_.end(putter, wakes);
    if (!done) continue;  // the next one, in its place
    item_came(wakes);
    return;
  }
}

void SharedQueueCore::begin_shutdown(Wakes& wakes) noexcept {
  shut_down_ = true;
  getters_.refuse_all(wakes);
  putters_.refuse_all(wakes);
}

void SharedQueueCore::throw_shut_down(const char* call) {
  throw QueueShutDown("coil: ThreadsafeQueue::" + std::string(call) + "(): the queue is shut down");
}

bool SharedQueueCore::PutWait::try_put_item() noexcept {
  try {
    put_item();
    return true;
  } catch (...) {
    error_ = std::current_exception();
    return false;
  }
}

void SharedQueueCore::PutWait::finish_put() {
  check_answer("ThreadsafeQueue");
  if (answer_ == Answer::refused) {
    throw_if_cancelled();
    throw_shut_down("put");
  }
  if (task_ != nullptr && task_->has(Ready::must_cancel)) task_->set(Ready::late_cancel);
  if (error_) std::rethrow_exception(std::move(error_));
}

}  // namespace coil::detail
