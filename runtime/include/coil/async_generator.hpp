#pragma once
#include <concepts>
#include <coroutine>
#include <exception>
#include <source_location>
#include <type_traits>
#include <utility>

#include <coil/detail/generator_link.hpp>
#include <coil/detail/promise.hpp>
#include <coil/error.hpp>

namespace coil {

namespace detail {

class GeneratorBase;
template <class T>
class GeneratorPromise;

/// Common to the promises of generators. Its receiver is always the slot of who awaits the next value.
class GeneratorBase : public PromiseBase, private GeneratorLink {
public:
  enum class State : unsigned char {
    created,    // nothing has run: there is nothing to close
    suspended,  // at a `co_yield`
    running,    // somebody awaits `next()` or `aclose()`
    ended,
  };

  bool is_suspended_here() const noexcept { return state_ == State::suspended && loop_ == this_loop; }
  /// Before it is resumed. True if there is nothing to resume, as for a null pointer.
  static bool begin_next(GeneratorBase* generator);
  static bool begin_close(GeneratorBase* generator);

  std::coroutine_handle<> enter(ChildSlot& slot) noexcept {
    state_ = State::running;
    receiver_ = Receiver(slot);
    return transfer(handle());
  }
  std::coroutine_handle<> leave(std::source_location where) noexcept {
    where_ = where;
    state_ = State::suspended;
    return transfer(receiver_.slot().continuation);
  }
  /// At its `co_yield`, once it goes on.
  void throw_if_closing() {
    if (closing_) [[unlikely]]
      throw_exit();
  }

  /// The handle is gone. At a `co_yield` the loop closes it; while it is running, whoever runs it comes back here.
  void abandon() noexcept;
  bool is_abandoned() const noexcept { return abandoned_; }
  void destroy() noexcept;

  auto final_suspend() noexcept {
    end();
    return PromiseBase::final_suspend();
  }
  void return_void() const noexcept {}

protected:
  GeneratorBase() noexcept = default;
  ~GeneratorBase() = default;

private:
  friend class AcloseOperation;
  friend bool close_generators(LoopCore& core) noexcept;
  std::coroutine_handle<> handle() noexcept { return std::coroutine_handle<GeneratorBase>::from_promise(*this); }
  void check_resumable(const char* call) const;
  [[noreturn]] void throw_exit();
  void close_in_task() noexcept;
  void end() noexcept;

  State state_ = State::created;
  bool closing_ = false;      // the `co_yield` at which it stands throws
  bool abandoned_ = false;    // the handle is gone
  LoopCore* loop_ = nullptr;  // in which it began
};

/// Inside a generator, until somebody wants the next value.
class YieldValueOperation {
public:
  explicit YieldValueOperation(GeneratorBase& generator) noexcept : generator_(generator) {}
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise>,
                                        std::source_location where = std::source_location::current()) const noexcept {
    return generator_.leave(where);
  }
  void await_resume() const { generator_.throw_if_closing(); }

private:
  GeneratorBase& generator_;
};

/// The same for a value that had to be converted and lives here meanwhile.
template <class Value>
class YieldConvertedOperation : public YieldValueOperation {
public:
  template <class U, class Place>
  YieldConvertedOperation(GeneratorBase& generator, U&& value, Place*& place)
      : YieldValueOperation(generator), value_(static_cast<Value>(std::forward<U>(value))) {
    place = std::addressof(value_);
  }
  YieldConvertedOperation(const YieldConvertedOperation&) = delete;
  YieldConvertedOperation& operator=(const YieldConvertedOperation&) = delete;

private:
  Value value_;
};

/// Lets a generator run until its next `co_yield` or its end.
class GeneratorOperation {
public:
  explicit GeneratorOperation(GeneratorBase* generator) noexcept : generator_(generator) {}
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> caller,
                                        std::source_location where = std::source_location::current()) noexcept {
    caller.promise().where_ = where;
    slot_.continuation = caller;
    return generator_->enter(slot_);
  }

protected:
  [[noreturn]] void rethrow() {
    note_rethrow(slot_.error);
    std::rethrow_exception(std::move(slot_.error));
  }

  GeneratorBase* generator_;  // null: there is none
  ChildSlot slot_;
};

/// Closes a generator: its `co_yield` throws GeneratorExit.
class AcloseOperation : public GeneratorOperation {
public:
  /// `finally`: it counts as ended even if it yields another value.
  explicit AcloseOperation(GeneratorBase* generator, bool finally = false) noexcept
      : GeneratorOperation(generator), finally_(finally) {}
  bool await_ready() const { return GeneratorBase::begin_close(generator_); }
  void await_resume();

private:
  bool finally_;
};

/// Whether `co_yield` of a U gives a pointer to that very object.
template <class U, class T>
inline constexpr bool yields_itself = std::is_convertible_v<std::remove_reference_t<U>*, std::remove_reference_t<T>*> &&
                                      (!std::is_reference_v<T> || std::is_convertible_v<U&&, T>);
/// Whether it is converted; copied, if it is const and T is not.
template <class U, class T>
inline constexpr bool yields_converted = std::is_convertible_v<U&&, std::remove_cvref_t<T>> &&
                                         (!std::is_reference_v<T> || std::is_const_v<std::remove_reference_t<T>>);
/// False for a temporary that this compiler would destroy twice (GCC PR 98401, 99576).
template <class U>
inline constexpr bool survives_co_yield =
    !is_gcc12 || std::is_lvalue_reference_v<U> || std::is_trivially_copyable_v<U> ||
    !(std::is_aggregate_v<U> || (requires { &U::operator(); } && !std::is_default_constructible_v<U>));

}  // namespace detail

/// A coroutine that gives one value after the other by `co_yield`, and may await in between:
///
///     while (int* number = co_await numbers.next()) use(*number);
///
/// Lazy and move-only. Its body runs inside `next()`, as part of the task that awaits it: it sees that task's
/// cancellation and context. `co_yield` of a variable copies nothing: `next()` points to it. T may be a reference.
///
/// A generator that is destroyed before its end is closed: GeneratorExit is thrown at its `co_yield`, at once, so
/// that what its body holds is destroyed in the destructor; where cleaning up awaits, it goes on in a task of its own,
/// which must not use what is gone by then, and which the end of `run` waits for. `aclose()` and `coil::with` wait.
/// Lifetime: outlives the `next()` that is awaited. As for a Coro, parameters by reference and captures outlive it.
/// Threads: loop thread.
template <class T>
class [[nodiscard("coil: an AsyncGenerator does nothing until its next() is awaited")]] AsyncGenerator {
  static_assert(std::is_object_v<T> || std::is_lvalue_reference_v<T>, "coil: AsyncGenerator<T> of objects or T&");

public:
  using promise_type = detail::GeneratorPromise<T>;
  using value_type = T;
  class NextOperation;

  AsyncGenerator() noexcept = default;  // has no values
  AsyncGenerator(AsyncGenerator&& other) noexcept : promise_(std::exchange(other.promise_, nullptr)) {}
  AsyncGenerator& operator=(AsyncGenerator&& other) noexcept {
    if (this != &other) {
      drop();
      promise_ = std::exchange(other.promise_, nullptr);
    }
    return *this;
  }
  ~AsyncGenerator() { drop(); }

  /// The next value, valid until the next call; null at the end and ever after.
  /// Errors: what the body throws, after which it has ended; `std::logic_error` while another `next()` or `aclose()`
  ///   is awaited.
  [[nodiscard]] NextOperation next() noexcept { return NextOperation(promise_); }
  /// Ends it: throws GeneratorExit at the `co_yield` and waits until the body has ended. One that has not begun never
  /// runs. Idempotent.
  /// Errors: what the body throws instead; `std::logic_error` if it yields another value, with which it goes on, or
  ///   while `next()` is awaited.
  [[nodiscard]] detail::AcloseOperation aclose() noexcept { return detail::AcloseOperation(promise_); }

private:
  friend promise_type;
  explicit AsyncGenerator(promise_type& promise) noexcept : promise_(&promise) {}
  void drop() noexcept {
    if (promise_ != nullptr) promise_->abandon();
  }

  promise_type* promise_ = nullptr;  // null: moved from, or empty
};

namespace detail {

template <class T>
class GeneratorPromise final : public GeneratorBase {
  using Value = std::remove_reference_t<T>;

public:
  AsyncGenerator<T> get_return_object(std::source_location where = std::source_location::current()) noexcept {
    created(*this, where);
    return AsyncGenerator<T>(*this);
  }

  template <class U = std::remove_cv_t<Value>>
  auto yield_value(U&& value) {
    static_assert(yields_itself<U, T> || yields_converted<U, T>,
                  "coil: this AsyncGenerator cannot co_yield a value of this type");
    static_assert(survives_co_yield<U>,
                  "coil: g++ 12 destroys this temporary twice (GCC PR 98401): name it first, "
                  "`auto value = ...; co_yield value;`, which copies nothing");
    if constexpr (yields_itself<U, T>) {
      value_ = std::addressof(value);
      return YieldValueOperation(*this);
    } else if constexpr (yields_converted<U, T>) {
      return YieldConvertedOperation<std::remove_cv_t<Value>>(*this, std::forward<U>(value), value_);
    } else {
      return std::suspend_never();
    }
  }
  auto final_suspend() noexcept {
    value_ = nullptr;
    return GeneratorBase::final_suspend();
  }

  Value* value_ = nullptr;
};

}  // namespace detail

template <class T>
class AsyncGenerator<T>::NextOperation : public detail::GeneratorOperation {
public:
  explicit NextOperation(promise_type* promise) noexcept : GeneratorOperation(promise) {}
  bool await_ready() const {
    if (generator_ != nullptr && generator_->is_suspended_here()) [[likely]]
      return false;
    return detail::GeneratorBase::begin_next(generator_);
  }
  std::remove_reference_t<T>* await_resume() {
    if (generator_ == nullptr) return nullptr;
    if (generator_->is_abandoned()) [[unlikely]]
      std::exchange(generator_, nullptr)->abandon();
    if (slot_.error) [[unlikely]]
      rethrow();
    return generator_ == nullptr ? nullptr : static_cast<promise_type*>(generator_)->value_;
  }
};

}  // namespace coil
