#pragma once
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <coil/clock.hpp>
#include <coil/context.hpp>
#include <coil/detail/frame_pool.hpp>
#include <coil/detail/posted.hpp>
#include <coil/detail/suspension.hpp>

namespace coil::detail {

struct LoopCore;
struct TimerCallback;

/// Where a future, task or callback stands. `asked` is waiting, while a request to cancel is on its way through what
/// is waited for. The last three are final. A task keeps the phase that its step began with until it waits again or is
/// over (`TaskState::is_running` knows).
enum class Phase : std::uint8_t { free, pending, created, ready, running, waiting, asked, value, error, cancelled };

/// What stands in the ready queue: a task or a callback.
struct Ready {
  union {
    Ready* next = nullptr;   // while ready
    Suspension* waiting_on;  // of a task, while waiting or asked
    std::exception_ptr* unused;
  };
  std::uint32_t refs = 0;
  Phase phase = Phase::free;
  std::uint8_t flags = 0;     // of Flag
  std::uint16_t cancels = 0;  // of a task: what cancelling() returns

  enum Flag : std::uint8_t {
    bounced = 1,  // the stack is unwound before the step goes on: see transfer()
    is_task = 2,
    must_cancel = 4,    // a request that no wait has seen yet
    throw_cancel = 8,   // the wait was given up: its await throws
    retrieved = 16,     // somebody took the exception or the moved-out value
    returned = 32,      // the coroutine is at its final suspension
    has_context = 64,   // of a task: its extras hold a context, which its steps run in; of a callback: always
    late_cancel = 128,  // must_cancel is left over from an operation that completed all the same
  };
  bool has(unsigned mask) const noexcept { return (flags & mask) != 0; }
  void set(unsigned mask) noexcept { flags = static_cast<std::uint8_t>(flags | mask); }
  void unset(unsigned mask) noexcept { flags = static_cast<std::uint8_t>(flags & ~mask); }
};

/// What few tasks need: made when first asked for.
struct Extras : Pooled {
  std::uint64_t number = 0;
  std::string name;
  std::string message;                      // of the cancellation
  std::vector<std::source_location> trace;  // where the exception came through
  Context context;
  bool closes_generator = false;  // the end of `run` waits for it without cancelling it
};

/// The shared part of Future and Task handles: one block of 64 bytes in a StatePool, a value of up to eight
/// bytes inside, a larger one in a block of its own.
struct FutureState : Ready {
  WaitQueue waiters;
  void (*destroy_value)(FutureState&) noexcept = nullptr;  // null: nothing to destroy
  union {
    std::byte small[8];
    void* box;
    std::exception_ptr error;
  };
  std::uintptr_t extras_or_number = 1;  // Extras*, or the task's number shifted left with the low bit set

  FutureState() noexcept : box(nullptr) { phase = Phase::pending; }
  ~FutureState() {}
  FutureState(const FutureState&) = delete;
  FutureState& operator=(const FutureState&) = delete;

  bool done() const noexcept { return phase >= Phase::value; }

  void ref() noexcept { ++refs; }
  inline void unref() noexcept;
  /// Whether nothing but the block itself has to be given back. (What has a value has woken all who waited.)
  bool is_plain() const noexcept {
    return phase == Phase::value && destroy_value == nullptr && (extras_or_number & 1) != 0;
  }

  /// Stores the result; `finish()` must follow.
  template <class T, class... Args>
  void emplace(Args&&... args) {
    if constexpr (fits<T>) {
      ::new (static_cast<void*>(small)) T(std::forward<Args>(args)...);
      if constexpr (!std::is_trivially_destructible_v<T>)
        destroy_value = [](FutureState& state) noexcept { state.value<T>().~T(); };
    } else {
      static_assert(alignof(T) <= 16, "coil: results may be aligned to 16 bytes at the most");
      void* memory = frame_pool.allocate(sizeof(T));
      try {
        ::new (memory) T(std::forward<Args>(args)...);
      } catch (...) {
        frame_pool.deallocate(memory, sizeof(T));
        throw;
      }
      box = memory;
      destroy_value = [](FutureState& state) noexcept {
        state.value<T>().~T();
        frame_pool.deallocate(state.box, sizeof(T));
      };
    }
  }
  template <class T>
  T& value() noexcept {
    if constexpr (fits<T>)
      return *std::launder(reinterpret_cast<T*>(small));
    else
      return *static_cast<T*>(box);
  }

  /// Marks the future done and wakes everyone who waits, in arrival order.
  void finish(Phase final) noexcept;
  void finish_with_error(std::exception_ptr exception) noexcept;
  /// Future: cancelled at once. Task: asked to. False if it is done already.
  bool cancel(std::string_view why) noexcept;
  /// Throws what the future ended with, unless it has a value.
  void throw_unless_value() {
    if (phase != Phase::value) [[unlikely]]
      throw_failure();
  }
  [[noreturn]] void throw_failure();
  /// What it ended with, as an exception; null for a value. Marks it as taken.
  std::exception_ptr take_exception() noexcept;

  Extras& extras();
  void set_context(const Context& context);
  Extras* extras_if_any() const noexcept {
    return (extras_or_number & 1) != 0 ? nullptr : reinterpret_cast<Extras*>(extras_or_number);
  }
  LoopCore& core() const noexcept;
  /// As that of the loop; does nothing once the loop is closed.
  void check_thread(const char* call) const;
  void dispose() noexcept;

private:
  template <class T>
  static constexpr bool fits = sizeof(T) <= sizeof(small) && alignof(T) <= alignof(void*);
};

struct TaskState : FutureState {
  /// Referred to by the loop and by its maker.
  TaskState(std::coroutine_handle<> root, std::uint64_t number, std::source_location where) noexcept
      : resume(root), created_at(where) {
    refs = 2;
    phase = Phase::created;
    flags = is_task;
    extras_or_number = number << 1 | 1;
  }

  std::coroutine_handle<> resume;  // the innermost coroutine that waits; before the start and at the end: the root
  std::source_location created_at;

  bool is_running() const noexcept;
  bool cancel(std::string_view why) noexcept;
  int uncancel() noexcept;
  /// Puts the task at the end of the ready queue.
  void make_ready() noexcept;
  /// The body threw: takes the current exception.
  void store_current_exception() noexcept;
  const std::string& name();
  [[noreturn]] void throw_cancelled();
};
static_assert(sizeof(TaskState) == 64);

/// Something to call from the loop. Owned by the loop while it is queued and by its handles.
struct Callback : Ready, Pooled {
  Context context;
  TimerCallback* timer = nullptr;  // while it waits for its time
  time_point when{};
  std::source_location where{};  // that queued it

  static constexpr bool called_again = false;

  /// Before it is queued.
  void prepare(const Context* maker) noexcept {
    prepare_unqueued(maker);
    enter_queue();
  }
  void prepare_unqueued(const Context* maker) noexcept {
    set(has_context);
    if (maker != nullptr) context = *maker;
  }
  /// One reference for the queue.
  void enter_queue() noexcept {
    ++refs;
    phase = Phase::ready;
  }
  virtual void call() = 0;
  /// Destroys the function: it will not be called any more.
  virtual void drop() noexcept = 0;
  virtual ~Callback() = default;
  void unref() noexcept {
    if (--refs == 0) delete this;
  }
};

/// Stays as it is, to be called again.
struct RepeatedCallback : Callback {
  static constexpr bool called_again = true;
};

/// Made in one thread, called and freed in another.
struct ThreadsafeCallback : Callback, Posted {
  static void* operator new(std::size_t size) { return frame_pool.allocate_to_give(size); }
  static void operator delete(void* memory, std::size_t size) noexcept { frame_pool.deallocate_given(memory, size); }
  inline void arrive() noexcept final;
  void discard() noexcept final { unref(); }
};

/// Destroys its function after the call, even if a handle is kept.
template <class F, class Kind = Callback>
struct CallbackOf final : Kind {
  explicit CallbackOf(F&& f) : function(std::move(f)) {}
  explicit CallbackOf(const F& f) : function(f) {}
  void call() override {
    if constexpr (Kind::called_again) {
      (*function)();
    } else {
      const Drop after(*this);
      (*function)();
    }
  }
  void drop() noexcept override { function.reset(); }
  std::optional<F> function;

private:
  struct Drop {
    explicit Drop(CallbackOf& dropped) noexcept : callback(dropped) {}
    ~Drop() { callback.drop(); }
    CallbackOf& callback;
  };
};

/// Tasks and futures of one loop. Outlives the loop until the last handle is gone.
class StatePool {
public:
  explicit StatePool(LoopCore* core) noexcept : core_(core) {}

  template <class State, class... Args>
  State* make(Args... args) {
    ++live_;
    void* memory = free_;
    if (memory != nullptr) [[likely]]
      free_ = static_cast<Ready*>(memory)->next;
    else
      memory = carve();
    return ::new (memory) State(args...);
  }
  void release(FutureState& state) noexcept {
    state.phase = Phase::free;
    state.next = free_;
    free_ = &state;
    if (--live_ == 0 && core_ == nullptr) [[unlikely]]
      delete this;
  }
  /// The loop is gone: the pool deletes itself with its last state.
  void orphan() noexcept;
  void trim() noexcept;

  static StatePool& of(const FutureState& state) noexcept { return *chunk_of(state).pool; }
  /// The loop of `state`, or null if that is closed.
  static LoopCore* core_of(const FutureState& state) noexcept { return chunk_of(state).core; }
  std::size_t live() const noexcept { return live_; }

  /// Calls `f(TaskState&)` for every task that is not done.
  template <class F>
  void for_each_task(F f) const {
    for (Chunk* chunk = chunks_; chunk != nullptr; chunk = chunk->next) {
      auto* state = reinterpret_cast<TaskState*>(reinterpret_cast<char*>(chunk) + sizeof(TaskState));
      for (std::size_t left = chunk->carved; left != 0; --left, ++state)
        if (state->phase != Phase::free && state->has(Ready::is_task) && !state->done()) f(*state);
    }
  }

private:
  friend struct Inspect;
  static constexpr std::size_t chunk_size = std::size_t{256} << 10;
  struct Chunk {
    LoopCore* core;
    StatePool* pool;
    Chunk* next;
    std::size_t carved;
    std::size_t free;  // used by trim() only
  };
  static Chunk& chunk_of(const FutureState& state) noexcept {
    return *reinterpret_cast<Chunk*>(reinterpret_cast<std::uintptr_t>(&state) & ~(chunk_size - 1));
  }
  void* carve();
  ~StatePool();

  LoopCore* core_;
  Ready* free_ = nullptr;
  std::size_t live_ = 0;
  Chunk* chunks_ = nullptr;
};

inline void FutureState::unref() noexcept {
  if (--refs != 0) return;
  if (is_plain()) [[likely]]
    StatePool::of(*this).release(*this);
  else
    dispose();
}

}  // namespace coil::detail
