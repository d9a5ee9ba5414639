#pragma once
#include <concepts>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

#include <coil/loop.hpp>
#include <coil/task.hpp>

namespace coil {

namespace detail {

/// Starts the coroutine at `root` as a task.
/// The caller owns one of its references.
TaskState& start_task(LoopCore& core, std::coroutine_handle<> root, std::source_location where);
TaskState& start_task(LoopCore& core, std::coroutine_handle<> root, std::source_location where,
                      const TaskOptions& options);

template <class T, class... Options>
Task<T> start_coro(LoopCore& core, Coro<T>& coro, std::source_location where, const Options&... options) {
  return HandleAccess::adopt<Task<T>>(&start_task(core, CoroAccess::release(coro), where, options...));
}
/// The same for a caller without a location of his own: `in_its_place` finds one.
template <class T, class... Options>
Task<T> start_coro_here(LoopCore& core, Coro<T>& coro, const Options&... options) {
  return start_coro(core, coro, {}, options...);
}

/// A task whose maker has no location counts as created at the coroutine that its callable returned.
template <class A>
A&& in_its_place(A&& awaitable) noexcept {
  if constexpr (is_coro<std::remove_cvref_t<A>>) {
    TaskState& task = *this_loop->current;
    if (task.created_at.line() == 0) task.created_at = CoroAccess::place(awaitable);
  }
  return static_cast<A&&>(awaitable);
}

/// What std::invoke does with a pointer to a member function, without the 14,000 lines of <functional>.
template <class F, class Object, class... Args>
decltype(auto) invoke_member(F member, Object&& object, Args&&... args) {
  if constexpr (requires { (std::forward<Object>(object).*member)(std::forward<Args>(args)...); })
    return (std::forward<Object>(object).*member)(std::forward<Args>(args)...);
  else if constexpr (requires { (object.get().*member)(std::forward<Args>(args)...); })  // std::reference_wrapper
    return (object.get().*member)(std::forward<Args>(args)...);
  else
    return ((*std::forward<Object>(object)).*member)(std::forward<Args>(args)...);
}
/// Calls a function and awaits what it returns; keeps the function and its arguments in its frame meanwhile.
/// Always, also without captures: so the call is made where the coroutine runs, inside the loop.
template <class R, class F, class... Args>
Coro<R> invoke_kept(F function, Args... args) {
  // Called here and not in a helper: what an argument is converted to lives as long as this await.
  if constexpr (std::is_member_pointer_v<F>)
    co_return co_await in_its_place(invoke_member(function, std::move(args)...));
  else
    co_return co_await in_its_place(std::move(function)(std::move(args)...));
}
template <class R, class A>
Coro<R> await_kept(A awaitable) {
  co_return co_await std::move(awaitable);
}

/// A Coro from anything that can be awaited, or called to give something to await.
template <class A, class... Args>
auto as_coro(A&& awaitable, Args&&... args) {
  using Decayed = std::decay_t<A>;
  if constexpr (is_coro<Decayed>) {
    static_assert(!std::is_lvalue_reference_v<A>, "coil: a Coro can only be moved: write std::move(coro)");
    return std::forward<A>(awaitable);
  } else if constexpr (Awaitable<Decayed>) {
    return CoroAccess::without_place(await_kept<AwaitResult<Decayed>>(Decayed(std::forward<A>(awaitable))));
  } else {
    static_assert(AsyncCallable<Decayed, std::decay_t<Args>...>,
                  "coil: expected a Coro, something to await, or a callable that returns one for these arguments");
    using R = CallResult<Decayed, std::decay_t<Args>...>;
    return CoroAccess::without_place(
        invoke_kept<R, Decayed, std::decay_t<Args>...>(std::forward<A>(awaitable), std::forward<Args>(args)...));
  }
}

template <class A>
concept TaskBody = Awaitable<std::decay_t<A>> || AsyncCallable<std::decay_t<A>>;

}  // namespace detail

/// Starts a coroutine as a task: it runs on a later step, after what is queued already. The loop owns it.
///
/// Takes a Coro, anything else that can be awaited, or a callable that returns a Coro; a callable is called when
/// the task starts and kept until it ends, which makes lambdas with captures safe.
/// Errors: `std::logic_error` outside a loop, or for a Coro that was awaited or moved from.
template <detail::TaskBody A>
auto create_task(A&& body, std::source_location where = std::source_location::current()) {
  detail::LoopCore& core = detail::running_loop();
  auto coro = detail::as_coro(std::forward<A>(body));
  return detail::start_coro(core, coro, where);
}
template <detail::TaskBody A>
auto create_task(A&& body, const TaskOptions& options, std::source_location where = std::source_location::current()) {
  detail::LoopCore& core = detail::running_loop();
  auto coro = detail::as_coro(std::forward<A>(body));
  return detail::start_coro(core, coro, where, options);
}

/// Starts `f(args...)` as a task. `f` and `args` are copied or moved into it and passed on as rvalues, as by
/// std::thread; what shall be a reference is passed as `std::ref(x)`.
template <class F, class... Args>
  requires(sizeof...(Args) != 0) && detail::AsyncCallable<std::decay_t<F>, std::decay_t<Args>...>
auto create_task(F&& f, Args&&... args) {
  detail::LoopCore& core = detail::running_loop();
  auto coro = detail::as_coro(std::forward<F>(f), std::forward<Args>(args)...);
  return detail::start_coro_here(core, coro);
}
template <class F, class... Args>
  requires detail::AsyncCallable<std::decay_t<F>, std::decay_t<Args>...>
auto create_task(const TaskOptions& options, F&& f, Args&&... args) {
  detail::LoopCore& core = detail::running_loop();
  auto coro = detail::as_coro(std::forward<F>(f), std::forward<Args>(args)...);
  return detail::start_coro_here(core, coro, options);
}

/// The task that runs now. Errors: `std::logic_error` outside a task.
TaskRef current_task();
/// All tasks of this loop that are not done. Errors: `std::logic_error` outside a loop.
std::vector<TaskRef> all_tasks();

}  // namespace coil
