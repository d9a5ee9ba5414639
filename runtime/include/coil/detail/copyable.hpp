#pragma once
#include <concepts>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace coil::detail {

/// Whether T can be copied with all that it holds. `std::copy_constructible` is true for a container of elements
/// that can only be moved: its copy constructor is there, and does not compile.
///
/// A struct around such a container cannot be seen through; it says what it is by deleting its copy constructor.
template <class T>
inline constexpr bool copyable = std::copy_constructible<T>;

template <class T>
concept OwnsElements = requires(T& container) {
  typename T::value_type;
  container.begin();
} && !std::is_trivially_copyable_v<T> && !std::is_same_v<typename T::value_type, T>;

template <OwnsElements T>
inline constexpr bool copyable<T> = std::copy_constructible<T> && copyable<typename T::value_type>;
template <class A, class B>
inline constexpr bool copyable<std::pair<A, B>> =
    std::copy_constructible<std::pair<A, B>> && copyable<std::remove_const_t<A>> && copyable<B>;
template <class... T>
inline constexpr bool copyable<std::tuple<T...>> = std::copy_constructible<std::tuple<T...>> && (copyable<T> && ...);
template <class T>
inline constexpr bool copyable<std::optional<T>> = std::copy_constructible<std::optional<T>> && copyable<T>;
template <class... T>
inline constexpr bool copyable<std::variant<T...>> =
    std::copy_constructible<std::variant<T...>> && (copyable<T> && ...);

}  // namespace coil::detail
