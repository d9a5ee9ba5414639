#pragma once
#include <sys/uio.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include <coil/detail/fd_operation.hpp>

namespace coil {

/// The other side ended before as much had come as was asked for.
class IncompleteReadError : public std::runtime_error {
public:
  IncompleteReadError(std::string partial, std::size_t expected);
  /// What arrived before the end.
  const std::string& partial() const noexcept { return partial_; }
  /// How many bytes were asked for.
  std::size_t expected() const noexcept { return expected_; }

private:
  std::string partial_;
  std::size_t expected_;
};

namespace detail {

/// One read(2) or pread(2).
class ReadOperation final : public Operation<ReadOperation, FdOperation> {
public:
  ReadOperation(FdRef fd, std::span<std::byte> buffer, std::uint64_t offset) noexcept;
  bool await_ready() const noexcept { return buffer_.empty(); }
  void start() noexcept;
  std::size_t await_resume() { return take_value(); }

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  std::span<std::byte> buffer_;
  std::uint64_t offset_;
};

/// One write(2) or pwrite(2).
class WriteOperation final : public Operation<WriteOperation, FdOperation> {
public:
  WriteOperation(FdRef fd, std::span<const std::byte> data, std::uint64_t offset) noexcept;
  bool await_ready() const noexcept { return data_.empty(); }
  void start() noexcept;
  std::size_t await_resume() { return take_value(); }

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  bool progress(std::int32_t result) noexcept override;
  std::span<const std::byte> data_;
  std::uint64_t offset_;
};

/// Reads until the buffer is full or the file ends.
class ReadExactlyOperation final : public Operation<ReadExactlyOperation, FdOperation> {
public:
  ReadExactlyOperation(FdRef fd, std::span<std::byte> buffer, std::uint64_t offset, std::size_t* progress) noexcept;
  bool await_ready() const noexcept { return buffer_.empty(); }
  void start() noexcept;
  std::size_t await_resume();

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  bool progress(std::int32_t result) noexcept override;
  std::span<std::byte> buffer_;
  std::uint64_t offset_;
  std::size_t done_ = 0;
  std::size_t* reported_;  // the caller's count, or null
};

/// Writes until everything is written.
class WriteAllOperation final : public Operation<WriteAllOperation, FdOperation> {
public:
  WriteAllOperation(FdRef fd, std::span<const std::byte> data, std::uint64_t offset, std::size_t* progress) noexcept;
  bool await_ready() const noexcept { return data_.empty(); }
  void start() noexcept;
  std::size_t await_resume();

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  bool progress(std::int32_t result) noexcept override;
  std::span<const std::byte> data_;
  std::uint64_t offset_;
  std::size_t done_ = 0;
  std::size_t* reported_;  // the caller's count, or null
};

/// One readv(2), preadv(2), writev(2) or pwritev(2).
class VectorOperation final : public Operation<VectorOperation, FdOperation> {
public:
  enum class Direction : unsigned char { read, write };
  VectorOperation(Direction direction, FdRef fd, std::span<const ::iovec> buffers, std::uint64_t offset) noexcept;
  bool await_ready() const noexcept;
  void start() noexcept;
  std::size_t await_resume() { return take_value(); }

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  bool progress(std::int32_t result) noexcept override;
  std::size_t total() const noexcept;
  Direction direction_;
  std::span<const ::iovec> buffers_;
  std::uint64_t offset_;
};

inline std::span<const std::byte> bytes_of(std::string_view text) noexcept {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

}  // namespace detail

// For all of these:
// Errors: `std::system_error` with the system call's errno; its text names the call and the descriptor.
// Cancellation: nothing was read or written, or the count is returned and the next wait throws.
// Lifetime: the buffers outlive the `co_await`.
// One that is not blocking is waited for all the same. Zero bytes return 0 at once. Writes to the same Fd, other than
// those at an offset, take turns in the order in which they were awaited: two writers are never mixed.

/// Reads up to `buffer.size()` bytes, as soon as there are any, from the file position. 0 is end of file.
[[nodiscard]] inline detail::ReadOperation read(FdRef fd, std::span<std::byte> buffer) noexcept {
  return {fd, buffer, detail::file_position};
}
/// The same from `offset`; the file position stays. On what cannot seek: ESPIPE.
[[nodiscard]] inline detail::ReadOperation read(FdRef fd, std::span<std::byte> buffer, std::uint64_t offset) noexcept {
  return {fd, buffer, offset};
}

/// Writes up to `data.size()` bytes at the file position. To a pipe without a reader: EPIPE.
[[nodiscard]] inline detail::WriteOperation write(FdRef fd, std::span<const std::byte> data) noexcept {
  return {fd, data, detail::file_position};
}
[[nodiscard]] inline detail::WriteOperation write(FdRef fd, std::string_view text) noexcept {
  return {fd, detail::bytes_of(text), detail::file_position};
}
/// The same at `offset`; the file position stays.
[[nodiscard]] inline detail::WriteOperation write(FdRef fd, std::span<const std::byte> data,
                                                  std::uint64_t offset) noexcept {
  return {fd, data, offset};
}
[[nodiscard]] inline detail::WriteOperation write(FdRef fd, std::string_view text, std::uint64_t offset) noexcept {
  return {fd, detail::bytes_of(text), offset};
}

/// Reads until `buffer` is full, and gives its size.
/// Errors: IncompleteReadError if the file ends before that.
/// Cancellation: what has arrived stands in `buffer`; `*progress`, if given, says how much.
[[nodiscard]] inline detail::ReadExactlyOperation read_exactly(FdRef fd, std::span<std::byte> buffer,
                                                               std::size_t* progress = nullptr) noexcept {
  return {fd, buffer, detail::file_position, progress};
}
template <std::integral Offset>  // so that a literal 0 is an offset and no pointer
[[nodiscard]] detail::ReadExactlyOperation read_exactly(FdRef fd, std::span<std::byte> buffer, Offset offset,
                                                        std::size_t* progress = nullptr) noexcept {
  return {fd, buffer, static_cast<std::uint64_t>(offset), progress};
}
/// Writes all of `data`, and gives its size.
/// Cancellation: a part may be written; `*progress`, if given, says how much.
[[nodiscard]] inline detail::WriteAllOperation write_all(FdRef fd, std::span<const std::byte> data,
                                                         std::size_t* progress = nullptr) noexcept {
  return {fd, data, detail::file_position, progress};
}
[[nodiscard]] inline detail::WriteAllOperation write_all(FdRef fd, std::string_view text,
                                                         std::size_t* progress = nullptr) noexcept {
  return {fd, detail::bytes_of(text), detail::file_position, progress};
}
template <std::integral Offset>
[[nodiscard]] detail::WriteAllOperation write_all(FdRef fd, std::span<const std::byte> data, Offset offset,
                                                  std::size_t* progress = nullptr) noexcept {
  return {fd, data, static_cast<std::uint64_t>(offset), progress};
}
template <std::integral Offset>
[[nodiscard]] detail::WriteAllOperation write_all(FdRef fd, std::string_view text, Offset offset,
                                                  std::size_t* progress = nullptr) noexcept {
  return {fd, detail::bytes_of(text), static_cast<std::uint64_t>(offset), progress};
}

/// Reads into several buffers, one after the other, with one call. At most 1024 of them.
/// Lifetime: `buffers` itself outlives the `co_await`, too.
[[nodiscard]] inline detail::VectorOperation readv(FdRef fd, std::span<const ::iovec> buffers,
                                                   std::uint64_t offset = detail::file_position) noexcept {
  return {detail::VectorOperation::Direction::read, fd, buffers, offset};
}
/// Writes several buffers, one after the other, with one call. At most 1024 of them.
[[nodiscard]] inline detail::VectorOperation writev(FdRef fd, std::span<const ::iovec> buffers,
                                                    std::uint64_t offset = detail::file_position) noexcept {
  return {detail::VectorOperation::Direction::write, fd, buffers, offset};
}

}  // namespace coil
