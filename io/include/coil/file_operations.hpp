#pragma once
#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>

#include <coil/detail/fd_operation.hpp>

namespace coil {

namespace detail {

/// Base of the operations on a path; keeps a copy of it.
class PathOperation : public FdOperation {
public:
  PathOperation(const char* call, int dirfd, std::string path);

protected:
  ~PathOperation() = default;
  std::size_t take_value();
  std::string path_;
};

class OpenOperation final : public Operation<OpenOperation, PathOperation> {
public:
  OpenOperation(int dirfd, std::string path, int flags, ::mode_t mode);
  int await_resume() { return static_cast<int>(take_value()); }

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  int flags_;
  ::mode_t mode_;
};

class CloseOperation final : public Operation<CloseOperation, FdOperation> {
public:
  explicit CloseOperation(int fd) noexcept;
  int await_resume() { return static_cast<int>(take_value()); }

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  bool progress(std::int32_t result) noexcept override;
};

class SyncOperation final : public Operation<SyncOperation, FdOperation> {
public:
  SyncOperation(const char* call, FdRef fd, bool data_only) noexcept;
  int await_resume() { return static_cast<int>(take_value()); }

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  bool data_only_;
};

class StatOperation final : public Operation<StatOperation, PathOperation> {
public:
  StatOperation(int dirfd, std::string path, int flags, unsigned mask);
  struct ::statx await_resume();

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  int flags_;
  unsigned mask_;
  struct ::statx found_;
};

class RenameOperation final : public Operation<RenameOperation, PathOperation> {
public:
  RenameOperation(int from_dirfd, std::string from, int to_dirfd, std::string to, unsigned flags);
  int await_resume();

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  int to_dirfd_;
  std::string to_;
  unsigned flags_;
};

class UnlinkOperation final : public Operation<UnlinkOperation, PathOperation> {
public:
  UnlinkOperation(int dirfd, std::string path, int flags);
  int await_resume() { return static_cast<int>(take_value()); }

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  int flags_;
};

class MakeDirectoryOperation final : public Operation<MakeDirectoryOperation, PathOperation> {
public:
  MakeDirectoryOperation(int dirfd, std::string path, ::mode_t mode);
  int await_resume() { return static_cast<int>(take_value()); }

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  ::mode_t mode_;
};

}  // namespace detail

// For all of these:
// What the system call returns is given: 0, where there is nothing else.
// Errors: `std::system_error` with the system call's errno; its text names the call and the path or descriptor.
//   `std::invalid_argument` at the call for a path with a NUL byte in it.
// Cancellation: it did nothing, or its result is returned and the next wait throws.

/// Opens `path`, relative to the directory `dirfd` or AT_FDCWD; O_CLOEXEC is added. The caller closes the
/// descriptor. Opening a FIFO waits for the other side, unless O_NONBLOCK is given.
[[nodiscard]] inline detail::OpenOperation openat(int dirfd, std::string path, int flags, ::mode_t mode = 0) {
  return {dirfd, std::move(path), flags, mode};
}
/// Closes `fd`. Nothing else may use it meanwhile; operations on it are to be cancelled before.
/// Errors: those of what was written before, as EIO or ENOSPC; the descriptor is closed all the same.
/// Cancellation: `fd` is still open.
[[nodiscard]] inline detail::CloseOperation close(int fd) noexcept { return detail::CloseOperation(fd); }
/// Waits until what was written to `fd` is on the disk.
[[nodiscard]] inline detail::SyncOperation fsync(FdRef fd) noexcept { return {"fsync", fd, false}; }
/// The same without times and other metadata that reading does not need.
[[nodiscard]] inline detail::SyncOperation fdatasync(FdRef fd) noexcept { return {"fdatasync", fd, true}; }
/// What is known of `path`, see statx(2). With AT_EMPTY_PATH and an empty path: of `dirfd` itself.
[[nodiscard]] inline detail::StatOperation statx(int dirfd, std::string path, int flags, unsigned mask) {
  return {dirfd, std::move(path), flags, mask};
}
/// Renames a file; what stands at `to` is replaced in one step. `flags` as in renameat2(2).
[[nodiscard]] inline detail::RenameOperation renameat(int from_dirfd, std::string from, int to_dirfd, std::string to,
                                                      unsigned flags = 0) {
  return {from_dirfd, std::move(from), to_dirfd, std::move(to), flags};
}
/// Removes a name, or with AT_REMOVEDIR an empty directory.
[[nodiscard]] inline detail::UnlinkOperation unlinkat(int dirfd, std::string path, int flags = 0) {
  return {dirfd, std::move(path), flags};
}
[[nodiscard]] inline detail::MakeDirectoryOperation mkdirat(int dirfd, std::string path, ::mode_t mode) {
  return {dirfd, std::move(path), mode};
}

}  // namespace coil
