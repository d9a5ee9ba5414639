#pragma once
#include <cstdint>
#include <utility>

namespace coil {

namespace detail {
struct ContextData;
struct ContextAccess;
ContextData* retain(ContextData* data) noexcept;
void release(ContextData* data) noexcept;
}  // namespace detail

/// What all context variables are set to: of a task, a callback or a thread, or, as `copy_context()` gives it, a copy
/// of that.
///
/// A copy has the same values and is a context of its own: what is set in one of them the other does not see. It
/// costs a reference count, however much is set.
/// Threads: a copy may go to another thread. Values are shared; the last context that has one destroys it.
class Context {
public:
  Context() noexcept = default;  // no variable is set
  Context(const Context& other) noexcept : Context() { *this = other; }
  Context(Context&& other) noexcept : Context() { *this = std::move(other); }
  Context& operator=(const Context& other) noexcept {
    if (data_ != other.data_) replace(other.data_ == nullptr ? nullptr : detail::retain(other.data_));
    return *this;
  }
  Context& operator=(Context&& other) noexcept {
    replace(std::exchange(other.data_, nullptr));
    id_ = other.id_;
    other.id_ = 0;
    return *this;
  }
  ~Context() { replace(nullptr); }

  /// Whether no variable is set.
  bool empty() const noexcept { return data_ == nullptr; }

  /// Calls `f(args...)` in this context and gives what it returns. What is set meanwhile stays in the context. A
  /// coroutine that `f` returns runs later, in the context of its task: see `TaskOptions::context`.
  /// Errors: `std::logic_error` inside another `run` of the same context.
  template <class F, class... Args>
  decltype(auto) run(F&& f, Args&&... args) {
    const Entered entered(*this);
    return std::forward<F>(f)(std::forward<Args>(args)...);
  }

private:
  friend struct detail::ContextAccess;

  class Entered {
  public:
    explicit Entered(Context& context);
    ~Entered();
    Entered(const Entered&) = delete;
    Entered& operator=(const Entered&) = delete;

  private:
    Context& context_;
    Context* outer_;
  };

  void replace(detail::ContextData* data) noexcept {
    if (data_ != nullptr) [[unlikely]]
      detail::release(data_);
    data_ = data;
  }

  detail::ContextData* data_ = nullptr;  // shared with copies
  std::uint64_t id_ : 63 = 0;            // given by the first `set()`, so that a token knows where it belongs
  std::uint64_t entered_ : 1 = 0;        // a `run` is under way
};

/// A copy of the context that runs: the task's or callback's, outside a loop the thread's.
Context copy_context() noexcept;

}  // namespace coil
