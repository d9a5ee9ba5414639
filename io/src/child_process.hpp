#pragma once
#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <optional>
#include <utility>

#include <coil/detail/owned_fd.hpp>
#include <coil/detail/ring.hpp>
#include <coil/process.hpp>

namespace coil::detail {

/// A child process, and the one operation of the kernel that watches it while anybody waits for its end: the ring's
/// waitid where the kernel has it (6.7), else a poll of the pidfd. Those who wait are woken in arrival order.
class ChildProcess final : public RingOperation {
public:
  explicit ChildProcess(std::chrono::nanoseconds grace) noexcept : grace_(grace) {}
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// From now on it exists.
  void begin(pid_t pid, OwnedFd pidfd) noexcept;
  pid_t pid() const noexcept { return pid_; }
  std::chrono::nanoseconds grace() const noexcept { return grace_; }

  /// Looks whether it has ended, without waiting.
  std::optional<int> returncode() noexcept;
  /// Whether it is known to have ended.
  bool ended() const noexcept { return returncode_.has_value(); }
  /// The errno of pidfd_send_signal(2), 0 for none. One that has ended gets nothing.
  int signal(int number) noexcept;
  int signal_group(int number) noexcept;
  /// Asks it to end, kills it when its time is up, and waits; all in this call.
  void end_blocking() noexcept;

  void add(Process::WaitOperation& waiter) noexcept;
  Abort remove(Process::WaitOperation& waiter) noexcept;

  void prepare(io_uring_sqe& sqe) noexcept override;
  void complete(std::int32_t result, std::uint32_t flags, bool more) noexcept override;

  /// False: as on a kernel without waitid in the ring.
  static inline bool may_use_waitid = true;

private:
  friend class ChildRef;
  ~ChildProcess() = default;

  void watch() noexcept;
  void stop_watching() noexcept;
  void note_end(const siginfo_t& info) noexcept;
  /// Closes it once the child has ended, unless somebody still needs it.
  void close_pidfd() noexcept;
  void note_lost_status() noexcept;

  std::size_t refs_ = 0;
  pid_t pid_ = 0;
  OwnedFd pidfd_;
  std::chrono::nanoseconds grace_;
  std::optional<int> returncode_;
  WaitQueue waiters_;
  bool watching_ = false;  // an operation is in the kernel, or on its way
  bool stopping_ = false;  // its cancellation was asked for
  bool uses_waitid_ = false;
  bool waitid_failed_ = false;  // then it is not tried again
  siginfo_t info_{};            // written by the kernel
};

/// Makes a Process of a child.
class ChildAccess {
public:
  static Process process(ChildRef child) noexcept { return Process(std::move(child)); }
};

/// What the destructor of a Process leaves: asks the child to end, kills it when its time is up, and waits.
/// Never throws CancelledError.
Coro<void> end_child(ChildRef child);

}  // namespace coil::detail
