#include <coil/threadsafe_queue.hpp>

#include <string>

namespace coil::detail {

void SharedQueueCore::orphan_all() noexcept {
  Wakes wakes;
  const FutexGuard guard(lock_);
  getters_.orphan_all(wakes);
  putters_.orphan_all(wakes);
  joiners_.orphan_all(wakes);
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

void SharedQueueCore::finish_items(std::size_t count, Wakes& wakes) noexcept {
  unfinished_ -= count;
  while (unfinished_ == 0 && joiners_.grant_one(wakes)) continue;
}

void SharedQueueCore::task_done() {
  Wakes wakes;
  const FutexGuard guard(lock_);
  if (unfinished_ == 0)
    throw_invalid_argument("coil: ThreadsafeQueue::task_done() called more often than items were put");
  finish_items(1, wakes);
}

bool SharedQueueCore::JoinOperation::attempt(Wakes&, bool) noexcept {
  if (core_->unfinished_ != 0) return false;
  answer_ = Answer::granted;
  return true;
}

void SharedQueueCore::join_blocking() {
  JoinOperation join(*this);
  join.block("ThreadsafeQueue::join_blocking");
  join.await_resume();
}

void SharedQueueCore::throw_full(const char* call) {
  throw QueueFull("coil: ThreadsafeQueue::" + std::string(call) + "(): the queue is full");
}

void SharedQueueCore::throw_empty(const char* call) {
  throw QueueEmpty("coil: ThreadsafeQueue::" + std::string(call) + "(): the queue is empty");
}

void SharedQueueCore::throw_shut_down(const char* call) {
  throw QueueShutDown("coil: ThreadsafeQueue::" + std::string(call) + "(): the queue is shut down");
}

bool SharedQueueCore::PutWait::try_put_item() noexcept {
  try {
    put_item();
    ++core_->unfinished_;
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
