#include <coil/file.hpp>

#include <fcntl.h>
#include <liburing.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <system_error>

#include <coil/detail/loop_core.hpp>

#include "loop_parts.hpp"

namespace coil {

namespace {

constexpr std::size_t piece_max = std::size_t{256} << 10;  // read at once: does not keep the loop for long
constexpr std::size_t piece_min = 4096;
constexpr unsigned op_ftruncate = 55;  // IORING_OP_FTRUNCATE, Linux 6.9

}  // namespace

Coro<File> File::open(std::string path, int flags, ::mode_t mode) {
  const int fd = co_await coil::openat(AT_FDCWD, std::move(path), flags, mode);
  co_return File(Fd(fd));
}

detail::FilePosition File::seek(std::int64_t offset, int whence) {
  const off_t position = ::lseek(fd_.number(), offset, whence);
  if (position < 0)
    throw std::system_error(errno, std::system_category(), "seek(fd " + std::to_string(fd_.number()) + ")");
  return detail::FilePosition(static_cast<std::uint64_t>(position));
}

Coro<std::string> read_file(std::string path, std::size_t size_max) {
  File file = co_await File::open(path, O_RDONLY);
  const std::uint64_t expected = co_await file.size();
  std::string content;
  content.reserve(std::min<std::uint64_t>(expected, size_max));
  // One byte more than a file of this size has, so that its end is seen by the same read.
  std::size_t piece = std::clamp<std::uint64_t>(expected + 1, piece_min, piece_max);
  for (;;) {
    const std::size_t before = content.size();
    content.resize(before + piece);
    const std::span<char> room = std::span(content).subspan(before);
    const std::size_t size = co_await file.read(std::as_writable_bytes(room));
    content.resize(before + size);
    if (content.size() > size_max) throw std::system_error(EFBIG, std::system_category(), "read_file(" + path + ")");
    if (size == 0 || (content.size() == expected && size < piece)) break;
    piece = piece_max;
  }
  co_await file.close();
  co_return content;
}

Coro<void> write_file(std::string path, std::span<const std::byte> data, ::mode_t mode) {
  File file = co_await File::open(std::move(path), O_WRONLY | O_CREAT | O_TRUNC, mode);
  co_await file.write_all(data);
  co_await file.close();
}

namespace {

Coro<void> write_kept(std::string path, std::string data, ::mode_t mode) {
  Coro<void> writing = write_file(std::move(path), std::as_bytes(std::span<const char>(data)), mode);
  co_await std::move(writing);
}

}  // namespace

Coro<void> write_file(std::string path, std::string_view data, ::mode_t mode) {
  return write_kept(std::move(path), std::string(data), mode);
}

namespace detail {

TruncateOperation::TruncateOperation(FdRef fd, std::uint64_t size) noexcept
    : Operation("truncate", fd, 0), size_(size) {
  self_finishing_ = true;
}

void TruncateOperation::start() noexcept {
  if (size_ > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) return fail(EFBIG);
  if (parts_of(*this_loop).ring->supports(op_ftruncate)) return submit();
  fail(::ftruncate(fd_, static_cast<off_t>(size_)) == 0 ? 0 : errno);
}

void TruncateOperation::fill(io_uring_sqe& sqe) noexcept {
  io_uring_prep_rw(static_cast<int>(op_ftruncate), &sqe, fd_, nullptr, 0, size_);
}

FileSizeOperation::FileSizeOperation(FdRef fd) noexcept : Operation("size", fd, 0), found_() { self_finishing_ = true; }

void FileSizeOperation::fill(io_uring_sqe& sqe) noexcept {
  io_uring_prep_statx(&sqe, fd_, "", AT_EMPTY_PATH, STATX_SIZE, &found_);
}

std::uint64_t FileSizeOperation::await_resume() {
  take_value();
  return found_.stx_size;
}

}  // namespace detail
}  // namespace coil
