#pragma once
#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

namespace coil {
template <class T>
class Coro;

namespace detail {

template <class A>
concept HasMemberCoAwait = requires(A&& awaitable) { std::forward<A>(awaitable).operator co_await(); };
template <class A>
concept HasFreeCoAwait = requires(A&& awaitable) { operator co_await(std::forward<A>(awaitable)); };
template <class A>
concept IsAwaiter = requires(A& awaiter) {
  { awaiter.await_ready() } -> std::convertible_to<bool>;
  awaiter.await_resume();
};

/// The awaiter that `co_await` would use.
template <class A>
decltype(auto) get_awaiter(A&& awaitable) {
  if constexpr (HasMemberCoAwait<A>)
    return std::forward<A>(awaitable).operator co_await();
  else if constexpr (HasFreeCoAwait<A>)
    return operator co_await(std::forward<A>(awaitable));
  else
    return std::forward<A>(awaitable);
}

template <class A>
concept Awaitable = HasMemberCoAwait<A> || HasFreeCoAwait<A> || IsAwaiter<std::remove_reference_t<A>>;

template <Awaitable A>
using AwaitResult = decltype(get_awaiter(std::declval<A>()).await_resume());

template <class T>
inline constexpr bool is_coro = false;
template <class T>
inline constexpr bool is_coro<Coro<T>> = true;

/// A callable that gives something to await: what `run`, `create_task`, `gather` and the scopes accept.
template <class F, class... Args>
concept AsyncCallable = std::invocable<F, Args...> && Awaitable<std::invoke_result_t<F, Args...>> && !Awaitable<F>;

/// What an AsyncCallable's awaitable gives.
template <class F, class... Args>
using CallResult = AwaitResult<std::invoke_result_t<F, Args...>>;

/// How a result of type T is kept: references as pointers.
template <class T>
using Stored = std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, std::remove_cv_t<T>>;

/// A result of type T as it is kept.
template <class T>
decltype(auto) stored(T&& result) noexcept {
  if constexpr (std::is_reference_v<T>)
    return std::addressof(result);
  else
    return static_cast<T&&>(result);
}

/// The compiler with the coroutine faults that coil detects: g++ before 13.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
inline constexpr bool is_gcc12 = true;
#else
inline constexpr bool is_gcc12 = false;
#endif

/// False for a closure that this compiler would destroy twice inside a `co_await` expression (GCC PR 99576).
/// `F` is deduced by a forwarding reference: a non-reference means a temporary.
template <class F>
inline constexpr bool survives_co_await =
    !is_gcc12 || std::is_lvalue_reference_v<F> || Awaitable<F> || std::is_trivially_copyable_v<F>;

/// Refuses such closures with a sentence.
template <class F>
constexpr void refuse_temporary_closure() {
  static_assert(survives_co_await<F>,
                "coil: g++ 12 destroys this temporary closure twice (GCC PR 99576): name it first, "
                "`auto body = [...]...; co_await f(body);`, or capture by reference");
}

}  // namespace detail
}  // namespace coil
