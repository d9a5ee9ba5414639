#pragma once
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <coil/context.hpp>

namespace coil {

namespace detail {

/// What a context variable is set to. Shared by contexts, also of several threads, and never changed.
struct ContextValue {
  std::uint32_t refs = 1;  // counted atomically, in the sources
  ContextValue() noexcept = default;
  ContextValue(const ContextValue&) = delete;
  ContextValue& operator=(const ContextValue&) = delete;
  virtual ~ContextValue() = default;
};

template <class T>
struct ContextValueOf final : ContextValue {
  explicit ContextValueOf(T&& initial) : value(std::move(initial)) {}
  T value;
};

/// What `set()` did, to be undone. Moved from it is used up.
class ContextToken {
public:
  ContextToken(ContextToken&& other) noexcept
      : variable_(other.variable_),
        context_(other.context_),
        old_(std::exchange(other.old_, nullptr)),
        used_(std::exchange(other.used_, true)) {}
  ContextToken& operator=(ContextToken&&) = delete;
  ~ContextToken();

protected:
  friend class ContextVarBase;
  ContextToken(std::uint64_t variable, std::uint64_t context, ContextValue* old) noexcept
      : variable_(variable), context_(context), old_(old) {}

  std::uint64_t variable_;
  std::uint64_t context_;
  ContextValue* old_;  // null: the variable was not set
  mutable bool used_ = false;
};

class ContextVarBase {
public:
  ContextVarBase(const ContextVarBase&) = delete;
  ContextVarBase& operator=(const ContextVarBase&) = delete;

  const std::string& name() const noexcept { return name_; }

protected:
  explicit ContextVarBase(std::string_view name);
  ~ContextVarBase() = default;

  /// Null if it is not set.
  const ContextValue* find() const noexcept;
  /// Takes over the reference.
  ContextToken set(ContextValue* value) const;
  void reset(const ContextToken& token) const;
  [[noreturn]] void throw_unset() const;

private:
  std::string name_;
  std::uint64_t id_;  // what contexts know it by: never that of another variable
};

}  // namespace detail

/// A variable that each task has for itself: a task begins with a copy of what its maker had, a callback with a copy
/// of what was there when it was queued. A coroutine that is awaited directly, and an AsyncGenerator, share the
/// context of the task. Outside a loop the thread has a context, of which `run` and `Runner` take a copy.
///
/// Usually global: it may not be moved, and what it is set to in some context lives as long as that context.
/// Threads: any; each sees what is set in its own context.
template <class T>
class ContextVar : public detail::ContextVarBase {
  static_assert(std::is_object_v<T> && !std::is_const_v<T> && std::copy_constructible<T>,
                "coil: a ContextVar holds copyable objects; use a pointer or std::shared_ptr for others");

public:
  class Token;

  explicit ContextVar(std::string_view name) : ContextVarBase(name) {}
  ContextVar(std::string_view name, T default_value) : ContextVarBase(name), default_(std::move(default_value)) {}

  /// A copy of the value: a reference would dangle after the next `set()`.
  /// Errors: `std::logic_error` that names the variable, if it is not set and has no default.
  T get() const {
    if (const T* value = find_value()) return *value;
    if (!default_) throw_unset();
    return *default_;
  }
  /// The same, or `fallback` if it is not set.
  T get(T fallback) const {
    const T* value = find_value();
    return value == nullptr ? std::move(fallback) : *value;
  }
  /// Sets it in the context that runs. The token brings back what was before; it may be dropped.
  Token set(T value) const { return Token(ContextVarBase::set(new detail::ContextValueOf<T>(std::move(value)))); }
  /// Brings back what was before the `set()` that gave the token.
  /// Errors: `std::logic_error` for a token that was used before or moved from; `std::invalid_argument` for one of
  ///   another variable or another context.
  void reset(const Token& token) const { ContextVarBase::reset(token); }

private:
  const T* find_value() const noexcept {
    const detail::ContextValue* value = find();
    return value == nullptr ? nullptr : &static_cast<const detail::ContextValueOf<T>*>(value)->value;
  }

  std::optional<T> default_;
};

/// What `set()` gives, for `reset()`. Move-only, used once.
template <class T>
class ContextVar<T>::Token : public detail::ContextToken {
public:
  /// What the variable was set to before; nothing if it was not.
  std::optional<T> old_value() const {
    if (old_ == nullptr) return std::nullopt;
    return static_cast<const detail::ContextValueOf<T>*>(old_)->value;
  }

private:
  friend class ContextVar;
  explicit Token(detail::ContextToken&& token) noexcept : ContextToken(std::move(token)) {}
};

}  // namespace coil
