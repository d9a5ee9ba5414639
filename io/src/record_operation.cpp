#include "record_operation.hpp"

#include <liburing.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace coil::detail {

Record::Record(RecordHeader& header, std::span<const std::byte> payload) noexcept
    : parts_{{&header, sizeof header}, {const_cast<std::byte*>(payload.data()), payload.size()}}, control_size_(0) {}

Record::Record(RecordHeader& header, std::span<std::byte> room) noexcept
    : parts_{{&header, sizeof header}, {room.data(), room.size()}}, control_size_(sizeof control_) {}

void Record::add(std::span<const int> descriptors) noexcept {
  if (descriptors.empty()) return;
  cmsghdr head{};
  head.cmsg_level = SOL_SOCKET;
  head.cmsg_type = SCM_RIGHTS;
  head.cmsg_len = CMSG_LEN(descriptors.size_bytes());
  control_size_ = CMSG_SPACE(descriptors.size_bytes());
  std::memset(control_, 0, control_size_);
  std::memcpy(control_, &head, sizeof head);
  std::memcpy(control_ + CMSG_LEN(0), descriptors.data(), descriptors.size_bytes());
}

msghdr& Record::message() noexcept {
  message_ = {};
  message_.msg_iov = parts_;
  message_.msg_iovlen = 2;
  if (control_size_ != 0) {
    message_.msg_control = control_;
    message_.msg_controllen = control_size_;
  }
  return message_;
}

std::vector<OwnedFd> Record::take_descriptors() {
  std::vector<OwnedFd> taken;
  taken.reserve(MessagePipe::descriptors_max);
  for (cmsghdr* head = CMSG_FIRSTHDR(&message_); head != nullptr; head = CMSG_NXTHDR(&message_, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(head) + i * sizeof fd, sizeof fd);
      taken.emplace_back(fd);
    }
  }
  return taken;
}

SendRecordOperation::SendRecordOperation(int fd, Record& record) noexcept
    : Operation("sendmsg", fd, POLLOUT), record_(record) {}

void SendRecordOperation::fill(io_uring_sqe& sqe) noexcept {
  io_uring_prep_sendmsg(&sqe, fd_, &record_.message(), MSG_NOSIGNAL);
}

// That the other side closed before it had received everything is told once. The next answer is EPIPE.
bool SendRecordOperation::progress(std::int32_t result) noexcept {
  return result != -ECONNRESET && FdOperation::progress(result);
}

ReceiveRecordOperation::ReceiveRecordOperation(int fd, Record& record) noexcept
    : Operation("recvmsg", fd, POLLIN), record_(record) {}

void ReceiveRecordOperation::fill(io_uring_sqe& sqe) noexcept {
  io_uring_prep_recvmsg(&sqe, fd_, &record_.message(), MSG_CMSG_CLOEXEC);
}

// As above, ahead of what the other side had sent.
bool ReceiveRecordOperation::progress(std::int32_t result) noexcept {
  return result != -ECONNRESET && FdOperation::progress(result);
}

}  // namespace coil::detail
