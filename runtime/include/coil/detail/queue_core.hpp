#pragma once
#include <cstddef>

#include <coil/coro.hpp>
#include <coil/detail/loop_bound.hpp>
#include <coil/detail/wait_line.hpp>
#include <coil/error.hpp>

namespace coil::detail {

/// What of a queue does not depend on its items: who waits, and what is unfinished.
class QueueCore : protected LoopBound {
public:
  class JoinOperation;

  /// How many items fit; 0 for any number.
  std::size_t maxsize() const noexcept { return maxsize_; }
  /// The work on an item that was taken is done.
  /// Errors: `std::invalid_argument` if called more often than there were items; `std::logic_error` in another
  ///   thread than that of the tasks that wait.
  void task_done();
  /// Waits until `task_done()` was called for every item that was put.
  /// Errors: `std::logic_error` if it has to wait in another loop than others did before.
  [[nodiscard]] JoinOperation join() noexcept;

protected:
  class ItemWait;

  /// The tasks in `get`, or those in `put`.
  ///
  /// What a task is woken for belongs to nobody until it runs: others may take it away. When the last of it is taken,
  /// those who were woken and have not run yet are told to look again, and to wait on if need be.
  class Line : public WaitLine {
  public:
    bool wake_one() noexcept {
      const bool any = WaitLine::wake_one();
      fresh_ += any;
      return any;
    }
    void wake_all() noexcept {
      while (wake_one()) continue;
    }
    /// Before the last item, or the last free place, is taken.
    void before_last_is_taken() {
      if (fresh_ != 0) [[unlikely]]
        have_woken_look_again();
    }

  private:
    friend class ItemWait;
    void have_woken_look_again();

    std::size_t fresh_ = 0;  // those that were woken and neither went on yet nor were told
  };

  explicit QueueCore(std::size_t maxsize) noexcept : maxsize_(maxsize) {}
  // Before and after what the calls of the same names do with the items, of which there are `size`.
  bool is_full(std::size_t size) const noexcept { return maxsize_ != 0 && size >= maxsize_; }
  // False if nothing can be put.
  bool begin_put(std::size_t size) {
    if (is_full(size) || shut_down_) [[unlikely]]
      return false;
    if (getters_.may_wake()) check_thread("Queue::put");
    if (size + 1 == maxsize_) putters_.before_last_is_taken();
    return true;
  }
  void end_put() noexcept {
    ++unfinished_;
    getters_.wake_one();
  }
  void begin_get(std::size_t size) {
    if (size == 0) [[unlikely]]
      throw_cannot_get();
    if (putters_.may_wake()) check_thread("Queue::get");
    if (size == 1) getters_.before_last_is_taken();
  }
  void end_get() noexcept { putters_.wake_one(); }
  void begin_shutdown() const;
  void end_shutdown(std::size_t dropped) noexcept;
  [[noreturn]] void throw_cannot_put() const;
  [[noreturn]] void throw_cannot_get() const;

  std::size_t maxsize_;
  std::size_t unfinished_ = 0;
  bool shut_down_ = false;
  Line getters_;
  Line putters_;
  WaitLine joiners_;
};

class QueueCore::JoinOperation final : public Operation<JoinOperation, WaitLine::Waiter> {
public:
  explicit JoinOperation(QueueCore& queue) noexcept : Operation(queue.joiners_), queue_(queue) {}

  bool await_ready() {
    if (queue_.unfinished_ == 0) return true;
    queue_.bind("Queue::join");
    return false;
  }
  void await_resume() {
    if (waited()) finish("Queue");
  }

private:
  QueueCore& queue_;
};

/// Base of get and put.
class QueueCore::ItemWait : public WaitLine::Waiter {
public:
protected:
  explicit ItemWait(Line& line) noexcept : WaitLine::Waiter(line) {}
  ItemWait(const ItemWait& other) noexcept : WaitLine::Waiter(other) {}
  ~ItemWait() = default;

  /// After a wait. Errors: CancelledError; `std::logic_error` if the queue was destroyed.
  void go_on() {
    if (!is_fresh() || second_look_ != nullptr || is_orphan() || is_cancelled()) [[unlikely]]
      return go_on_with_care();
    --line().fresh_;
    leave_woken();
  }
  /// Wakes another one in place of this, if the queue still exists.
  void pass_on() noexcept {
    if (!is_orphan()) line().wake_one();
  }

private:
  friend class Line;
  class SecondLook;
  class Again;

  /// Whether there is what this waits for, or never will be.
  virtual bool is_over() const noexcept = 0;
  void look_twice();
  Coro<void> wait_until_over();
  void go_on_with_care();
  void step_out() noexcept;
  Line& line() noexcept { return static_cast<Line&>(own_line()); }

  SecondLook* second_look_ = nullptr;
};

inline QueueCore::JoinOperation QueueCore::join() noexcept { return JoinOperation(*this); }

}  // namespace coil::detail
