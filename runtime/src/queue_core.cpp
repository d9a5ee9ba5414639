#include <coil/detail/queue_core.hpp>

#include <algorithm>
#include <source_location>
#include <utility>

namespace coil::detail {

void QueueCore::throw_cannot_put() const {
  if (shut_down_) throw QueueShutDown("coil: Queue::put(): the queue is shut down");
  throw QueueFull("coil: Queue::put_nowait(): the queue is full");
}

void QueueCore::throw_cannot_get() const {
  if (shut_down_) throw QueueShutDown("coil: Queue::get(): the queue is shut down and empty");
  throw QueueEmpty("coil: Queue::get_nowait(): the queue is empty");
}

void QueueCore::task_done() {
  if (unfinished_ == 0) throw_invalid_argument("coil: Queue::task_done() called more often than items were put");
  if (joiners_.may_wake()) check_thread("Queue::task_done");
  if (--unfinished_ == 0) joiners_.wake_all();
}

void QueueCore::begin_shutdown() const {
  if (joiners_.may_wake() || getters_.may_wake() || putters_.may_wake()) check_thread("Queue::shutdown");
}

void QueueCore::end_shutdown(std::size_t dropped) noexcept {
  shut_down_ = true;
  unfinished_ -= std::min(unfinished_, dropped);
  if (unfinished_ == 0) joiners_.wake_all();
  getters_.wake_all();
  putters_.wake_all();
}

// ---- Looking twice ---------------------------------------------------------------------------------------

/// Runs in the task before the coroutine that waits goes on.
class QueueCore::ItemWait::SecondLook : public Pooled {
public:
  SecondLook(Coro<void> look, TaskState& task) : coroutine_(CoroAccess::release(look)) {
    slot_.continuation = task.resume;
    coroutine_.promise().receiver_ = Receiver(slot_);
    task.resume = coroutine_;
  }
  SecondLook(const SecondLook&) = delete;
  SecondLook& operator=(const SecondLook&) = delete;
  ~SecondLook() { coroutine_.destroy(); }

private:
  ChildSlot slot_;
  std::coroutine_handle<CoroPromise<void>> coroutine_;
};

/// Waits once more in the same place of the program, but at the end of the line.
class QueueCore::ItemWait::Again {
public:
  explicit Again(ItemWait& waiter) noexcept : waiter_(waiter) {}
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> coroutine,
                     std::source_location where = std::source_location::current()) const noexcept {
    waiter_.step_out();
    waiter_.park(coroutine, where);
    waiter_.start();
  }
  void await_resume() const noexcept {}

private:
  ItemWait& waiter_;
};

Coro<void> QueueCore::ItemWait::wait_until_over() {
  const Again again(*this);
  while (!is_cancelled() && !is_orphan() && !is_over()) co_await again;
}

void QueueCore::ItemWait::look_twice() {
  if (second_look_ == nullptr) second_look_ = new SecondLook(wait_until_over(), *task_);
}

// They stand right before those that were not woken, but for some that were cancelled.
void QueueCore::Line::have_woken_look_again() {
  for (auto* waiter = static_cast<ItemWait*>(last_before_unwoken());;
       waiter = static_cast<ItemWait*>(before(*waiter))) {
    if (!waiter->is_fresh()) continue;
    waiter->look_twice();
    waiter->grow_stale();
    if (--fresh_ == 0) return;
  }
}

void QueueCore::ItemWait::step_out() noexcept {
  if (is_fresh()) --line().fresh_;
  leave();
}

void QueueCore::ItemWait::go_on_with_care() {
  delete std::exchange(second_look_, nullptr);
  if (is_orphan()) throw_orphaned("Queue");
  const bool usable = was_woken() && is_over();
  step_out();
  if (!is_cancelled()) return;
  if (usable) pass_on();
  throw_if_cancelled();
}

}  // namespace coil::detail
