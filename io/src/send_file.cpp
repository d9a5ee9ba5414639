#include "send_file.hpp"

#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

namespace coil::detail {

namespace {

constexpr std::size_t piece_max = std::size_t{128} << 10;    // larger ones are no faster
constexpr std::size_t at_once_max = std::size_t{512} << 10;  // without a look at the other tasks

/// Whether both ends of a part of a file can be read without waiting. What is in between is taken to be so, too.
bool is_cached(int file, std::uint64_t first, std::size_t size) noexcept {
  char byte;
  const ::iovec one{&byte, 1};
  const auto at_hand = [&](std::uint64_t at) {
    return ::preadv2(file, &one, 1, static_cast<off_t>(at), RWF_NOWAIT) >= 0;
  };
  return at_hand(first) && at_hand(first + size - 1);
}

/// A socket that does not wait, for as long as this lives: sendfile(2) has no flag for that.
class NonBlocking {
public:
  explicit NonBlocking(int socket) noexcept : socket_(socket), flags_(::fcntl(socket, F_GETFL)) {
    if ((flags_ & O_NONBLOCK) == 0) ::fcntl(socket_, F_SETFL, flags_ | O_NONBLOCK);
  }
  NonBlocking(const NonBlocking&) = delete;
  NonBlocking& operator=(const NonBlocking&) = delete;
  ~NonBlocking() {
    if ((flags_ & O_NONBLOCK) == 0) ::fcntl(socket_, F_SETFL, flags_);
  }

private:
  int socket_;
  int flags_;
};

}  // namespace

SendFileOperation::SendFileOperation(FdRef out, FdRef in, std::uint64_t offset, std::size_t count,
                                     std::size_t& progress) noexcept
    : Operation("sendfile", out, POLLOUT),
      in_(in.number()),
      in_held_(in.state()),
      offset_(offset),
      count_(count),
      sent_(progress) {
  takes_turns_ = true;
}

void SendFileOperation::fill(io_uring_sqe& sqe) noexcept {
  switch (step_) {
    case Step::wait_for_room:
      io_uring_prep_poll_add(&sqe, fd_, POLLOUT);
      break;
    case Step::read:
      io_uring_prep_read(&sqe, in_, buffer_.get(), static_cast<unsigned>(std::min(count_ - sent_, piece_max)),
                         position());
      break;
    case Step::send:
      io_uring_prep_send(&sqe, fd_, piece_.data(), piece_.size(), MSG_WAITALL | MSG_NOSIGNAL);
      break;
  }
}

// The file stays open while the kernel reads it, not while it waits for the peer.
void SendFileOperation::enter(Step step) noexcept {
  step_ = step;
  self_finishing_ = step == Step::read;
  if (!in_held_ || step != Step::read) return;
  in_held_->pin();
  pinned_ = true;
}

void SendFileOperation::let_go() noexcept {
  if (std::exchange(pinned_, false)) in_held_->unpin();
}

void SendFileOperation::wake(FutureState* source) noexcept {
  let_go();
  FdOperation::wake(source);
}

Abort SendFileOperation::abort() noexcept {
  const Abort found = FdOperation::abort();
  if (found == Abort::gone) let_go();
  return found;
}

bool SendFileOperation::progress(std::int32_t result) noexcept {
  const bool was_read = step_ == Step::read;
  if (result > 0 && was_read) piece_ = {buffer_.get(), static_cast<std::size_t>(result)};
  let_go();
  if (result < 0 || (result == 0 && was_read)) return end(-result);
  if (step_ == Step::send) {
    sent_ += static_cast<std::size_t>(result);
    piece_ = piece_.subspan(static_cast<std::size_t>(result));
  }
  return go_on();
}

bool SendFileOperation::go_on() noexcept {
  if (sent_ == count_) return end(0);
  if (!piece_.empty()) {
    enter(Step::send);
    return false;
  }
  const int in = in_number();
  if (in < 0) return end(EBADF);
  const std::size_t size = std::min(count_ - sent_, at_once_max);
  return !must_copy_ && is_cached(in, position(), size) ? send_from_cache(in, size) : read_piece();
}

bool SendFileOperation::send_from_cache(int in, std::size_t size) noexcept {
  const NonBlocking now(fd_);
  auto at = static_cast<off_t>(position());
  ::ssize_t sent = 0;
  do sent = ::sendfile(fd_, in, &at, size);
  while (sent < 0 && errno == EINTR);
  if (sent == 0) return end(0);
  if (sent < 0 && (errno == EINVAL || errno == ENOSYS)) {
    must_copy_ = true;
    return read_piece();
  }
  if (sent < 0 && errno != EAGAIN) return end(errno);
  if (sent > 0) sent_ += static_cast<std::size_t>(sent);
  if (sent_ == count_) return end(0);
  enter(Step::wait_for_room);
  return false;
}

bool SendFileOperation::read_piece() noexcept {
  if (!buffer_) buffer_.reset(new (std::nothrow) std::byte[piece_max]);
  if (!buffer_) return end(ENOMEM);
  enter(Step::read);
  return false;
}

bool SendFileOperation::end(int error) noexcept {
  result_ = -error;
  return true;
}

}  // namespace coil::detail
