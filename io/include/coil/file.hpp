#pragma once
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <coil/coro.hpp>
#include <coil/descriptor.hpp>
#include <coil/fd.hpp>
#include <coil/file_operations.hpp>

namespace coil {

namespace detail {

/// A number that was there at once, and may be awaited all the same.
class FilePosition {
public:
  explicit FilePosition(std::uint64_t position) noexcept : position_(position) {}
  operator std::uint64_t() const noexcept { return position_; }
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  std::uint64_t await_resume() const noexcept { return position_; }

private:
  std::uint64_t position_;
};

class TruncateOperation final : public Operation<TruncateOperation, FdOperation> {
public:
  TruncateOperation(FdRef fd, std::uint64_t size) noexcept;
  void start() noexcept;
  int await_resume() { return static_cast<int>(take_value()); }

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  std::uint64_t size_;
};

class FileSizeOperation final : public Operation<FileSizeOperation, FdOperation> {
public:
  explicit FileSizeOperation(FdRef fd) noexcept;
  std::uint64_t await_resume();

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  struct ::statx found_;
};

}  // namespace detail

/// An open file, closed at its end.
///
/// Reading and writing use the file position and move it; `read_at` and `write_at` do neither, and any number of them
/// may be under way at once. Writes at the position take turns.
/// Errors: `std::system_error` with the system call's errno.
/// Cancellation: of one read or write: nothing was done, or the count is returned and the next wait throws.
/// Threads: loop thread.
class File {
public:
  File() noexcept = default;
  /// Takes over a descriptor.
  explicit File(Fd fd) noexcept : fd_(std::move(fd)) {}

  /// Opens `path` with the flags of open(2): O_RDONLY, O_WRONLY | O_CREAT | O_TRUNC, …
  /// Errors: `std::system_error` that names the path.
  /// Cancellation: the file is not open, or it is returned.
  [[nodiscard]] static Coro<File> open(std::string path, int flags = 0, ::mode_t mode = 0666);

  /// Reads up to `buffer.size()` bytes. 0 is the end of the file.
  [[nodiscard]] detail::ReadOperation read(std::span<std::byte> buffer) noexcept { return coil::read(fd_, buffer); }
  [[nodiscard]] detail::ReadOperation read_at(std::span<std::byte> buffer, std::uint64_t offset) noexcept {
    return coil::read(fd_, buffer, offset);
  }
  /// As `coil::read_exactly`.
  [[nodiscard]] detail::ReadExactlyOperation read_exactly(std::span<std::byte> buffer,
                                                          std::size_t* progress = nullptr) noexcept {
    return coil::read_exactly(fd_, buffer, progress);
  }
  /// Writes up to `data.size()` bytes.
  [[nodiscard]] detail::WriteOperation write(std::span<const std::byte> data) noexcept {
    return coil::write(fd_, data);
  }
  [[nodiscard]] detail::WriteOperation write(std::string_view text) noexcept { return coil::write(fd_, text); }
  [[nodiscard]] detail::WriteOperation write_at(std::span<const std::byte> data, std::uint64_t offset) noexcept {
    return coil::write(fd_, data, offset);
  }
  [[nodiscard]] detail::WriteOperation write_at(std::string_view text, std::uint64_t offset) noexcept {
    return coil::write(fd_, text, offset);
  }
  /// As `coil::write_all`.
  [[nodiscard]] detail::WriteAllOperation write_all(std::span<const std::byte> data,
                                                    std::size_t* progress = nullptr) noexcept {
    return coil::write_all(fd_, data, progress);
  }
  [[nodiscard]] detail::WriteAllOperation write_all(std::string_view text, std::size_t* progress = nullptr) noexcept {
    return coil::write_all(fd_, text, progress);
  }

  /// Moves the file position, `whence` as in lseek(2), and gives it. Does not wait; it may be awaited all the same.
  detail::FilePosition seek(std::int64_t offset, int whence = 0);
  /// In bytes.
  [[nodiscard]] detail::FileSizeOperation size() noexcept { return detail::FileSizeOperation(fd_); }
  /// Cuts the file off at `size`, or fills it up with zeros to that.
  [[nodiscard]] detail::TruncateOperation truncate(std::uint64_t size) noexcept { return {fd_, size}; }
  /// Waits until what was written is on the disk.
  [[nodiscard]] detail::SyncOperation fsync() noexcept { return coil::fsync(fd_); }
  [[nodiscard]] detail::SyncOperation fdatasync() noexcept { return coil::fdatasync(fd_); }

  /// Ends what other tasks wait for here, and closes, without the loop waiting for the disk, as the destructor does.
  /// Errors: those of what was written before, as EIO or ENOSPC; the file is closed all the same.
  [[nodiscard]] Fd::CloseOperation close() noexcept { return fd_.close_file(); }
  bool is_open() const noexcept { return static_cast<bool>(fd_); }
  /// -1 once closed.
  int fd() const noexcept { return fd_.number(); }
  /// For operations that have no member here; it stays the file's.
  const Fd& descriptor() const noexcept { return fd_; }

private:
  Fd fd_;
};

/// The whole content of a file, up to its end: of one that has no size, as a FIFO, too.
/// Errors: `std::system_error` that names the path or the descriptor; EFBIG for more than `size_max` bytes.
[[nodiscard]] Coro<std::string> read_file(std::string path, std::size_t size_max = SIZE_MAX);
/// Makes `data` the whole content of a file, which is made if need be. `data` is copied at the call.
/// Errors: `std::system_error`; the file may hold a part of `data` then.
[[nodiscard]] Coro<void> write_file(std::string path, std::string_view data, ::mode_t mode = 0666);
/// The same for bytes that outlive the `co_await`.
[[nodiscard]] Coro<void> write_file(std::string path, std::span<const std::byte> data, ::mode_t mode = 0666);

}  // namespace coil
