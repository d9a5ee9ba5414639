#pragma once
#include <coroutine>
#include <cstdint>
#include <source_location>

#include <coil/detail/check.hpp>
#include <coil/detail/state.hpp>
#include <coil/error.hpp>

namespace coil {
class Loop;
}

namespace coil::detail {

struct LoopParts;

/// What a turn of the loop has to look at beside the kernel, timers and signals: nothing in most turns.
struct Notable {
  bool stopping = false;  // after this turn
  bool ending = false;    // functions that keep `run` waiting are named
  bool flushes = false;   // residents have gathered something
  bool traces = false;    // the way of an exception is held
  bool observed = false;  // each step is, by a test
  bool looked = false;    // for what is in the inbox, without being woken
  bool unused[2] = {};
  bool any() const noexcept { return __builtin_bit_cast(std::uint64_t, *this) != 0; }
};

/// What the hot paths need of a loop.
struct LoopCore {
  TaskState* current = nullptr;  // the task whose step runs
  Context* context = nullptr;    // of the step or callback that runs; null: nothing is set yet
  Ready* ready_first = nullptr;  // the list is closed only when it is taken
  Ready** ready_end = &ready_first;
  Ready* left_of_turn = nullptr;  // what was ready when this turn began and has still to run
  bool debug = false;
  Notable notable;
  StatePool* states = nullptr;
  std::uint64_t tasks_made = 0;
  std::size_t tasks_alive = 0;
  LoopParts* parts = nullptr;  // the rest, in the sources; null once closed
  Inbox* inbox = nullptr;      // always there: other threads may post at any time
  std::uint64_t number = 0;    // no two loops of a process have the same
  LoopCore* next_inspected = nullptr;

  void push_ready(Ready& node) noexcept {
    *ready_end = &node;
    ready_end = &node.next;
  }
  /// All that is ready, linked by `next`; leaves nothing.
  Ready* take_ready() noexcept {
    *ready_end = nullptr;
    ready_end = &ready_first;
    return ready_first;
  }
  bool has_ready() const noexcept { return ready_end != &ready_first; }

  Loop& loop() noexcept;
  /// Errors: `std::logic_error` that names `call` from another thread, in debug mode.
  void check_thread(const char* call) const {
    if (debug) [[unlikely]]
      refuse_other_threads(call);
  }
  void refuse_other_threads(const char* call) const;

protected:
  LoopCore() = default;
  ~LoopCore() = default;
  LoopCore(const LoopCore&) = delete;
  LoopCore& operator=(const LoopCore&) = delete;
};

[[gnu::tls_model("initial-exec")]] inline thread_local constinit LoopCore* this_loop = nullptr;

/// The running loop's core; `std::logic_error` outside a loop.
inline LoopCore& running_loop() {
  LoopCore* core = this_loop;
  if (core == nullptr) [[unlikely]]
    throw_no_running_loop();
  return *core;
}

/// Makes a loop the running one for a while: to give up waits between two runs of a Runner.
class LoopScope {
public:
  explicit LoopScope(LoopCore& core) noexcept : outer_(this_loop) { this_loop = &core; }
  LoopScope(const LoopScope&) = delete;
  LoopScope& operator=(const LoopScope&) = delete;
  ~LoopScope() { this_loop = outer_; }

private:
  LoopCore* outer_;
};

[[gnu::tls_model("initial-exec")]] inline thread_local constinit Context* context_outside_loops = nullptr;

/// The context that runs; null if nothing was ever set in it.
inline Context*& current_context() noexcept {
  return this_loop != nullptr ? this_loop->context : context_outside_loops;
}

/// What a step and its coroutines tell each other.
struct Step {
  unsigned transfers;               // so far, of all steps
  bool cancel_due;                  // the task was asked to cancel before the step, and no wait has seen it
  std::coroutine_handle<> bounced;  // to go on with once the stack is unwound
};
[[gnu::tls_model("initial-exec")]] inline thread_local constinit Step this_step{};

/// Continues in `next` without growing the stack.
///
/// Compilers make a tail call of this where they can: clang always, g++ from -O2 on and never under a
/// sanitizer. Where they do not, each transfer nests; so every 64th goes back to `LoopCore::run_step`
/// instead. One rule for all builds, so that code compiled with different flags can be mixed.
inline std::coroutine_handle<> transfer(std::coroutine_handle<> next) noexcept {
  if ((++this_step.transfers & 63U) != 0) [[likely]]
    return next;
  this_step.bounced = next;
  this_loop->current->set(Ready::bounced);
  return std::noop_coroutine();
}

inline LoopCore& FutureState::core() const noexcept { return *StatePool::core_of(*this); }

inline void ThreadsafeCallback::arrive() noexcept { this_loop->push_ready(*this); }

inline bool TaskState::is_running() const noexcept { return phase == Phase::running || this == core().current; }

inline void FutureState::check_thread(const char* call) const {
  if (const LoopCore* core = StatePool::core_of(*this)) core->check_thread(call);
}

inline void TaskState::make_ready() noexcept {
  phase = Phase::ready;
  core().push_ready(*this);
}

inline void Suspension::park_at(std::coroutine_handle<> coroutine) noexcept {
  TaskState* task = this_loop->current;
  task_ = task;
  task->resume = coroutine;
  task->waiting_on = this;
  task->phase = Phase::waiting;
}

inline void Suspension::throw_if_cancelled() {
  if (is_cancelled()) [[unlikely]]
    task_->throw_cancelled();
}

inline bool Suspension::is_cancelled() const noexcept {
  return task_ != nullptr && task_->has(Ready::must_cancel | Ready::throw_cancel);
}

/// Gives up a wait on behalf of a request to cancel.
void abort_wait(TaskState& task) noexcept;

inline void Suspension::settle() noexcept {
  if (task_->has(Ready::must_cancel)) [[unlikely]] {
    if (task_->phase == Phase::waiting) abort_wait(*task_);
  }
}

}  // namespace coil::detail
