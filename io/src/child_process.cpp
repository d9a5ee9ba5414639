#include "child_process.hpp"

#include <liburing.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include <coil/as_result.hpp>
#include <coil/detail/check.hpp>
#include <coil/detail/loop_core.hpp>
#include <coil/loop.hpp>
#include <coil/timeout.hpp>

#include "loop_parts.hpp"

namespace coil::detail {

namespace {

// What the headers of Debian 12 do not know yet.
constexpr unsigned op_waitid = 50;                        // IORING_OP_WAITID, 6.7
constexpr unsigned pidfd_signal_process_group = 1U << 2;  // PIDFD_SIGNAL_PROCESS_GROUP, 6.9
struct PidfdInfo {                                        // pidfd_info, 6.13; with the exit status 6.15
  std::uint64_t mask;
  std::uint64_t cgroup;
  std::uint32_t ids[11];
  std::int32_t exit_status;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr std::uint64_t pidfd_info_exit = 1U << 3;                    // PIDFD_INFO_EXIT
constexpr unsigned long pidfd_get_info = _IOWR(0xff, 11, PidfdInfo);  // PIDFD_GET_INFO

constexpr int lost_returncode = 255;  // as in asyncio

int code_of_status(int status) noexcept { return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status); }

int send(const OwnedFd& pidfd, int number, unsigned flags) noexcept {
  return ::syscall(SYS_pidfd_send_signal, pidfd.get(), number, nullptr, flags) == 0 ? 0 : errno;
}

}  // namespace

ChildRef::ChildRef(ChildProcess* child) noexcept : child_(child) {
  if (child_ != nullptr) ++child_->refs_;
}
ChildRef::~ChildRef() {
  if (child_ != nullptr && --child_->refs_ == 0) delete child_;
}

void ChildProcess::begin(pid_t pid, OwnedFd pidfd) noexcept {
  pid_ = pid;
  pidfd_ = std::move(pidfd);
  pidfd_.keep_private();
}

// ---- Its end ---------------------------------------------------------------------------------------------

std::optional<int> ChildProcess::returncode() noexcept {
  if (returncode_) return returncode_;
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOHANG) == 0) {
    if (info.si_pid != 0) note_end(info);
  } else if (errno == ECHILD) {
    pollfd polled{pidfd_.get(), POLLIN, 0};
    if (::poll(&polled, 1, 0) > 0) note_lost_status();
  }
  close_pidfd();
  return returncode_;
}

// An operation on its way to the kernel has its number. As long as its process group has members it is their only name
// that cannot come to mean somebody else's.
void ChildProcess::close_pidfd() noexcept {
  if (!ended() || watching_) return;
  const int error = send(pidfd_, 0, pidfd_signal_process_group);
  if (error == ESRCH || error == EINVAL) pidfd_.close();  // EINVAL: before Linux 6.9, where it is of no use then
}

void ChildProcess::note_end(const siginfo_t& info) noexcept {
  returncode_ = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
}

// Somebody waits for all children, or SIGCHLD is ignored.
void ChildProcess::note_lost_status() noexcept {
  PidfdInfo info{};
  info.mask = pidfd_info_exit;
  if (::ioctl(pidfd_.get(), pidfd_get_info, &info) == 0 && (info.mask & pidfd_info_exit) != 0) {
    returncode_ = code_of_status(info.exit_status);
    return;
  }
  returncode_ = lost_returncode;
  if (this_loop == nullptr) return;
  this_loop->loop().call_exception_handler(
      {.message = "the exit status of process " + std::to_string(pid_) +
                  " was taken by somebody else, or SIGCHLD is ignored; it is given as " +
                  std::to_string(lost_returncode)});
}

int ChildProcess::signal(int number) noexcept {
  if (returncode()) return 0;
  const int error = send(pidfd_, number, 0);
  return error == ESRCH ? 0 : error;
}

int ChildProcess::signal_group(int number) noexcept {
  if (!pidfd_) return 0;  // nobody is left
  int error = send(pidfd_, number, pidfd_signal_process_group);
  if (error == EINVAL && !returncode()) error = ::killpg(pid_, number) == 0 ? 0 : errno;
  return error == ESRCH ? 0 : error;
}

void ChildProcess::end_blocking() noexcept {
  using std::chrono::milliseconds;
  if (signal(SIGTERM) != 0 || returncode()) return;
  const auto timeout = std::clamp<std::int64_t>(std::chrono::ceil<milliseconds>(grace_).count(), 0, INT32_MAX);
  pollfd polled{pidfd_.get(), POLLIN, 0};
  ::poll(&polled, 1, static_cast<int>(timeout));
  if (signal(SIGKILL) != 0) return;
  while (!returncode()) ::poll(&polled, 1, -1);
}

// ---- Those who wait --------------------------------------------------------------------------------------

void ChildProcess::add(Process::WaitOperation& waiter) noexcept {
  waiters_.push_back(waiter);
  if (!watching_) watch();
}

// The last one who waits stays until the kernel has let go: nothing may be under way for a loop that ends.
Abort ChildProcess::remove(Process::WaitOperation& waiter) noexcept {
  if (waiter.cancel_requested_) return Abort::answer_coming;
  if (waiters_.front() != &waiter || waiters_.after(waiter) != nullptr) {
    waiters_.remove(waiter);
    waiter.cancelled_ = true;
    return Abort::gone;
  }
  waiter.cancel_requested_ = true;
  waiter.task_->set(Ready::must_cancel | Ready::late_cancel);
  stop_watching();
  return Abort::answer_coming;
}

void ChildProcess::watch() noexcept {
  uses_waitid_ = may_use_waitid && !waitid_failed_ && parts_of(*this_loop).ring->supports(op_waitid);
  watching_ = true;
  submit();
}

void ChildProcess::stop_watching() noexcept {
  if (std::exchange(stopping_, true)) return;
  parts_of(*this_loop).ring->cancel(*this);
}

void ChildProcess::prepare(io_uring_sqe& sqe) noexcept {
  if (!uses_waitid_) {
    io_uring_prep_poll_add(&sqe, pidfd_.get(), POLLIN);
    return;
  }
  info_ = {};
  io_uring_prep_rw(static_cast<int>(op_waitid), &sqe, pidfd_.get(), nullptr, P_PIDFD, 0);
  sqe.addr2 = reinterpret_cast<std::uintptr_t>(&info_);
  sqe.file_index = WEXITED;
}

void ChildProcess::complete(std::int32_t result, std::uint32_t, bool) noexcept {
  watching_ = stopping_ = false;
  if (!returncode_ && uses_waitid_ && result == 0 && info_.si_pid != 0)
    note_end(info_);
  else if (!returncode() && uses_waitid_ && result != -ECANCELED && !is_interruption(result))
    waitid_failed_ = true;
  close_pidfd();
  const ChildRef alive(this);  // the last waiter's reference may be the last one
  WaitQueue others;
  while (auto* waiter = static_cast<Process::WaitOperation*>(waiters_.pop_front())) {
    if (!ended() && !waiter->cancel_requested_) {
      others.push_back(*waiter);
      continue;
    }
    waiter->cancelled_ = !ended();
    waiter->wake(nullptr);
  }
  waiters_ = others;
  if (!waiters_.empty()) watch();
}

}  // namespace coil::detail

namespace coil {

// ---- Process::WaitOperation ------------------------------------------------------------------------------

bool Process::WaitOperation::await_ready() const noexcept { return child_->ended(); }
void Process::WaitOperation::start() noexcept { child_->add(*this); }
detail::Abort Process::WaitOperation::abort() noexcept { return child_->remove(*this); }

int Process::WaitOperation::await_resume() {
  if (cancelled_) task_->throw_cancelled();
  if (task_ != nullptr && task_->has(detail::Ready::must_cancel)) task_->set(detail::Ready::late_cancel);
  return *child_->returncode();
}

namespace detail {

// Cancelled at the end of `run`, when every task is: the child has its time all the same.
Coro<void> end_child(ChildRef child) {
  if (child->signal(SIGTERM) != 0) co_return;
  std::optional<time_point> deadline = saturating_add(get_running_loop().time(), child->grace());
  while (!child->returncode()) {
    auto waiting = timeout_at(deadline, Process::WaitOperation(child));
    const Outcome<int> ignored = co_await as_result(std::move(waiting));
    if (!deadline || get_running_loop().time() < *deadline) continue;
    if (child->signal(SIGKILL) != 0) co_return;
    deadline.reset();
  }
}

}  // namespace detail
}  // namespace coil
