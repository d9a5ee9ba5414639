#pragma once
#include <concepts>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include <coil/clock.hpp>
#include <coil/detail/awaitable.hpp>
#include <coil/detail/queue_store.hpp>
#include <coil/detail/shared_wait.hpp>
#include <coil/error.hpp>

namespace coil {

namespace detail {

/// What of a ThreadsafeQueue does not depend on its items. Everything under the lock.
class SharedQueueCore {
public:
  class JoinOperation;

  /// For who has taken an item: it is dealt with.
  /// Errors: `std::invalid_argument` if that was said for all that were put.
  void task_done();
  /// Waits until `task_done()` was called for every item that was put.
  [[nodiscard]] JoinOperation join() noexcept;
  /// The same for threads.
  void join_blocking();

  SharedQueueCore(const SharedQueueCore&) = delete;
  SharedQueueCore& operator=(const SharedQueueCore&) = delete;

protected:
  class PutWait;

  explicit SharedQueueCore(std::size_t maxsize) noexcept : maxsize_(maxsize) {}
  ~SharedQueueCore() = default;
  /// In the destructor of the queue, while its items are there.
  void orphan_all() noexcept;

  bool is_full(std::size_t size) const noexcept { return maxsize_ != 0 && size >= maxsize_; }
  std::size_t free_items(std::size_t size) const noexcept { return size > promised_ ? size - promised_ : 0; }
  /// There is one item more that belongs to nobody.
  void item_came(Wakes& wakes) noexcept {
    if (getters_.grant_one(wakes)) ++promised_;
  }
  /// There is room for one more.
  void room_came(Wakes& wakes) noexcept {
    if (!putters_.empty()) [[unlikely]]
      let_putters_in(wakes);
  }
  /// `count` items are dealt with.
  void finish_items(std::size_t count, Wakes& wakes) noexcept;
  void begin_shutdown(Wakes& wakes) noexcept;
  [[noreturn]] static void throw_shut_down(const char* call);
  [[noreturn]] static void throw_full(const char* call);
  [[noreturn]] static void throw_empty(const char* call);

  mutable FutexLock lock_;  // guards the rest, and the items
  const std::size_t maxsize_;
  std::size_t promised_ = 0;    // items, first in line, that belong to those in `get` who were woken
  std::size_t unfinished_ = 0;  // items that were put, and not called done
  bool shut_down_ = false;
  SharedLine getters_;  // empty while an item is free
  SharedLine putters_;  // empty while there is room
  SharedLine joiners_;  // empty while nothing is unfinished

private:
  void let_putters_in(Wakes& wakes) noexcept;
};

class SharedQueueCore::PutWait : public SharedWait {
protected:
  explicit PutWait(SharedQueueCore& core) noexcept : SharedWait(core.lock_, core.putters_), core_(&core) {}
  PutWait(const PutWait&) noexcept = default;

  /// Puts the item. Errors: what moving it throws.
  virtual void put_item() = 0;
  /// The same; keeps what that throws. False for an error.
  bool try_put_item() noexcept;
  /// After the wait. A request to cancel that came too late waits for the next suspension.
  void finish_put();

  std::exception_ptr error_;

private:
  friend class SharedQueueCore;
  SharedQueueCore* core_;
};

class SharedQueueCore::JoinOperation final : public Operation<JoinOperation, SharedWait> {
public:
  explicit JoinOperation(SharedQueueCore& core) noexcept
      : Operation<JoinOperation, SharedWait>(core.lock_, core.joiners_), core_(&core) {}

  bool await_ready() { return is_ready(); }
  void start() noexcept { begin(); }
  void await_resume() {
    check_answer("ThreadsafeQueue");
    throw_if_cancelled();
  }

private:
  friend class SharedQueueCore;
  bool attempt(Wakes& wakes, bool at_once) noexcept override;
  SharedQueueCore* core_;
};

inline SharedQueueCore::JoinOperation SharedQueueCore::join() noexcept { return JoinOperation(*this); }

}  // namespace detail

/// Passes items between tasks of any loops and threads: first in, first out. Tasks wait by `co_await`, threads by the
/// calls that block. All who wait in `get` stand in one line, all who wait in `put` in another, and are served in arrival
/// order. Items need only be movable.
///
/// Errors: a call that would block an event loop is a `std::logic_error`; so is the wait of whoever waits still when the
///   queue is destroyed. What moving an item throws leaves the queue as it was.
/// Lifetime: outlives all that use it.
/// Threads: any. Items are moved under the queue's lock; their move constructors do not use the queue.
template <class T>
class ThreadsafeQueue : private detail::SharedQueueCore {
  static_assert(std::is_object_v<T> && std::is_same_v<T, std::remove_cv_t<T>>,
                "coil: a queue holds objects, not const");
  static_assert(std::move_constructible<T>, "coil: the items of a queue can be moved");
  static constexpr bool survives_braces =
      !detail::is_gcc12 || !std::is_aggregate_v<T> || std::is_trivially_destructible_v<T>;

public:
  using value_type = T;
  class PutOperation;
  class GetOperation;

  /// `maxsize`: how many items fit; 0 for any number.
  explicit ThreadsafeQueue(std::size_t maxsize = 0) noexcept : SharedQueueCore(maxsize) {}
  ~ThreadsafeQueue() { orphan_all(); }

  using SharedQueueCore::join;
  using SharedQueueCore::join_blocking;
  using SharedQueueCore::task_done;

  std::size_t maxsize() const noexcept { return maxsize_; }
  /// The items that can be taken now. Others may take them before this returns, as with all of these.
  std::size_t qsize() const noexcept {
    const detail::FutexGuard guard(lock_);
    return free_items(store_.size());
  }
  bool empty() const noexcept { return qsize() == 0; }
  bool full() const noexcept {
    const detail::FutexGuard guard(lock_);
    return is_full(store_.size());
  }

  /// Waits while the queue is full, then puts the item.
  ///
  /// With g++ 12 name an aggregate with a non-trivial member first, and write `put(std::move(item))`, as for `Queue`.
  /// Errors: QueueShutDown.
  /// Cancellation: the item is not in the queue, it is destroyed; or it is, and the next wait throws.
  template <std::convertible_to<T> U>
  [[nodiscard]] PutOperation put(U&& item) {
    return PutOperation(*this, std::forward<U>(item));
  }
  [[nodiscard]] PutOperation put(T&& item)
    requires survives_braces
  {
    return PutOperation(*this, std::move(item));
  }
  /// The same for threads.
  template <std::convertible_to<T> U = T>
  void put_blocking(U&& item) {
    PutOperation put(*this, std::forward<U>(item));
    put.block("ThreadsafeQueue::put_blocking");
    put.await_resume();
  }
  /// The same, for `timeout` at the most. Errors: QueueFull if there is no room until then; QueueShutDown.
  template <std::convertible_to<T> U = T, class Rep, class Period>
  void put_blocking_for(U&& item, std::chrono::duration<Rep, Period> timeout) {
    PutOperation put(*this, std::forward<U>(item));
    if (!put.block_until("ThreadsafeQueue::put_blocking_for", detail::deadline_in(timeout)))
      throw_full("put_blocking_for");
    put.await_resume();
  }
  /// Errors: QueueFull, QueueShutDown.
  template <std::convertible_to<T> U = T>
  void put_nowait(U&& item) {
    detail::Wakes wakes;
    const detail::FutexGuard guard(lock_);
    if (shut_down_) throw_shut_down("put_nowait");
    if (is_full(store_.size())) throw_full("put_nowait");
    store_.push(std::forward<U>(item));
    ++unfinished_;
    item_came(wakes);
  }

  /// Waits while the queue is empty, then takes the next item.
  /// Errors: QueueShutDown once the queue is shut down and empty.
  /// Cancellation: no item is lost: it stays in the queue, and the next one that waits takes it.
  [[nodiscard]] GetOperation get() noexcept { return GetOperation(*this); }
  /// The same for threads.
  T get_blocking() {
    GetOperation get(*this);
    get.block("ThreadsafeQueue::get_blocking");
    return get.await_resume();
  }
  /// The same, for `timeout` at the most. Errors: QueueEmpty if there is no item until then; QueueShutDown.
  template <class Rep, class Period>
  T get_blocking_for(std::chrono::duration<Rep, Period> timeout) {
    GetOperation get(*this);
    if (!get.block_until("ThreadsafeQueue::get_blocking_for", detail::deadline_in(timeout)))
      throw_empty("get_blocking_for");
    return get.await_resume();
  }
  /// Errors: QueueEmpty; QueueShutDown once the queue is shut down and empty.
  T get_nowait() {
    detail::Wakes wakes;
    const detail::FutexGuard guard(lock_);
    if (free_items(store_.size()) == 0) {
      if (shut_down_) throw_shut_down("get_nowait");
      throw_empty("get_nowait");
    }
    return take(wakes);
  }

  /// From now on nothing can be put. What is in the queue can still be taken, or is dropped if `immediate`; after that
  /// `get` throws QueueShutDown. Wakes all who wait; of `join` if nothing is left: what is dropped counts as done.
  void shutdown(bool immediate = false) {
    {
      detail::Wakes wakes;
      const detail::FutexGuard guard(lock_);
      begin_shutdown(wakes);
    }
    while (immediate && drop_one()) continue;
  }

private:
  T take(detail::Wakes& wakes) {
    T item = store_.take();
    room_came(wakes);
    return item;
  }
  bool drop_one() {
    std::optional<T> dropped;  // destroyed when the lock is free
    detail::Wakes wakes;
    const detail::FutexGuard guard(lock_);
    if (store_.size() == 0) return false;
    dropped.emplace(store_.take());
    if (unfinished_ != 0) finish_items(1, wakes);
    return true;
  }
  /// For one that was granted an item.
  T take_promised() {
    detail::Wakes wakes;
    const detail::FutexGuard guard(lock_);
    --promised_;
    if (store_.size() == 0) throw_shut_down("get");  // it was dropped
    try {
      return take(wakes);
    } catch (...) {
      item_came(wakes);
      throw;
    }
  }
  void give_up_promised() noexcept {
    detail::Wakes wakes;
    const detail::FutexGuard guard(lock_);
    --promised_;
    if (store_.size() > promised_) item_came(wakes);
  }

  detail::FifoStore<T> store_;
};

template <class T>
class ThreadsafeQueue<T>::PutOperation final
    : public detail::Operation<PutOperation, detail::SharedQueueCore::PutWait> {
public:
  template <class U>
  PutOperation(ThreadsafeQueue& queue, U&& item)
      : detail::Operation<PutOperation, detail::SharedQueueCore::PutWait>(static_cast<SharedQueueCore&>(queue)),
        queue_(&queue),
        item_(std::forward<U>(item)) {}

  bool await_ready() { return this->is_ready(); }
  void start() noexcept { this->begin(); }
  void await_resume() { this->finish_put(); }

private:
  friend class ThreadsafeQueue;
  bool attempt(detail::Wakes& wakes, bool) noexcept override {
    const bool can = !queue_->shut_down_ && !queue_->is_full(queue_->store_.size());
    if (!can && !queue_->shut_down_) return false;
    this->answer_ = can ? PutOperation::Answer::granted : PutOperation::Answer::refused;
    if (can && this->try_put_item()) queue_->item_came(wakes);
    return true;
  }
  void put_item() override { queue_->store_.push(std::move(item_)); }

  ThreadsafeQueue* queue_;
  T item_;
};

template <class T>
class ThreadsafeQueue<T>::GetOperation final : public detail::Operation<GetOperation, detail::SharedWait> {
public:
  explicit GetOperation(ThreadsafeQueue& queue) noexcept
      : detail::Operation<GetOperation, detail::SharedWait>(queue.lock_, queue.getters_), queue_(&queue) {}

  bool await_ready() { return this->is_ready(); }
  void start() noexcept { this->begin(); }
  T await_resume() {
    if (item_) return std::move(*item_);
    this->check_answer("ThreadsafeQueue");
    if (this->is_cancelled()) [[unlikely]] {
      if (this->answer_ == GetOperation::Answer::granted) queue_->give_up_promised();
      this->throw_if_cancelled();
    }
    if (this->answer_ == GetOperation::Answer::refused) throw_shut_down("get");
    return queue_->take_promised();
  }

private:
  friend class ThreadsafeQueue;
  bool attempt(detail::Wakes& wakes, bool at_once) override {
    if (queue_->free_items(queue_->store_.size()) != 0) {
      if (at_once)
        item_.emplace(queue_->take(wakes));
      else
        ++queue_->promised_;
      this->answer_ = GetOperation::Answer::granted;
      return true;
    }
    if (!queue_->shut_down_) return false;
    this->answer_ = GetOperation::Answer::refused;
    return true;
  }

  ThreadsafeQueue* queue_;
  std::optional<T> item_;  // if it did not have to wait
};

}  // namespace coil
