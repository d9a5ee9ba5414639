#include <coil/descriptor.hpp>

#include <liburing.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace coil {

IncompleteReadError::IncompleteReadError(std::string partial, std::size_t expected)
    : std::runtime_error(std::to_string(partial.size()) + " bytes read of a total of " + std::to_string(expected) +
                         " expected bytes before the end"),
      partial_(std::move(partial)),
      expected_(expected) {}

namespace detail {

namespace {

constexpr std::size_t transfer_max = 0x7ffff000;  // of one call, see read(2)

unsigned clamp(std::size_t size) noexcept { return static_cast<unsigned>(std::min(size, transfer_max)); }
std::uint64_t advance_offset(std::uint64_t offset, std::size_t done) noexcept {
  return offset == file_position ? file_position : offset + done;
}

}  // namespace

ReadOperation::ReadOperation(FdRef fd, std::span<std::byte> buffer, std::uint64_t offset) noexcept
    : Operation("read", fd, POLLIN), buffer_(buffer), offset_(offset) {}

void ReadOperation::start() noexcept {
  if (!check_offset(offset_)) return;
  plan_transfer(buffer_.size(), Transfer::read);
  submit();
}

void ReadOperation::fill(io_uring_sqe& sqe) noexcept {
  io_uring_prep_read(&sqe, fd_, buffer_.data(), clamp(buffer_.size()), offset_);
}

WriteOperation::WriteOperation(FdRef fd, std::span<const std::byte> data, std::uint64_t offset) noexcept
    : Operation("write", fd, POLLOUT), data_(data), offset_(offset) {
  takes_turns_ = offset == file_position;
}

void WriteOperation::start() noexcept {
  if (!check_offset(offset_)) return;
  plan_transfer(data_.size(), Transfer::write);
  submit();
}

void WriteOperation::fill(io_uring_sqe& sqe) noexcept {
  io_uring_prep_write(&sqe, fd_, data_.data(), clamp(data_.size()), offset_);
}

bool WriteOperation::progress(std::int32_t result) noexcept {
  if (offset_ == file_position) repair_position(result, data_.size());
  return FdOperation::progress(result);
}

// ---- Until all is done -----------------------------------------------------------------------------------

ReadExactlyOperation::ReadExactlyOperation(FdRef fd, std::span<std::byte> buffer, std::uint64_t offset,
                                           std::size_t* progress) noexcept
    : Operation("read", fd, POLLIN), buffer_(buffer), offset_(offset), reported_(progress) {}

void ReadExactlyOperation::start() noexcept {
  done_ = 0;
  if (reported_ != nullptr) *reported_ = 0;
  if (!check_offset(offset_)) return;
  plan_transfer(buffer_.size(), Transfer::read);
  submit();
}

void ReadExactlyOperation::fill(io_uring_sqe& sqe) noexcept {
  const std::span<std::byte> rest = buffer_.subspan(done_);
  io_uring_prep_read(&sqe, fd_, rest.data(), clamp(rest.size()), advance_offset(offset_, done_));
}

bool ReadExactlyOperation::progress(std::int32_t result) noexcept {
  result_ = result;
  if (result <= 0) return true;
  done_ += static_cast<std::size_t>(result);
  if (reported_ != nullptr) *reported_ = done_;
  return done_ == buffer_.size();
}

std::size_t ReadExactlyOperation::await_resume() {
  if (take_value() != 0 || done_ == buffer_.size()) return buffer_.size();
  throw IncompleteReadError(std::string(reinterpret_cast<const char*>(buffer_.data()), done_), buffer_.size());
}

WriteAllOperation::WriteAllOperation(FdRef fd, std::span<const std::byte> data, std::uint64_t offset,
                                     std::size_t* progress) noexcept
    : Operation("write", fd, POLLOUT), data_(data), offset_(offset), reported_(progress) {
  takes_turns_ = offset == file_position;
}

void WriteAllOperation::start() noexcept {
  done_ = 0;
  if (reported_ != nullptr) *reported_ = 0;
  if (!check_offset(offset_)) return;
  plan_transfer(data_.size(), Transfer::write);
  submit();
}

void WriteAllOperation::fill(io_uring_sqe& sqe) noexcept {
  const std::span<const std::byte> rest = data_.subspan(done_);
  io_uring_prep_write(&sqe, fd_, rest.data(), clamp(rest.size()), advance_offset(offset_, done_));
}

bool WriteAllOperation::progress(std::int32_t result) noexcept {
  if (offset_ == file_position) repair_position(result, data_.size() - done_);
  result_ = result == 0 ? -EIO : result;  // a device that takes nothing would be asked for ever
  if (result <= 0) return true;
  done_ += static_cast<std::size_t>(result);
  if (reported_ != nullptr) *reported_ = done_;
  return done_ == data_.size();
}

std::size_t WriteAllOperation::await_resume() {
  take_value();
  return data_.size();
}

// ---- Several buffers -------------------------------------------------------------------------------------

VectorOperation::VectorOperation(Direction direction, FdRef fd, std::span<const ::iovec> buffers,
                                 std::uint64_t offset) noexcept
    : Operation(direction == Direction::read ? "readv" : "writev", fd, direction == Direction::read ? POLLIN : POLLOUT),
      direction_(direction),
      buffers_(buffers),
      offset_(offset) {
  takes_turns_ = direction == Direction::write && offset == file_position;
}

void VectorOperation::start() noexcept {
  if (!check_offset(offset_)) return;
  plan_transfer(total(), direction_ == Direction::read ? Transfer::read : Transfer::write);
  submit();
}

bool VectorOperation::await_ready() const noexcept {
  for (const ::iovec& buffer : buffers_)
    if (buffer.iov_len != 0) return false;
  return true;
}

// Enough to see whether it is much; a sum that overflows is refused by the kernel.
std::size_t VectorOperation::total() const noexcept {
  std::size_t total = 0;
  for (const ::iovec& buffer : buffers_) total += std::min(buffer.iov_len, transfer_max);
  return total;
}

bool VectorOperation::progress(std::int32_t result) noexcept {
  if (offset_ == file_position && direction_ == Direction::write) repair_position(result, total());
  return FdOperation::progress(result);
}

void VectorOperation::fill(io_uring_sqe& sqe) noexcept {
  const auto count = static_cast<unsigned>(std::min<std::size_t>(buffers_.size(), UINT32_MAX));
  if (direction_ == Direction::read)
    io_uring_prep_readv(&sqe, fd_, buffers_.data(), count, offset_);
  else
    io_uring_prep_writev(&sqe, fd_, buffers_.data(), count, offset_);
}

}  // namespace detail
}  // namespace coil
