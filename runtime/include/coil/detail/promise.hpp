#pragma once
#include <coroutine>
#include <cstdint>
#include <exception>
#include <source_location>
#include <type_traits>
#include <utility>

#include <coil/detail/awaitable.hpp>
#include <coil/detail/frame_pool.hpp>
#include <coil/detail/loop_core.hpp>

namespace coil::detail {

/// What a child coroutine leaves for the parent that awaits it. Lives in the parent's frame.
struct ChildSlot {
  std::coroutine_handle<> continuation;
  std::exception_ptr error;
};

/// Where a coroutine's result goes: to the parent that awaits it or to its task. One word.
class Receiver {
public:
  Receiver() = default;
  explicit Receiver(ChildSlot& slot) noexcept : word_(reinterpret_cast<std::uintptr_t>(&slot)) {}
  explicit Receiver(TaskState& task) noexcept : word_(reinterpret_cast<std::uintptr_t>(&task) | 1U) {}

  explicit operator bool() const noexcept { return word_ != 0; }
  bool is_task() const noexcept { return (word_ & 1U) != 0; }
  TaskState& task() const noexcept { return *reinterpret_cast<TaskState*>(word_ & ~std::uintptr_t{1}); }
  ChildSlot& slot() const noexcept { return *reinterpret_cast<ChildSlot*>(word_); }

private:
  std::uintptr_t word_ = 0;
};

[[gnu::tls_model("initial-exec")]] inline thread_local constinit void* last_frame = nullptr;
[[noreturn]] void fail_gcc_106188(const std::source_location& where) noexcept;

/// Common to the promises of all coil coroutines. Sixteen bytes: with them every suspended coroutine knows
/// where it stands.
///
/// `coroutine_handle<PromiseBase>::from_address` is used to walk from a frame to its parents, so this is the
/// first base of every promise and no promise is aligned to more than 16.
class PromiseBase {
public:
  static void* operator new(std::size_t size) {
    void* frame = frame_pool.allocate(size);
    if constexpr (is_gcc12) last_frame = frame;
    return frame;
  }
  static void operator delete(void* frame, std::size_t size) noexcept { frame_pool.deallocate(frame, size); }

#ifdef __clang__
  // Only for its message: g++ says by itself what is wrong, and would copy the awaiter into the frame.
  template <class A>
  decltype(auto) await_transform(A&& awaitable) const noexcept {
    static_assert(Awaitable<A>,
                  "coil: this cannot be co_awaited: co_await takes a coil::Coro, Task or Future, an operation "
                  "such as coil::sleep(1s), or next() of an AsyncGenerator");
    if constexpr (Awaitable<A>)
      return static_cast<A&&>(awaitable);
    else
      return std::suspend_never();
  }
#endif

  std::suspend_always initial_suspend() const noexcept { return {}; }
  auto final_suspend() const noexcept { return FinalOperation(ends_by_itself()); }
  void unhandled_exception() noexcept;

  Receiver receiver_;           // null until awaited or made a task
  std::source_location where_;  // the `co_await` it stands at; before the first one, its function

protected:
  /// To be called from `get_return_object`.
  ///
  /// g++ 12 gives a coroutine whose outermost block has no local variable and contains `if (co_await …)` a
  /// frame in which the promise is found at a wrong place: the body would silently not run.
  template <class Promise>
  static std::coroutine_handle<Promise> created(Promise& promise, std::source_location where) noexcept {
    const auto handle = std::coroutine_handle<Promise>::from_promise(promise);
    if constexpr (is_gcc12) {
      if (handle.address() != last_frame) [[unlikely]]
        fail_gcc_106188(where);
    }
    static_assert(alignof(Promise) <= 16);
    promise.where_ = where;
    return handle;
  }

private:
  /// The root of a task that did not fail destroys itself, which spares two indirect calls; `end_task` destroys others.
  bool ends_by_itself() const noexcept {
    if (!receiver_.is_task()) return false;
    TaskState& task = receiver_.task();
    task.set(Ready::returned);
    return !task.done();
  }

  class FinalOperation {
  public:
    explicit FinalOperation(bool ends_by_itself) noexcept : ends_by_itself_(ends_by_itself) {}
    bool await_ready() const noexcept { return ends_by_itself_; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> coroutine) const noexcept {
      const Receiver receiver = coroutine.promise().receiver_;
      if (!receiver.is_task()) return transfer(receiver.slot().continuation);
      receiver.task().resume = coroutine;
      return std::noop_coroutine();
    }
    void await_resume() const noexcept {}

  private:
    bool ends_by_itself_;
  };
};

/// The coil promise behind any suspended coil coroutine.
inline PromiseBase& promise_at(std::coroutine_handle<> coroutine) noexcept {
  return std::coroutine_handle<PromiseBase>::from_address(coroutine.address()).promise();
}

/// Notes that an exception goes on from a child or task into the coroutine that awaits it, for its trace.
void note_rethrow(const std::exception_ptr& exception) noexcept;

}  // namespace coil::detail
