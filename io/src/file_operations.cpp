#include <coil/file_operations.hpp>

#include <fcntl.h>
#include <liburing.h>

#include <cerrno>
#include <system_error>

namespace coil::detail {

namespace {

constexpr short never_would_block = 0;

// A path cut off at a NUL byte would be another path.
std::string checked(std::string path, const char* call) {
  if (path.find('\0') != path.npos)
    throw std::invalid_argument("coil: " + std::string(call) + "(): the path has a NUL byte in it");
  return path;
}

}  // namespace

PathOperation::PathOperation(const char* call, int dirfd, std::string path)
    : FdOperation(call, dirfd, never_would_block), path_(checked(std::move(path), call)) {
  self_finishing_ = true;
}

std::size_t PathOperation::take_value() {
  const std::int32_t result = take_result();
  if (result >= 0) return static_cast<std::size_t>(result);
  throw std::system_error(-result, std::system_category(), std::string(call_) + "(" + path_ + ")");
}

// The ring would open without waiting first, which on a FIFO is another thing than open(2): for reading it
// succeeds without a writer, for writing it fails. So whatever may wait is opened by a thread of the kernel.
OpenOperation::OpenOperation(int dirfd, std::string path, int flags, ::mode_t mode)
    : Operation("openat", dirfd, std::move(path)), flags_(flags), mode_(mode) {
  may_wait_ = in_background_ = (flags & (O_NONBLOCK | O_DIRECTORY | O_PATH | O_EXCL)) == 0;
}

void OpenOperation::fill(io_uring_sqe& sqe) noexcept {
  io_uring_prep_openat(&sqe, fd_, path_.c_str(), flags_ | O_CLOEXEC, mode_);
}

CloseOperation::CloseOperation(int fd) noexcept : Operation("close", fd, never_would_block) {
  self_finishing_ = true;
  restarts_ = false;
}

void CloseOperation::fill(io_uring_sqe& sqe) noexcept { io_uring_prep_close(&sqe, fd_); }

bool CloseOperation::progress(std::int32_t result) noexcept {
  result_ = is_interruption(result) ? 0 : result;  // it is closed: trying again would close another's descriptor
  return true;
}

SyncOperation::SyncOperation(const char* call, FdRef fd, bool data_only) noexcept
    : Operation(call, fd, never_would_block), data_only_(data_only) {
  self_finishing_ = true;
}

void SyncOperation::fill(io_uring_sqe& sqe) noexcept {
  io_uring_prep_fsync(&sqe, fd_, data_only_ ? IORING_FSYNC_DATASYNC : 0U);
}

StatOperation::StatOperation(int dirfd, std::string path, int flags, unsigned mask)
    : Operation("statx", dirfd, std::move(path)), flags_(flags), mask_(mask), found_() {}

void StatOperation::fill(io_uring_sqe& sqe) noexcept {
  io_uring_prep_statx(&sqe, fd_, path_.c_str(), flags_, mask_, &found_);
}

struct ::statx StatOperation::await_resume() {
  take_value();
  return found_;
}

RenameOperation::RenameOperation(int from_dirfd, std::string from, int to_dirfd, std::string to, unsigned flags)
    : Operation("renameat", from_dirfd, std::move(from)),
      to_dirfd_(to_dirfd),
      to_(checked(std::move(to), call_)),
      flags_(flags) {}

void RenameOperation::fill(io_uring_sqe& sqe) noexcept {
  io_uring_prep_renameat(&sqe, fd_, path_.c_str(), to_dirfd_, to_.c_str(), flags_);
}

int RenameOperation::await_resume() {
  const std::int32_t result = take_result();
  if (result >= 0) return result;
  throw std::system_error(-result, std::system_category(), std::string(call_) + "(" + path_ + ", " + to_ + ")");
}

UnlinkOperation::UnlinkOperation(int dirfd, std::string path, int flags)
    : Operation("unlinkat", dirfd, std::move(path)), flags_(flags) {}

void UnlinkOperation::fill(io_uring_sqe& sqe) noexcept { io_uring_prep_unlinkat(&sqe, fd_, path_.c_str(), flags_); }

MakeDirectoryOperation::MakeDirectoryOperation(int dirfd, std::string path, ::mode_t mode)
    : Operation("mkdirat", dirfd, std::move(path)), mode_(mode) {}

void MakeDirectoryOperation::fill(io_uring_sqe& sqe) noexcept {
  io_uring_prep_mkdirat(&sqe, fd_, path_.c_str(), mode_);
}

}  // namespace coil::detail
