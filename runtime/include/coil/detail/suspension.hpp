#pragma once
#include <coroutine>
#include <cstdint>
#include <source_location>

namespace coil::detail {

struct LoopCore;
struct TaskState;
struct FutureState;

/// What `Suspension::abort()` found.
enum class Abort : unsigned char {
  gone,           ///< Nothing waits any more: the task is resumed with CancelledError.
  answer_coming,  ///< Asked to stop, but the wait goes on until its answer arrives.
  passed_on,      ///< As before; it is `awaited()` that must be asked.
};

/// The one thing that is waited on: a node in the awaiting coroutine's own frame.
///
/// It stands in at most one list at a time: a wait queue, a timer slot, the ring's backlog, a future's
/// waiters. Whoever ends the wait unlinks it and calls `wake()`, which makes the task ready; its coroutine
/// runs on a later step, never inside the call that wakes it. Nodes without a task (`task_` is null) override
/// `wake()` to count, to forward or to call back.
///
/// Lifetime: copies are new, unlinked nodes, so that an operation may be passed around until it is awaited.
class Suspension {
public:
  Suspension() noexcept : prev_(nullptr), next_(nullptr) {}
  Suspension(const Suspension&) noexcept : Suspension() {}
  Suspension& operator=(const Suspension&) = delete;

  /// Ends the wait. `source` is the future that finished, where one did.
  virtual void wake(FutureState* source) noexcept;
  /// Cancellation of the waiting task. Called at most while parked.
  virtual Abort abort() noexcept = 0;
  /// The future or task that a request to cancel goes on to if `abort()` says so.
  virtual FutureState* awaited() noexcept { return nullptr; }

  TaskState* waiting_task() const noexcept { return task_; }

protected:
  struct NeverAsked {};
  /// Of a kind that is never asked whether it stands in a list.
  explicit Suspension(NeverAsked) noexcept {}  // NOLINT: the links are set when it enters one
  ~Suspension() = default;

  /// Puts the current task to wait on this. Every `await_suspend` begins with it.
  template <class Promise>
  void park(std::coroutine_handle<Promise> coroutine, std::source_location where) noexcept {
    coroutine.promise().where_ = where;
    park_at(coroutine);
  }
  /// After the wait has been set going: delivers a cancellation that was requested before.
  inline void settle() noexcept;
  /// In `await_resume`: throws if the wait was cancelled.
  inline void throw_if_cancelled();
  /// Whether `throw_if_cancelled()` would throw, for what must be undone first.
  inline bool is_cancelled() const noexcept;

private:
  friend class WaitQueue;
  friend class TimerQueue;
  friend struct Inspect;
  inline void park_at(std::coroutine_handle<> coroutine) noexcept;

protected:
  Suspension* prev_;
  Suspension* next_;           // both null while in no list
  TaskState* task_ = nullptr;  // set while parked and until resumed
};

/// A FIFO of suspensions, eight bytes: a pointer to the last node of a ring.
class WaitQueue {
public:
  bool empty() const noexcept { return last_ == nullptr; }
  Suspension* front() const noexcept { return last_ == nullptr ? nullptr : last_->next_; }

  void push_back(Suspension& node) noexcept {
    if (last_ == nullptr) {
      node.prev_ = node.next_ = &node;
    } else {
      node.next_ = last_->next_;
      node.prev_ = last_;
      last_->next_->prev_ = &node;
      last_->next_ = &node;
    }
    last_ = &node;
  }
  void push_front(Suspension& node) noexcept {
    Suspension* last = last_;
    push_back(node);
    if (last != nullptr) last_ = last;
  }
  void remove(Suspension& node) noexcept {
    if (node.next_ == &node) {
      last_ = nullptr;
    } else {
      node.prev_->next_ = node.next_;
      node.next_->prev_ = node.prev_;
      if (last_ == &node) last_ = node.prev_;
    }
    node.prev_ = node.next_ = nullptr;
  }
  Suspension* pop_front() noexcept {
    Suspension* node = front();
    if (node != nullptr) remove(*node);
    return node;
  }
  Suspension* pop_back() noexcept {
    Suspension* node = last_;
    if (node != nullptr) remove(*node);
    return node;
  }
  Suspension* back() const noexcept { return last_; }
  /// The node before `node`; not for the first one.
  static Suspension* before(const Suspension& node) noexcept { return node.prev_; }
  /// The node after `node`, or null at the end.
  Suspension* after(const Suspension& node) const noexcept { return &node == last_ ? nullptr : node.next_; }

private:
  Suspension* last_ = nullptr;
};

}  // namespace coil::detail
