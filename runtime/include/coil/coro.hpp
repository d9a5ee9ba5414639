#pragma once
#include <coroutine>
#include <exception>
#include <new>
#include <source_location>
#include <utility>

#include <coil/detail/promise.hpp>

namespace coil {

namespace detail {

template <class T>
class CoroPromise;
template <class T>
class CoroOperation;
struct CoroAccess;

template <class T>
struct TypedSlot : ChildSlot {
  using Value = Stored<T>;
  union {
    Value value;  // constructed iff the child returned
  };
  bool has_value = false;
  TypedSlot() noexcept {}
  TypedSlot(const TypedSlot&) = delete;
  TypedSlot& operator=(const TypedSlot&) = delete;
  ~TypedSlot() {
    if (has_value) value.~Value();
  }
  template <class U>
  void set(U&& result) {
    ::new (static_cast<void*>(&value)) Value(std::forward<U>(result));
    has_value = true;
  }
};
template <class T>
  requires std::is_trivially_destructible_v<Stored<T>> && std::is_trivially_default_constructible_v<Stored<T>>
struct TypedSlot<T> : ChildSlot {
  Stored<T> value;  // set iff the child returned
  template <class U>
  void set(U&& result) {
    value = std::forward<U>(result);
  }
};
template <>
struct TypedSlot<void> : ChildSlot {};

[[noreturn]] void throw_coro_consumed();
/// Reports "coroutine 'f' (file:line) was never awaited" in debug mode, outside loops that of the environment.
void report_never_awaited(const PromiseBase& promise) noexcept;

}  // namespace detail

/// A coroutine: lazy, move-only. It runs when it is awaited or made a task, each at most once.
///
/// Errors: awaiting one that was awaited or moved from is a `std::logic_error`.
/// Lifetime: what its parameters refer to outlives it. Parameters declared by value are copied into it;
///   the captures of a lambda are not: pass the lambda itself to `create_task`, `run` or a scope.
template <class T = void>
class [[nodiscard("coil: a Coro does nothing until it is awaited: write `co_await f()` or create_task(f())")]] Coro {
public:
  using promise_type = detail::CoroPromise<T>;
  using value_type = T;

  Coro(Coro&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Coro& operator=(Coro&& other) noexcept {
    if (this != &other) {
      drop();
      coroutine_ = std::exchange(other.coroutine_, nullptr);
    }
    return *this;
  }
  ~Coro() { drop(); }

  /// Runs the coroutine inside the awaiting one, without a trip through the loop.
  detail::CoroOperation<T> operator co_await() noexcept;

private:
  template <class U>
  friend class detail::CoroPromise;
  friend struct detail::CoroAccess;
  explicit Coro(std::coroutine_handle<promise_type> coroutine) noexcept : coroutine_(coroutine) {}
  void drop() noexcept {
    if (!coroutine_) return;
    if (detail::this_loop == nullptr || detail::this_loop->debug) [[unlikely]]
      detail::report_never_awaited(coroutine_.promise());
    coroutine_.destroy();
  }

  std::coroutine_handle<promise_type> coroutine_;  // at its initial suspend; null once awaited or moved from
};

namespace detail {

/// For those who start coroutines.
struct CoroAccess {
  template <class T>
  static std::coroutine_handle<CoroPromise<T>> release(Coro<T>& coro) {
    if (!coro.coroutine_) [[unlikely]]
      throw_coro_consumed();
    return std::exchange(coro.coroutine_, nullptr);
  }
  /// Destroys it unstarted and without a report.
  template <class T>
  static void discard(Coro<T>& coro) noexcept {
    if (coro.coroutine_) std::exchange(coro.coroutine_, nullptr).destroy();
  }
  /// Where its function is; nowhere if it was awaited or moved from.
  template <class T>
  static std::source_location place(const Coro<T>& coro) noexcept {
    return coro.coroutine_ ? coro.coroutine_.promise().where_ : std::source_location();
  }
  /// One that only holds what its caller passed: nothing for a reader.
  template <class T>
  static Coro<T> without_place(Coro<T> coro) noexcept {
    coro.coroutine_.promise().where_ = {};
    return coro;
  }
};

template <class T>
class CoroPromise final : public PromiseBase {
public:
  Coro<T> get_return_object(std::source_location where = std::source_location::current()) noexcept {
    return Coro<T>(created(*this, where));
  }

  template <class U = T>
    requires std::constructible_from<Stored<T>, U&&> && (!std::is_reference_v<T>)
  void return_value(U&& result) {
    store(std::forward<U>(result));
  }
  void return_value(T result)
    requires std::is_reference_v<T>
  {
    store(std::addressof(result));
  }

private:
  template <class U>
  void store(U&& result) {
    if (receiver_.is_task()) {
      receiver_.task().template emplace<Stored<T>>(std::forward<U>(result));
    } else {
      static_cast<TypedSlot<T>&>(receiver_.slot()).set(std::forward<U>(result));
    }
  }
};

template <>
class CoroPromise<void> final : public PromiseBase {
public:
  Coro<void> get_return_object(std::source_location where = std::source_location::current()) noexcept;
  void return_void() const noexcept {}
};

/// Awaits a child coroutine; its frame lives to the end of the expression that awaits it.
template <class T>
class CoroOperation {
public:
  explicit CoroOperation(std::coroutine_handle<CoroPromise<T>> child) noexcept : child_(child) {}
  CoroOperation(CoroOperation&& other) noexcept : child_(std::exchange(other.child_, nullptr)) {}
  CoroOperation& operator=(CoroOperation&&) = delete;
  ~CoroOperation() {
    if (child_) child_.destroy();
  }

  bool await_ready() const {
    if (!child_) [[unlikely]]
      throw_coro_consumed();
    return false;
  }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent,
                                        std::source_location where = std::source_location::current()) noexcept {
    parent.promise().where_ = where;
    slot_.continuation = parent;
    child_.promise().receiver_ = Receiver(slot_);
    return transfer(child_);
  }
  T await_resume() {
    if (slot_.error) [[unlikely]] {
      note_rethrow(slot_.error);
      std::rethrow_exception(std::move(slot_.error));
    }
    if constexpr (std::is_reference_v<T>)
      return static_cast<T>(*slot_.value);
    else if constexpr (!std::is_void_v<T>)
      return std::move(slot_.value);
  }

private:
  std::coroutine_handle<CoroPromise<T>> child_;
  TypedSlot<T> slot_;
};

inline Coro<void> CoroPromise<void>::get_return_object(std::source_location where) noexcept {
  return Coro<void>(created(*this, where));
}

}  // namespace detail

template <class T>
detail::CoroOperation<T> Coro<T>::operator co_await() noexcept {
  return detail::CoroOperation<T>(std::exchange(coroutine_, nullptr));
}

}  // namespace coil
