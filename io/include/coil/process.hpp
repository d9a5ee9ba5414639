#pragma once
#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <coil/command.hpp>
#include <coil/coro.hpp>
#include <coil/detail/operation.hpp>
#include <coil/detail/owned_fd.hpp>
#include <coil/stream.hpp>

namespace coil {

namespace detail {

class ChildProcess;
class ChildAccess;

/// A counted reference to a child process.
class ChildRef {
public:
  ChildRef() noexcept = default;
  explicit ChildRef(ChildProcess* child) noexcept;
  ChildRef(const ChildRef& other) noexcept : ChildRef(other.child_) {}
  ChildRef(ChildRef&& other) noexcept : child_(std::exchange(other.child_, nullptr)) {}
  ChildRef& operator=(ChildRef other) noexcept {
    std::swap(child_, other.child_);
    return *this;
  }
  ~ChildRef();

  ChildProcess* operator->() const noexcept { return child_; }
  ChildProcess& operator*() const noexcept { return *child_; }
  explicit operator bool() const noexcept { return child_ != nullptr; }

private:
  ChildProcess* child_ = nullptr;
};

}  // namespace detail

/// A child process, as `create_subprocess_exec` starts it.
///
/// It is waited for through a pidfd, so no other child of this program is ever touched, and a signal never reaches a
/// process that came to have the same number. Where somebody else takes its exit status, or SIGCHLD is ignored, that is
/// learned from the kernel all the same since Linux 6.15; before, it is 255 and the exception handler is told.
/// Lifetime: the destructor closes the pipes. A child that still runs gets SIGTERM, after `Command::grace` SIGKILL, and
///   is waited for by a task of the loop, to whose end `run` waits. Where no loop runs the destructor does it itself,
///   and blocks meanwhile. `co_await process.aclose()` does the same in the open.
/// Threads: that of the loop it is awaited in.
class Process {
public:
  class WaitOperation;

  /// What `communicate` read.
  struct Output {
    Output() noexcept = default;
    Output(std::string stdout_text, std::string stderr_text) noexcept
        : out(std::move(stdout_text)), err(std::move(stderr_text)) {}
    std::string out;
    std::string err;
  };
  /// `communicate` reads no more than this of each stream if it is not told otherwise.
  static constexpr std::size_t output_max_default = std::size_t{1} << 30;

  /// Starts a child. Blocks the thread until its program runs, a millisecond or so.
  /// Errors: `std::system_error` that names the program, folder or descriptor that does not do. Then there is no child.
  static Process start(const Command& command);

  Process(Process&& other) noexcept = default;
  Process& operator=(Process&& other) noexcept;
  ~Process();

  pid_t pid() const;
  /// This process's ends of the pipes: the first is only written to, the others are only read.
  /// Errors: `std::logic_error` for a stream that is not `piped`, or was closed before it was used, and outside a loop.
  Stream& stdin_();
  Stream& stdout_();
  Stream& stderr_();

  /// Waits until the child has ended and gives its exit status, or -N if signal N killed it. Any number of tasks may
  /// wait. Others that hold its pipes, as its own children may, do not matter. A child that fills a pipe which nobody
  /// reads never ends: then `communicate`.
  /// Cancellation: the child runs on.
  [[nodiscard]] WaitOperation wait();
  /// Writes `input` to its stdin and closes that, reads stdout and stderr to their ends, both at once, and waits for
  /// the child to end. Streams that are not piped give nothing. A child that does not read all of it is no error.
  /// As in Python, the end of a stream comes when all who hold it have closed it, the child's own children included.
  /// Errors: `std::length_error` if a stream gives more than `output_max` bytes, which is closed then, so that the child
  ///   gets EPIPE or SIGPIPE there and `wait` ends; the next call gives the bytes up to there. `std::logic_error` for an
  ///   input without a pipe for it, or while another call is under way.
  /// Cancellation: the child runs on, and nothing is lost: the next call goes on, behind what was sent of the input.
  /// Lifetime: `input` and the Process outlive the `co_await`.
  Coro<Output> communicate(std::string_view input = {}, std::size_t output_max = output_max_default);

  /// As `wait` gives it; nothing while the child runs.
  std::optional<int> returncode() const;

  /// Signals to a child that has ended do nothing. Errors: `std::system_error`, EINVAL for what is no signal.
  void send_signal(int signal);
  void terminate();  ///< SIGTERM.
  void kill();       ///< SIGKILL.
  /// To its whole process group, see `Command::process_group`, also when the child itself has ended.
  void signal_group(int signal);

  /// Closes the pipes; SIGTERM, after `Command::grace` SIGKILL, if it still runs; waits, and gives what `wait` gives.
  /// For `with(process, body)`.
  /// Cancellation: SIGKILL at once.
  Coro<int> aclose();

private:
  friend class detail::ChildAccess;
  /// What a `communicate` that was cancelled leaves to the next one.
  struct Communication {
    bool begun = false;
    bool running = false;
    std::size_t sent = 0;  // of the input
    Output read;
  };
  explicit Process(detail::ChildRef child) noexcept : child_(std::move(child)) {}
  const detail::ChildRef& checked() const;
  /// An end of a pipe, and once it is used in a loop the stream over it.
  struct PipeEnd {
    detail::OwnedFd fd;
    Stream stream;
    bool is_open() const noexcept { return fd || stream; }
  };
  Stream& stream_of(int number, const char* call);
  void close_pipes() noexcept;
  void drop() noexcept;

  detail::ChildRef child_;  // null once moved from
  PipeEnd pipes_[3];        // of stdin, stdout and stderr
  Communication communication_;
};

/// One wait for a child's end.
class Process::WaitOperation final : public detail::Operation<WaitOperation> {
public:
  explicit WaitOperation(detail::ChildRef child) noexcept : child_(std::move(child)) {}
  bool await_ready() const noexcept;
  void start() noexcept;
  int await_resume();

private:
  friend class detail::ChildProcess;
  detail::Abort abort() noexcept override;

  detail::ChildRef child_;
  bool cancel_requested_ = false;
  bool cancelled_ = false;
};

/// Starts a program as a child process, see Command and Process.
/// Errors: as `Process::start`.
Coro<Process> create_subprocess_exec(Command command);
/// The same with a script for /bin/sh. Never put into it what comes from elsewhere. For pipes and other settings give
/// `Command::shell(script)` to `create_subprocess_exec`.
Coro<Process> create_subprocess_shell(std::string script);

}  // namespace coil
