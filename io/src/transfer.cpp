#include <coil/transfer.hpp>

#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include <coil/descriptor.hpp>
#include <coil/poll.hpp>

#include "send_file.hpp"

namespace coil::detail {

namespace {

constexpr std::size_t piece_max = std::size_t{128} << 10;  // larger ones are no faster
constexpr std::size_t splice_max = 0x7ffff000;             // of one call, see read(2)

bool is_socket(int fd) noexcept {
  struct stat found{};
  return ::fstat(fd, &found) == 0 && S_ISSOCK(found.st_mode);
}

/// Where a file is read from, and its file position at the end if that is to follow what was read.
class ReadPosition {
public:
  ReadPosition(const KeptFd& file, std::optional<std::uint64_t> offset, const std::size_t& count)
      : file_(file), follows_(!offset), count_(count) {
    const off_t now = ::lseek(file.number(), 0, SEEK_CUR);
    if (now < 0) throw std::system_error(errno, std::system_category(), "sendfile");
    begin_ = offset ? *offset : static_cast<std::uint64_t>(now);
  }
  ReadPosition(const ReadPosition&) = delete;
  ReadPosition& operator=(const ReadPosition&) = delete;
  ~ReadPosition() {
    if (follows_) ::lseek(file_.number(), static_cast<off_t>(begin_ + count_), SEEK_SET);
  }
  std::uint64_t begin() const noexcept { return begin_; }

private:
  const KeptFd& file_;
  bool follows_;
  const std::size_t& count_;
  std::uint64_t begin_;
};

}  // namespace

// ---- splice ----------------------------------------------------------------------------------------------

SpliceOperation::SpliceOperation(FdRef in, std::int64_t in_offset, FdRef out, std::int64_t out_offset,
                                 std::size_t count, unsigned flags) noexcept
    : Operation("splice", out, 0),
      in_(in.number()),
      in_held_(in.state()),
      in_offset_(in_offset),
      out_offset_(out_offset),
      count_(count),
      flags_(flags) {
  self_finishing_ = true;
}

void SpliceOperation::start() noexcept {
  if (in_held_) {
    if (in_held_->closing) return fail(EBADF);
    in_held_->pin();
    pinned_ = true;
  }
  submit();
}

void SpliceOperation::fill(io_uring_sqe& sqe) noexcept {
  const auto count = static_cast<unsigned>(std::min(count_, splice_max));
  io_uring_prep_splice(&sqe, in_, in_offset_, fd_, out_offset_, count, flags_ | SPLICE_F_NONBLOCK);
}

void SpliceOperation::let_go() noexcept {
  if (std::exchange(pinned_, false)) in_held_->unpin();
}

void SpliceOperation::wake(FutureState* source) noexcept {
  let_go();
  FdOperation::wake(source);
}

Abort SpliceOperation::abort() noexcept {
  const Abort found = FdOperation::abort();
  if (found == Abort::gone) let_go();
  return found;
}

std::optional<std::size_t> SpliceOperation::await_resume() {
  let_go();  // where it failed before it began
  const std::int32_t result = take_result();
  if (result == -EAGAIN) return std::nullopt;
  if (result < 0) throw_error(-result);
  return static_cast<std::size_t>(result);
}

// The ring would let a thread of the kernel wait in splice(2), one for each that is under way.
Coro<std::size_t> splice_kept(KeptFd in, std::int64_t in_offset, KeptFd out, std::int64_t out_offset, std::size_t count,
                              unsigned flags) {
  if (count == 0) co_return count;
  for (;;) {
    const std::optional<std::size_t> moved = co_await SpliceOperation(in, in_offset, out, out_offset, count, flags);
    if (moved) co_return *moved;
    if ((flags & SPLICE_F_NONBLOCK) != 0) throw std::system_error(EAGAIN, std::system_category(), "splice");
    co_await poll(in, POLLIN);
    co_await poll(out, POLLOUT);
  }
}

// ---- sendfile --------------------------------------------------------------------------------------------

namespace {

/// Through memory, for what is no socket.
Coro<void> copy_to(KeptFd out, KeptFd in, std::uint64_t offset, std::size_t count, std::size_t& total) {
  std::vector<std::byte> buffer(std::min(count, piece_max));
  while (total < count) {
    const std::span<std::byte> room = std::span(buffer).first(std::min(count - total, buffer.size()));
    const std::size_t size = co_await read(in, room, offset + total);
    if (size == 0) break;
    std::size_t written = 0;
    std::exception_ptr error;
    try {
      co_await write_all(out, room.first(size), &written);
    } catch (...) {
      error = std::current_exception();
    }
    total += written;
    if (error) std::rethrow_exception(std::move(error));
  }
}

}  // namespace

Coro<std::size_t> send_file(KeptFd out, KeptFd in, std::optional<std::uint64_t> offset, std::size_t count,
                            std::size_t* progress) {
  std::size_t own_count = 0;
  std::size_t& total = progress == nullptr ? own_count : *progress;
  total = 0;
  const ReadPosition position(in, offset, total);
  if (is_socket(out.number()))
    co_await SendFileOperation(out, in, position.begin(), count, total);
  else
    co_await copy_to(out, in, position.begin(), count, total);
  co_return total;
}

}  // namespace coil::detail
