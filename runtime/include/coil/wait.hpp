#pragma once
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <coil/clock.hpp>
#include <coil/detail/child.hpp>
#include <coil/gather.hpp>

namespace coil {

/// When `wait` returns: at the first that is done, at the first that failed (or when all are done), or when all are done.
enum class ReturnWhen : unsigned char { first_completed, first_exception, all_completed };

/// Options of `wait`.
struct WaitOptions {
  detail::TimeLimit timeout = {};  ///< Any duration; none by default.
  ReturnWhen return_when = ReturnWhen::all_completed;
};
static_assert(std::is_aggregate_v<WaitOptions> && std::is_trivially_destructible_v<WaitOptions>);

/// What `wait` gives: each task once, in the order in which they were passed.
template <class Handle>
struct WaitResult {
  std::vector<Handle> done;
  std::vector<Handle> pending;
};

namespace detail {

/// Ends when as many children are done as were asked for, or the time is over. It leaves them alone, also when it is
/// cancelled.
class WaitOperation final : public Operation<WaitOperation, MultiWait> {
public:
  WaitOperation(std::span<Child> children, const WaitOptions& options) noexcept
      : Operation(children), options_(options) {}

  bool await_ready() const;
  void start() noexcept;
  void await_resume() { throw_if_cancelled(); }

private:
  bool child_done(Child& child) noexcept override;
  void wake(FutureState* source) noexcept override;  // the time is over
  Abort abort() noexcept override;

  WaitOptions options_;
};

/// Without those that come a second time.
std::vector<Child> each_once(std::vector<Child> children);

template <class Handle>
Coro<WaitResult<Handle>> wait_for_some(std::vector<Child> children, WaitOptions options) {
  co_await WaitOperation(children, options);
  WaitResult<Handle> result;
  for (const Child& child : children)
    (child.state().done() ? result.done : result.pending).push_back(HandleAccess::make_for<Handle>(child.state()));
  co_return result;
}

template <class A>
inline constexpr bool can_be_waited_for = is_future_like<A> || std::is_same_v<A, TaskRef>;

template <class R>
constexpr bool is_waitable_range() {
  if constexpr (ChildRange<R>)
    return can_be_waited_for<RangeElement<R>>;
  else
    return false;
}

}  // namespace detail

/// Waits for tasks, and gives which of them are done and which are not. Neither cancels them nor throws what they
/// throw; a timeout is no error: then more of them are pending.
///
/// Takes a range of Task, TaskRef or Future; never coroutines, because it does not own what it waits for.
/// `first_exception` looks at the exceptions: they count as taken.
/// Errors: `std::invalid_argument` for an empty range; `std::logic_error` if it could only wait for itself.
/// Cancellation: the tasks go on.
template <class R>
  requires detail::ChildRange<std::remove_cvref_t<R>> || detail::TaskBody<R>
[[nodiscard]] auto wait(R&& tasks, const WaitOptions& options = {}) {
  using Range = std::remove_cvref_t<R>;
  static_assert(detail::is_waitable_range<Range>(),
                "coil: wait() takes a range of tasks, not coroutines, and does not own them: make each a task first, "
                "`tasks.push_back(coil::create_task(f()))`");
  if constexpr (detail::is_waitable_range<Range>()) {
    std::vector<detail::Child> children;
    for (const auto& task : tasks)
      children.emplace_back(detail::checked_state(detail::HandleAccess::state(task), "wait"));
    return detail::wait_for_some<detail::RangeElement<Range>>(detail::each_once(std::move(children)), options);
  }
}

}  // namespace coil
