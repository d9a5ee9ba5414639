#pragma once
#include <array>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <coil/detail/child.hpp>

namespace coil {

/// First argument of `gather`: failures become part of the result instead of ending it.
struct ReturnExceptions {};
inline constexpr ReturnExceptions return_exceptions{};

namespace detail {

template <class T>
using Unit = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class R>
concept ChildRange = requires(R& range) {
  std::begin(range);
  std::end(range);
} && !Awaitable<R> && !std::is_invocable_v<R&>;

template <class R>
using RangeReference = decltype(*std::begin(std::declval<R&>()));
template <class R>
using RangeElement = std::remove_cvref_t<RangeReference<R>>;

template <class T>
Unit<T> take_unit(FutureState& state) {
  if constexpr (std::is_void_v<T>) {
    state.throw_unless_value();
    return {};
  } else {
    return take_result<T>(state);
  }
}

template <class... T, std::size_t... I>
std::tuple<Unit<T>...> take_tuple(std::array<Child, sizeof...(T)>& children, std::index_sequence<I...>) {
  return std::tuple<Unit<T>...>(take_unit<T>(children[I].state())...);
}
template <class... T, std::size_t... I>
std::tuple<Outcome<T>...> take_outcomes(std::array<Child, sizeof...(T)>& children, std::index_sequence<I...>) {
  return std::tuple<Outcome<T>...>(outcome_of<T>(children[I].state())...);
}

template <class... T>
Coro<std::tuple<Unit<T>...>> gather_tuple(std::array<Child, sizeof...(T)> children) {
  start_all(children);
  co_await GatherOperation(children, false);
  co_return take_tuple<T...>(children, std::index_sequence_for<T...>());
}
template <class... T>
Coro<std::tuple<Outcome<T>...>> gather_outcomes(std::array<Child, sizeof...(T)> children) {
  start_all(children);
  co_await GatherOperation(children, true);
  co_return take_outcomes<T...>(children, std::index_sequence_for<T...>());
}

template <class T>
using GatherVector = std::conditional_t<std::is_void_v<T>, void, std::vector<Unit<T>>>;

template <class T>
Coro<GatherVector<T>> gather_vector(std::vector<Child> children) {
  start_all(children);
  co_await GatherOperation(children, false);
  if constexpr (!std::is_void_v<T>) {
    std::vector<T> results;
    results.reserve(children.size());
    for (Child& child : children) results.push_back(take_result<T>(child.state()));
    co_return results;
  }
}
template <class T>
Coro<std::vector<Outcome<T>>> gather_vector_outcomes(std::vector<Child> children) {
  start_all(children);
  co_await GatherOperation(children, true);
  std::vector<Outcome<T>> outcomes;
  outcomes.reserve(children.size());
  for (Child& child : children) outcomes.push_back(outcome_of<T>(child.state()));
  co_return outcomes;
}

/// The elements of an lvalue range are copied, those of an rvalue range moved, and its memory given up.
template <class R>
std::vector<Child> make_children(R& range, const char* call) {
  std::vector<Child> children;
  if constexpr (requires { range.size(); }) children.reserve(static_cast<std::size_t>(range.size()));
  for (auto&& element : range) {
    if constexpr (std::is_lvalue_reference_v<RangeReference<R>>)
      children.push_back(make_child(std::as_const(element), call));
    else
      children.push_back(make_child(std::move(element), call));  // made on the spot, by a view
  }
  return children;
}
template <class R>
  requires(!std::is_lvalue_reference_v<R>)
std::vector<Child> make_children(R&& range, const char* call) {
  std::vector<Child> children;
  R owned = std::move(range);
  if constexpr (requires { owned.size(); }) children.reserve(static_cast<std::size_t>(owned.size()));
  for (auto&& element : owned) children.push_back(make_child(std::move(element), call));
  return children;
}

template <class R>
using RangeResult =
    ChildResult<std::conditional_t<std::is_lvalue_reference_v<R> && std::is_lvalue_reference_v<RangeReference<R>>,
                                   RangeElement<R>&, RangeElement<R>>>;

}  // namespace detail

/// Runs everything concurrently and gives the results in argument order: a std::tuple, `void` as
/// std::monostate.
///
/// Arguments are coroutines, callables that return one, Tasks, Futures, or any other operation. Coroutines are
/// started when the gather is awaited, in argument order, and belong to it: at the first exception the others
/// are cancelled and waited for, then that exception is thrown. (In asyncio they run on; here they could then
/// write into the frame that is being unwound.) A Task or Future stays the caller's and runs on.
/// Cancellation: cancels all arguments, waits for them, then throws.
/// Lifetime: what a coroutine refers to outlives the await.
template <class... A>
  requires(sizeof...(A) != 1 || (!detail::ChildRange<std::remove_cvref_t<A>> && ...)) && (detail::TaskBody<A> && ...)
[[nodiscard]] auto gather(A&&... awaitables) {
  (detail::refuse_temporary_closure<A>(), ...);
  return detail::gather_tuple<detail::ChildResult<A>...>(
      std::array<detail::Child, sizeof...(A)>{detail::make_child(std::forward<A>(awaitables), "gather")...});
}
/// The same; each argument gives an Outcome, and no failure ends it. Being cancelled itself still throws.
template <class... A>
  requires(sizeof...(A) != 1 || (!detail::ChildRange<std::remove_cvref_t<A>> && ...)) && (detail::TaskBody<A> && ...)
[[nodiscard]] auto gather(ReturnExceptions, A&&... awaitables) {
  (detail::refuse_temporary_closure<A>(), ...);
  return detail::gather_outcomes<detail::ChildResult<A>...>(
      std::array<detail::Child, sizeof...(A)>{detail::make_child(std::forward<A>(awaitables), "gather")...});
}

/// The same for a range: gives a std::vector of the results, or nothing for `void`.
template <class R>
  requires detail::ChildRange<std::remove_cvref_t<R>>
[[nodiscard]] auto gather(R&& range) {
  return detail::gather_vector<detail::RangeResult<R>>(detail::make_children(std::forward<R>(range), "gather"));
}
template <class R>
  requires detail::ChildRange<std::remove_cvref_t<R>>
[[nodiscard]] auto gather(ReturnExceptions, R&& range) {
  return detail::gather_vector_outcomes<detail::RangeResult<R>>(
      detail::make_children(std::forward<R>(range), "gather"));
}

}  // namespace coil
