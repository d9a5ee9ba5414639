#pragma once
#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>

#include <coil/detail/queue_core.hpp>
#include <coil/detail/queue_store.hpp>

namespace coil {

namespace detail {

/// False for an item that g++ 12 would destroy twice if a `co_await` expression made it from a braced list.
template <class T>
inline constexpr bool survives_braces = !is_gcc12 || !std::is_aggregate_v<T> || std::is_trivially_destructible_v<T>;

/// Queue, LifoQueue and PriorityQueue differ in where they keep their items.
template <class T, class Store>
class BasicQueue : public QueueCore {
  static_assert(std::is_object_v<T> && std::is_same_v<T, std::remove_cv_t<T>>,
                "coil: a queue holds objects, not const");
  static_assert(std::move_constructible<T>, "coil: the items of a queue can be moved");

public:
  using value_type = T;
  class PutOperation;
  class GetOperation;

  std::size_t qsize() const noexcept { return store_.size(); }
  bool empty() const noexcept { return qsize() == 0; }
  bool full() const noexcept { return is_full(qsize()); }

  /// Waits while the queue is full, then puts the item.
  ///
  /// With g++ 12 name an aggregate with a non-trivial member first, and write `put(std::move(item))`: a temporary one
  /// in a `co_await` expression is destroyed twice (GCC PR 98401).
  /// Errors: QueueShutDown; `std::logic_error` if it has to wait in another loop than others did before; what
  ///   moving or comparing items throws.
  /// Cancellation: the item is not in the queue; it is destroyed.
  template <std::convertible_to<T> U>
  [[nodiscard]] PutOperation put(U&& item) {
    return PutOperation(*this, std::forward<U>(item));
  }
  [[nodiscard]] PutOperation put(T&& item)
    requires survives_braces<T>
  {
    return PutOperation(*this, std::move(item));
  }
  /// Errors: QueueFull; QueueShutDown; `std::logic_error` in another thread than that of the tasks that wait; what
  ///   moving or comparing items throws. The queue is then as before.
  template <std::convertible_to<T> U = T>
  void put_nowait(U&& item) {
    if (!try_put(std::forward<U>(item))) [[unlikely]]
      throw_cannot_put();
  }

  /// Waits while the queue is empty, then takes the next item.
  /// Errors: QueueShutDown once the queue is shut down and empty; else as `put`.
  /// Cancellation: no item is lost: it stays in the queue, and the next task that waits takes it.
  [[nodiscard]] GetOperation get() noexcept { return GetOperation(*this); }
  /// Errors: QueueEmpty; else as `put_nowait`.
  T get_nowait() {
    begin_get(qsize());
    T item = store_.take();
    end_get();
    return item;
  }

  /// From now on nothing can be put. What is in the queue can still be taken, or is dropped and counted as done if
  /// `immediate`; after that `get` throws QueueShutDown. Wakes all who wait in `get` and `put`.
  /// Errors: `std::logic_error` in another thread than that of the tasks that wait.
  void shutdown(bool immediate = false) {
    begin_shutdown();
    end_shutdown(immediate ? qsize() : 0);
    if (immediate) store_.clear();
  }

protected:
  template <class... Args>
  explicit BasicQueue(std::size_t maxsize, Args&&... args) : QueueCore(maxsize), store_(std::forward<Args>(args)...) {}

private:
  template <class U>
  bool try_put(U&& item) {
    if (!begin_put(qsize())) return false;
    store_.push(std::forward<U>(item));
    end_put();
    return true;
  }

  Store store_;
};

template <class T, class Store>
class BasicQueue<T, Store>::PutOperation final : public Operation<PutOperation, QueueCore::ItemWait> {
public:
  template <class U>
  PutOperation(BasicQueue& queue, U&& item)
      : Operation<PutOperation, QueueCore::ItemWait>(queue.putters_), queue_(queue), item_(std::forward<U>(item)) {}

  bool await_ready() {
    if (queue_.try_put(std::move(item_))) [[likely]]
      return true;
    if (queue_.shut_down_) queue_.throw_cannot_put();
    queue_.bind("Queue::put");
    return false;
  }
  void await_resume() {
    if (this->waited()) put_after_wait();
  }

private:
  void put_after_wait() {
    this->go_on();
    try {
      queue_.put_nowait(std::move(item_));
    } catch (...) {
      this->pass_on();
      throw;
    }
  }
  bool is_over() const noexcept override { return !queue_.full() || queue_.shut_down_; }

  BasicQueue& queue_;
  T item_;
};

template <class T, class Store>
class BasicQueue<T, Store>::GetOperation final : public Operation<GetOperation, QueueCore::ItemWait> {
public:
  explicit GetOperation(BasicQueue& queue) noexcept
      : Operation<GetOperation, QueueCore::ItemWait>(queue.getters_), queue_(queue) {}

  bool await_ready() {
    if (is_over()) [[likely]]
      return true;
    queue_.bind("Queue::get");
    return false;
  }
  T await_resume() {
    if (this->waited()) this->go_on();
    try {
      return queue_.get_nowait();
    } catch (...) {
      if (this->waited()) this->pass_on();
      throw;
    }
  }

private:
  bool is_over() const noexcept override { return !queue_.empty() || queue_.shut_down_; }

  BasicQueue& queue_;
};

struct LowestFirst {
  template <class T>
  bool operator()(const T& a, const T& b) const {
    return a < b;
  }
};

}  // namespace detail

/// Passes items from tasks to tasks of one loop: first in, first out.
///
/// Items need only be movable. As in asyncio an item belongs to nobody until it is taken: somebody who comes between the
/// wake-up of a task and its turn may take it away, and the task waits again, behind the others.
/// Lifetime: a task that still waits when the queue goes ends cancelled, or with a `std::logic_error`.
template <class T>
class Queue : public detail::BasicQueue<T, detail::FifoStore<T>> {
public:
  /// `maxsize`: how many items fit; 0 for any number.
  explicit Queue(std::size_t maxsize = 0) : detail::BasicQueue<T, detail::FifoStore<T>>(maxsize) {}
};

/// A queue that gives the item first that was put last.
template <class T>
class LifoQueue : public detail::BasicQueue<T, detail::LifoStore<T>> {
public:
  explicit LifoQueue(std::size_t maxsize = 0) : detail::BasicQueue<T, detail::LifoStore<T>>(maxsize) {}
};

/// A queue that gives the lowest item first: one that comes before the others by `Compare`.
template <class T, class Compare = detail::LowestFirst>
class PriorityQueue : public detail::BasicQueue<T, detail::HeapStore<T, Compare>> {
public:
  explicit PriorityQueue(std::size_t maxsize = 0, Compare compare = Compare())
      : detail::BasicQueue<T, detail::HeapStore<T, Compare>>(maxsize, std::move(compare)) {}
};

}  // namespace coil
