#pragma once
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <coil/detail/child.hpp>
#include <coil/gather.hpp>

namespace coil {

namespace detail {

/// A participant's result, if there is one.
template <class T>
using RaceValue = std::optional<Stored<Unit<T>>>;

[[noreturn]] void throw_no_race_value();

template <class T, class Value>
decltype(auto) open_race_value(Value&& value) {
  if (!value) throw_no_race_value();
  if constexpr (std::is_reference_v<T>)
    return static_cast<T>(**value);
  else
    return *std::forward<Value>(value);
}

/// Of a loser only what nobody else has: a Task or Future keeps its result.
template <class T>
RaceValue<T> take_race_value(const Child& child, bool won) {
  if (!won && !(child.owned() && child.state().phase == Phase::value)) return std::nullopt;
  if constexpr (std::is_reference_v<T>)
    return RaceValue<T>(std::in_place, std::addressof(take_result<T>(child.state())));
  else
    return RaceValue<T>(std::in_place, take_unit<T>(child.state()));
}

template <class First = void, class... Rest>
inline constexpr bool one_type = (std::is_same_v<First, Rest> && ...);

}  // namespace detail

/// Who won a race of arguments, and with what; `void` is std::monostate.
///
/// A loser may complete all the same, as an operation of the kernel that had succeeded when it was to be cancelled.
/// Its result is here too, so that no accepted connection is lost.
template <class... T>
class RaceResult {
  using Types = std::tuple<detail::Unit<T>...>;
  template <std::size_t I>
  using Type = std::tuple_element_t<I, Types>;

public:
  /// The number of the winner, counted from 0.
  std::size_t index() const noexcept { return index_; }
  /// Whether number `I` has a result: it is the winner, or a loser that completed all the same.
  template <std::size_t I>
  bool has() const noexcept {
    return std::get<I>(values_).has_value();
  }
  /// Errors: `std::logic_error` if it has none.
  template <std::size_t I>
  decltype(auto) get() & {
    return detail::open_race_value<Type<I>>(std::get<I>(values_));
  }
  template <std::size_t I>
  decltype(auto) get() const& {
    return detail::open_race_value<Type<I>>(std::get<I>(values_));
  }
  template <std::size_t I>
  decltype(auto) get() && {
    return detail::open_race_value<Type<I>>(std::get<I>(std::move(values_)));
  }

  /// The winner's result, where all have the same type.
  decltype(auto) value() &
    requires detail::one_type<T...>
  {
    return detail::open_race_value<Type<0>>(winner(values_, std::index_sequence_for<T...>()));
  }
  decltype(auto) value() const&
    requires detail::one_type<T...>
  {
    return detail::open_race_value<Type<0>>(winner(values_, std::index_sequence_for<T...>()));
  }
  decltype(auto) value() &&
    requires detail::one_type<T...>
  {
    return detail::open_race_value<Type<0>>(std::move(winner(values_, std::index_sequence_for<T...>())));
  }

  /// For `race` itself.
  template <std::size_t... I>
  RaceResult(std::size_t index, [[maybe_unused]] std::span<const detail::Child> children, std::index_sequence<I...>)
      : index_(index), values_(detail::take_race_value<T>(children[I], I == index)...) {}

private:
  template <class Values, std::size_t... I>
  auto& winner(Values& values, std::index_sequence<I...>) const noexcept {
    auto* found = &std::get<0>(values);
    ((I == index_ ? void(found = &std::get<I>(values)) : void()), ...);
    return *found;
  }

  std::size_t index_;
  std::tuple<detail::RaceValue<T>...> values_;
};

/// The same of a race of a range.
template <class T>
class RangeRaceResult {
public:
  std::size_t index() const noexcept { return index_; }
  decltype(auto) value() & { return get(index_); }
  decltype(auto) value() const& { return get(index_); }
  decltype(auto) value() && { return std::move(*this).get(index_); }

  std::size_t size() const noexcept { return values_.size(); }
  /// Whether number `i` has a result. Errors: `std::out_of_range`, as those of `get`.
  bool has(std::size_t i) const { return values_.at(i).has_value(); }
  /// Errors: `std::logic_error` if it has none.
  decltype(auto) get(std::size_t i) & { return detail::open_race_value<detail::Unit<T>>(values_.at(i)); }
  decltype(auto) get(std::size_t i) const& { return detail::open_race_value<detail::Unit<T>>(values_.at(i)); }
  decltype(auto) get(std::size_t i) && { return detail::open_race_value<detail::Unit<T>>(std::move(values_.at(i))); }

  /// For `race` itself.
  RangeRaceResult(std::size_t index, std::span<const detail::Child> children) : index_(index) {
    values_.reserve(children.size());
    for (std::size_t i = 0; i < children.size(); ++i)
      values_.push_back(detail::take_race_value<T>(children[i], i == index));
  }

private:
  std::size_t index_;
  std::vector<detail::RaceValue<T>> values_;
};

namespace detail {

/// The first child that is done wins; then the others are cancelled. Ends when all are done.
class RaceOperation final : public Operation<RaceOperation, MultiWait> {
public:
  explicit RaceOperation(std::span<Child> children) noexcept : Operation(children) {}

  bool await_ready() const noexcept { return false; }
  void start() noexcept;
  /// The winner's number. Throws what it threw, or CancelledError if the race was cancelled before anybody won.
  std::size_t await_resume();

private:
  bool child_done(Child& child) noexcept override;

  Child* winner_ = nullptr;
  bool cancelled_before_ = false;  // when it began
};

/// Errors: `std::invalid_argument` if there are none.
void start_race(std::span<Child> children);

template <class... T>
Coro<RaceResult<T...>> race_arguments(std::array<Child, sizeof...(T)> children) {
  start_race(children);
  const std::size_t index = co_await RaceOperation(children);
  co_return RaceResult<T...>(index, children, std::index_sequence_for<T...>());
}
template <class T>
Coro<RangeRaceResult<T>> race_range(std::vector<Child> children) {
  start_race(children);
  const std::size_t index = co_await RaceOperation(children);
  co_return RangeRaceResult<T>(index, children);
}

}  // namespace detail

/// Runs everything concurrently until the first is done, then cancels the others and waits for them; gives a RaceResult.
///
/// Arguments are coroutines, callables that return one, Tasks, Futures, or any other operation; the losers are cancelled
/// whatever they are. Of two that end in the same turn the first in time wins, of several that are done before, the
/// first in the order of the arguments. A winner that failed or was cancelled has won all the same: what it threw is
/// thrown once the losers have ended. What a loser throws in its cleanup goes to the exception handler, unless it is a
/// Task that somebody holds.
/// Errors: `std::invalid_argument` for a race of nothing; what the winner throws.
/// Cancellation: cancels all and waits for them. If one completes all the same, or had won before, that is the result,
///   and the cancellation is delivered at the next suspension.
/// Lifetime: what a coroutine refers to outlives the await.
template <class... A>
  requires(sizeof...(A) != 1 || (!detail::ChildRange<std::remove_cvref_t<A>> && ...)) && (detail::TaskBody<A> && ...)
[[nodiscard]] auto race(A&&... awaitables) {
  (detail::refuse_temporary_closure<A>(), ...);
  return detail::race_arguments<detail::ChildResult<A>...>(
      std::array<detail::Child, sizeof...(A)>{detail::make_child(std::forward<A>(awaitables), "race")...});
}
/// The same for a range; gives a RangeRaceResult.
template <class R>
  requires detail::ChildRange<std::remove_cvref_t<R>>
[[nodiscard]] auto race(R&& range) {
  return detail::race_range<detail::RangeResult<R>>(detail::make_children(std::forward<R>(range), "race"));
}

}  // namespace coil
