#include <coil/detail/fd_operation.hpp>

#include <liburing.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include <coil/detail/loop_core.hpp>

namespace coil::detail {

namespace {

// A cached read of 256 MiB would stop the loop for 70 ms; 1 MiB takes 0.3 ms.
constexpr std::size_t inline_transfer_max = std::size_t{1} << 20;
constexpr unsigned memory_devices = 1;  // /dev/null and its like

}  // namespace

FdOperation::FdOperation(const FdOperation& other) noexcept
    : RingOperation(other),
      call_(other.call_),
      fd_(other.fd_),
      readiness_(other.readiness_),
      in_background_(other.in_background_),
      takes_turns_(other.takes_turns_),
      held_(other.held_) {}

// ---- From its beginning to its end -----------------------------------------------------------------------

void FdOperation::submit() noexcept {
  if (held_) {
    if (held_->closing) return fail(EBADF);
    entered_ = true;
    if (!held_->enter(*this)) return;
  }
  RingOperation::submit();
}

void FdOperation::leave() noexcept {
  if (!entered_) return;
  entered_ = false;
  held_->leave(*this);
}

void FdOperation::wake(FutureState* source) noexcept {
  leave();
  RingOperation::wake(source);
}

Abort FdOperation::abort() noexcept {
  const Abort found = RingOperation::abort();
  if (found == Abort::gone) leave();
  return found;
}

void FdOperation::stop_for_close() noexcept {
  const bool waits = in_line_;
  stop();
  if (waits) wake(nullptr);
}

void FdOperation::prepare(io_uring_sqe& sqe) noexcept {
  if (polling_) {
    io_uring_prep_poll_add(&sqe, fd_, static_cast<unsigned>(readiness_));
    return;
  }
  fill(sqe);
  if (in_background_) sqe.flags |= IOSQE_ASYNC;
}

bool FdOperation::advance(std::int32_t result) noexcept {
  if (polling_) {
    polling_ = false;
    return result < 0 ? progress(result) : false;  // readable, writable, or in error: the call tells
  }
  return result == -EAGAIN && readiness_ != 0 ? wait_until_ready() : progress(result);
}

bool FdOperation::progress(std::int32_t result) noexcept {
  result_ = result;
  return true;
}

std::size_t FdOperation::take_value() {
  const std::int32_t result = take_result();
  if (result < 0) throw_error(-result);
  return static_cast<std::size_t>(result);
}

void FdOperation::throw_error(int error) const {
  throw std::system_error(error, std::system_category(), std::string(call_) + "(fd " + std::to_string(fd_) + ")");
}

void FdOperation::plan_transfer(std::size_t size, Transfer direction) noexcept {
  if (direction == Transfer::read && size < inline_transfer_max && !runs_on_virtual_clock()) return;
  struct stat found{};
  if (::fstat(fd_, &found) != 0) return;
  if (S_ISREG(found.st_mode) || S_ISBLK(found.st_mode)) {
    self_finishing_ = true;
    if (direction == Transfer::write) position_ = ::lseek(fd_, 0, SEEK_CUR);
    in_background_ = size >= inline_transfer_max;
  } else if (S_ISCHR(found.st_mode)) {
    // The ring writes to a terminal as soon as there is room for a byte, and then waits in it for the rest.
    in_background_ = direction == Transfer::write && major(found.st_rdev) != memory_devices;
  }
}

bool FdOperation::check_offset(std::uint64_t offset) noexcept {
  if (offset == file_position || ::lseek(fd_, 0, SEEK_CUR) >= 0 || errno != ESPIPE) return true;
  fail(ESPIPE);
  return false;
}

void FdOperation::fail(int error) noexcept {
  result_ = -error;
  cancelled_ = false;
  task_->make_ready();
}

void FdOperation::repair_position(std::int32_t done, std::size_t asked) noexcept {
  if (position_ < 0 || done <= 0) return;
  const bool is_short = static_cast<std::size_t>(done) < asked;
  if (is_short && ::lseek(fd_, 0, SEEK_CUR) == position_) ::lseek(fd_, position_ + done, SEEK_SET);
  position_ += done;
}

}  // namespace coil::detail
