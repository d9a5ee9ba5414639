#pragma once
#include <concepts>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include <coil/detail/awaitable.hpp>
#include <coil/detail/copyable.hpp>
#include <coil/error.hpp>

namespace coil {

/// How something ended: with a value, with an exception, or cancelled.
template <class T = void>
class Outcome {
  using Kept = detail::Stored<std::conditional_t<std::is_void_v<T>, bool, T>>;

public:
  using value_type = T;

  template <class... Args>
    requires std::constructible_from<Kept, Args...>
  explicit Outcome(std::in_place_t, Args&&... args) : value_(std::in_place, std::forward<Args>(args)...) {}
  /// From a non-null pointer. One to a CancelledError makes a cancelled outcome.
  explicit Outcome(std::exception_ptr exception)
      : error_(std::move(exception)), cancelled_(detail::is_cancelled_error(error_)) {}

  bool has_value() const noexcept { return value_.has_value(); }
  bool cancelled() const noexcept { return cancelled_; }
  /// Null for a value, and for a cancelled outcome.
  std::exception_ptr exception() const noexcept { return cancelled_ ? nullptr : error_; }
  explicit operator bool() const noexcept { return has_value(); }

  /// Errors: the exception, or CancelledError.
  decltype(auto) value() & {
    rethrow();
    return get(*this);
  }
  decltype(auto) value() const& {
    rethrow();
    return get(*this);
  }
  T value() && {
    rethrow();
    if constexpr (std::is_reference_v<T>)
      return static_cast<T>(**value_);
    else if constexpr (!std::is_void_v<T>)
      return std::move(*value_);
  }

private:
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }
  template <class Self>
  static decltype(auto) get(Self& self) {
    if constexpr (std::is_reference_v<T>)
      return static_cast<T>(**self.value_);
    else if constexpr (!std::is_void_v<T>)
      return (*self.value_);
  }

  std::optional<Kept> value_;
  std::exception_ptr error_;
  bool cancelled_ = false;
};

namespace detail {
template <class T>
inline constexpr bool copyable<Outcome<T>> = std::is_void_v<T> || copyable<T>;
}

}  // namespace coil
