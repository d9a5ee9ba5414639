#pragma once
#include <concepts>
#include <type_traits>
#include <utility>

#include <coil/coro.hpp>
#include <coil/create_task.hpp>
#include <coil/message_pipe.hpp>
#include <coil/process.hpp>

namespace coil {

/// A child process that runs a function of this program, and the pipe to it.
/// Lifetime: as Process; the pipe is closed first.
class ForkedProcess {
public:
  ForkedProcess(Process process, MessagePipe pipe) noexcept : process_(std::move(process)), pipe_(std::move(pipe)) {}

  Process& process() noexcept { return process_; }
  MessagePipe& pipe() noexcept { return pipe_; }
  /// Closes the pipe, then as `Process::aclose`. For `with(forked, body)`.
  Coro<int> aclose() {
    pipe_.close();
    return process_.aclose();
  }

private:
  Process process_;
  MessagePipe pipe_;
};

namespace detail {

template <class F, class... Args>
concept ForkBody = AsyncCallable<F, MessagePipe&, Args...> && (std::is_void_v<CallResult<F, MessagePipe&, Args...>> ||
                                                               std::same_as<CallResult<F, MessagePipe&, Args...>, int>);

template <class F, class... Args>
Coro<int> run_forked(MessagePipe& pipe, F body, Args... args) {
  if constexpr (std::is_void_v<CallResult<F, MessagePipe&, Args...>>) {
    co_await std::move(body)(pipe, std::move(args)...);
    co_return 0;
  } else {
    co_return co_await std::move(body)(pipe, std::move(args)...);
  }
}

/// Runs `body` in a child process, which has `theirs`. Here, in the parent, neither is of use afterwards.
ForkedProcess fork_off(Coro<int>& body, MessagePipe& theirs, MessagePipe ours);

}  // namespace detail

/// Runs `body(MessagePipe&, args...)` on a new loop in a child process, a copy of this one as fork(2) makes it. The
/// body returns `Coro<int>`, the child's exit status, or `Coro<void>`, for 0; an exception that leaves it is printed to
/// stderr and makes it 1. `body` and `args` are copied or moved at the call and passed on as rvalues.
///
/// The child has its own memory: what it writes there is not seen here, and nothing that runs or waits here goes on
/// there. It ends by _exit(2): no destructor of this program's objects runs in it, nor what was given to std::atexit.
/// What stdio has buffered is written before the fork, and what the child buffers at its end; std::cout with
/// `sync_with_stdio(false)` is to be flushed by hand, both times. Handlers of signals give way to the defaults.
/// Descriptors are inherited, as by fork(2), but for coil's own: the loop's, and those in a Process or ForkedProcess.
/// Only this thread goes on in the child. coil, malloc and stdio are made to work there; a lock of the program's own, or
/// of another library's, that another thread held stays locked for ever. So fork before there are threads, or keep to
/// what takes no such locks.
/// Errors: `std::system_error` if there can be no further process.
template <class F, class... Args>
  requires detail::ForkBody<std::decay_t<F>, std::decay_t<Args>...>
[[nodiscard]] ForkedProcess fork_process(F&& body, Args&&... args) {
  auto ends = MessagePipe::pair();
  Coro<int> coro = detail::run_forked<std::decay_t<F>, std::decay_t<Args>...>(ends.second, std::forward<F>(body),
                                                                              std::forward<Args>(args)...);
  return detail::fork_off(coro, ends.second, std::move(ends.first));
}

}  // namespace coil
