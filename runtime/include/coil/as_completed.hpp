#pragma once
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include <coil/async_generator.hpp>
#include <coil/clock.hpp>
#include <coil/detail/child.hpp>
#include <coil/gather.hpp>

namespace coil {

/// Options of `as_completed`.
struct AsCompletedOptions {
  detail::TimeLimit timeout = {};  ///< Any duration, for all together, from the call; none by default.
};
static_assert(std::is_aggregate_v<AsCompletedOptions> && std::is_trivially_destructible_v<AsCompletedOptions>);

namespace detail {

/// Tasks and futures in the order in which they end. Each once.
class CompletionQueue {
public:
  class GetOperation;

  /// Starts what is not yet a task; the time runs from here.
  CompletionQueue(std::vector<Child> children, TimeLimit timeout);
  CompletionQueue(CompletionQueue&& other) noexcept : parts_(std::exchange(other.parts_, nullptr)) {}
  CompletionQueue& operator=(CompletionQueue&&) = delete;
  ~CompletionQueue();

  /// How many have not been given yet.
  std::size_t left() const noexcept;
  /// Waits for the next one. Errors: TimeoutError.
  GetOperation get() noexcept;

private:
  class Entry;
  struct Parts;
  Parts* parts_;  // on the heap, since callbacks point to it; null once moved from
};

class CompletionQueue::GetOperation final : public Operation<GetOperation> {
public:
  explicit GetOperation(Parts& queue) noexcept : queue_(queue) {}
  bool await_ready() const noexcept;
  void start() noexcept;
  StateRef<FutureState> await_resume();

private:
  Abort abort() noexcept override;
  Parts& queue_;
};

template <class Handle>
AsyncGenerator<Handle> give_completed(CompletionQueue started) {
  using State = std::remove_pointer_t<decltype(HandleAccess::state(std::declval<Handle&>()))>;
  CompletionQueue queue = std::move(started);  // goes with the last value, not with the generator
  while (queue.left() != 0) {
    const StateRef<FutureState> ended = co_await queue.get();
    Handle handle = HandleAccess::make<Handle>(static_cast<State*>(ended.get()));
    co_yield handle;
  }
}

/// What `as_completed` gives for an element of a range.
template <class R>
struct CompletedHandleOf {
  using type = Task<RangeResult<R>>;
};
template <class R>
  requires is_future_like<RangeElement<std::remove_reference_t<R>>>
struct CompletedHandleOf<R> {
  using type = RangeElement<std::remove_reference_t<R>>;
};

}  // namespace detail

/// Gives tasks in the order in which they end, as an `AsyncGenerator<Task<T>>`:
///
///     auto ended = coil::as_completed(tasks);
///     while (auto* task = co_await ended.next()) use(co_await *task);
///
/// Takes a range of Tasks, or of coroutines and what else `create_task` takes, which become tasks at this call. What
/// is in the range twice is given once. A range of Futures gives Futures.
///
/// Nothing is ever cancelled: neither by the timeout, after which `next()` throws TimeoutError and the generator has
/// ended, nor if the generator is dropped or its `next()` cancelled.
/// Errors: `std::logic_error` outside a loop, or for an empty Task.
template <class R>
  requires detail::ChildRange<std::remove_cvref_t<R>>
[[nodiscard]] auto as_completed(R&& range, const AsCompletedOptions& options = {}) {
  using Ended = typename detail::CompletedHandleOf<R>::type;
  static_cast<void>(detail::running_loop());
  return detail::give_completed<Ended>(
      detail::CompletionQueue(detail::make_children(std::forward<R>(range), "as_completed"), options.timeout));
}

}  // namespace coil
