#include "short_transfer.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace coil::detail {

namespace {

bool is_of_stream(int fd) noexcept {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type == SOCK_STREAM;
}

}  // namespace

void ShortTransfer::apply(io_uring_sqe& sqe, std::size_t most, std::size_t less) {
  const auto shorter = [&](std::size_t size) {
    return std::max<std::size_t>(std::min(most, size - std::min(less, size)), 1);
  };
  const auto shorten = [&](std::size_t size) { return static_cast<unsigned>(shorter(size)); };
  switch (sqe.opcode) {
    case IORING_OP_RECV:
    case IORING_OP_SEND:
      if (!is_of_stream(sqe.fd)) return;
      // A buffer that the kernel chooses has its own size, which 0 stands for.
      if ((sqe.flags & IOSQE_BUFFER_SELECT) != 0 && sqe.len == 0)
        sqe.len = most == SIZE_MAX ? 0 : static_cast<unsigned>(most);
      else
        sqe.len = shorten(sqe.len);
      return;
    case IORING_OP_READ:
    case IORING_OP_WRITE:
    case IORING_OP_SPLICE:
      sqe.len = shorten(sqe.len);
      return;
    case IORING_OP_READV:
    case IORING_OP_WRITEV: {
      const auto* pieces = reinterpret_cast<const ::iovec*>(sqe.addr);
      std::size_t size = 0;
      for (unsigned i = 0; i < sqe.len; ++i) size += pieces[i].iov_len;
      shorten_pieces(pieces, sqe.len, shorter(size));
      sqe.addr = reinterpret_cast<std::uintptr_t>(pieces_.data());
      sqe.len = static_cast<unsigned>(pieces_.size());
      return;
    }
    case IORING_OP_RECVMSG:
    case IORING_OP_SENDMSG: {
      if (!is_of_stream(sqe.fd)) return;
      original_ = reinterpret_cast<::msghdr*>(sqe.addr);
      message_ = *original_;
      std::size_t size = 0;
      for (std::size_t i = 0; i < message_.msg_iovlen; ++i) size += message_.msg_iov[i].iov_len;
      shorten_pieces(message_.msg_iov, message_.msg_iovlen, shorter(size));
      message_.msg_iov = pieces_.data();
      message_.msg_iovlen = pieces_.size();
      sqe.addr = reinterpret_cast<std::uintptr_t>(&message_);
      return;
    }
    default:
      return;
  }
}

void ShortTransfer::shorten_pieces(const ::iovec* pieces, std::size_t count, std::size_t size) {
  pieces_.clear();
  for (std::size_t i = 0; i < count && size != 0; ++i) {
    pieces_.push_back({pieces[i].iov_base, std::min(pieces[i].iov_len, size)});
    size -= pieces_.back().iov_len;
  }
}

void ShortTransfer::finish() noexcept {
  if (::msghdr* original = std::exchange(original_, nullptr)) {
    original->msg_namelen = message_.msg_namelen;
    original->msg_controllen = message_.msg_controllen;
    original->msg_flags = message_.msg_flags;
  }
}

}  // namespace coil::detail
