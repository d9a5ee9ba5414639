#pragma once
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <coil/detail/fd_operation.hpp>
#include <coil/detail/owned_fd.hpp>
#include <coil/message_pipe.hpp>

namespace coil::detail {

/// Stands before each record of a MessagePipe. A message is sent as one record or several.
struct RecordHeader {
  enum class Mark : std::uint32_t { begins = 0x434f4931, goes_on = 0x434f4932 };
  Mark mark;
  std::uint32_t descriptors;  // that came with it, with the first one only
  std::uint64_t message_size;
};
inline constexpr std::size_t record_payload_max = std::size_t{64} << 10;

/// One record for sendmsg(2) or recvmsg(2), in the ring or not. Refers to its header and payload.
class Record {
public:
  Record(RecordHeader& header, std::span<const std::byte> payload) noexcept;
  Record(RecordHeader& header, std::span<std::byte> room) noexcept;

  /// Sends copies of them with it; at most `MessagePipe::descriptors_max`.
  void add(std::span<const int> descriptors) noexcept;
  /// Those that were received.
  std::vector<OwnedFd> take_descriptors();
  /// For the system call. Points into this.
  msghdr& message() noexcept;

private:
  ::iovec parts_[2];
  std::size_t control_size_;
  msghdr message_{};
  alignas(cmsghdr) std::byte control_[CMSG_SPACE(sizeof(int) * MessagePipe::descriptors_max)];
};

/// One sendmsg(2).
class SendRecordOperation final : public Operation<SendRecordOperation, FdOperation> {
public:
  SendRecordOperation(int fd, Record& record) noexcept;
  void await_resume() { take_value(); }

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  bool progress(std::int32_t result) noexcept override;
  Record& record_;
};

/// One recvmsg(2); 0 when the other side is gone.
class ReceiveRecordOperation final : public Operation<ReceiveRecordOperation, FdOperation> {
public:
  ReceiveRecordOperation(int fd, Record& record) noexcept;
  std::size_t await_resume() { return take_value(); }

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  bool progress(std::int32_t result) noexcept override;
  Record& record_;
};

}  // namespace coil::detail
