#include <coil/detail/fd_operation.hpp>

#include <liburing.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include <coil/detail/loop_core.hpp>

namespace coil::detail {

namespace {

// A cached read of 256 MiB would stop the loop for 70 ms; 1 MiB takes 0.3 ms.
constexpr std::size_t inline_transfer_max = std::size_t{1} << 20;

}  // namespace

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
  if (result == -EAGAIN && readiness_ != 0) {
    polling_ = true;
    return false;
  }
  return progress(result);
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

void FdOperation::plan_transfer(std::size_t size) noexcept {
  const bool is_virtual = runs_on_virtual_clock();
  if (size < inline_transfer_max && !is_virtual) return;
  struct stat found{};
  if (::fstat(fd_, &found) != 0 || !(S_ISREG(found.st_mode) || S_ISBLK(found.st_mode))) return;
  self_finishing_ = true;
  in_background_ = size >= inline_transfer_max;
}

}  // namespace coil::detail
