#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <coil/descriptor.hpp>
#include <coil/detail/fd_operation.hpp>
#include <coil/endpoint.hpp>

struct msghdr;

namespace coil {

namespace detail {

/// One recv(2).
class RecvOperation final : public Operation<RecvOperation, FdOperation> {
public:
  RecvOperation(FdRef fd, std::span<std::byte> buffer, int flags) noexcept;
  bool await_ready() const noexcept { return buffer_.empty(); }
  std::size_t await_resume() { return take_value(); }

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  std::span<std::byte> buffer_;
  int flags_;
};

/// One send(2).
class SendOperation final : public Operation<SendOperation, FdOperation> {
public:
  SendOperation(FdRef fd, std::span<const std::byte> data, int flags) noexcept;
  std::size_t await_resume() { return take_value(); }

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  std::span<const std::byte> data_;
  int flags_;
};

/// Sends until everything is sent.
class SendAllOperation final : public Operation<SendAllOperation, FdOperation> {
public:
  SendAllOperation(FdRef fd, std::span<const std::byte> data, std::size_t* progress) noexcept;
  bool await_ready() const noexcept { return data_.empty(); }
  void start() noexcept;
  std::size_t await_resume();

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  bool progress(std::int32_t result) noexcept override;
  std::span<const std::byte> data_;
  std::size_t done_ = 0;
  std::size_t* reported_;  // the caller's count, or null
};

/// One recvmsg(2) or sendmsg(2).
class MessageOperation final : public Operation<MessageOperation, FdOperation> {
public:
  enum class Direction : unsigned char { receive, send };
  MessageOperation(Direction direction, FdRef fd, ::msghdr& message, int flags) noexcept;
  std::size_t await_resume() { return take_value(); }

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  Direction direction_;
  int flags_;
  ::msghdr* message_;
};

/// One accept4(2).
class AcceptOperation final : public Operation<AcceptOperation, FdOperation> {
public:
  AcceptOperation(FdRef fd, int flags) noexcept;
  int await_resume() { return static_cast<int>(take_value()); }

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  int flags_;
};

/// One connect(2).
class ConnectOperation final : public Operation<ConnectOperation, FdOperation> {
public:
  ConnectOperation(FdRef fd, const Endpoint& endpoint) noexcept;
  int await_resume();

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  bool progress(std::int32_t result) noexcept override;
  Endpoint endpoint_;
};

/// One shutdown(2).
class ShutdownOperation final : public Operation<ShutdownOperation, FdOperation> {
public:
  ShutdownOperation(FdRef fd, int how) noexcept;
  int await_resume() { return static_cast<int>(take_value()); }

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  int how_;
};

}  // namespace detail

// For all of these:
// Errors: `std::system_error` with the system call's errno; its text names the call and the descriptor.
// Cancellation: it did nothing, or its result is returned and the next wait throws.
// Lifetime: the buffers outlive the `co_await`.
// Descriptors that come in are close-on-exec. MSG_DONTWAIT gives EAGAIN instead of waiting. Sends to the same Fd take
// turns in the order in which they were awaited.

/// Receives up to `buffer.size()` bytes, as soon as there are any, or one datagram. Of a stream 0 is its end.
[[nodiscard]] inline detail::RecvOperation recv(FdRef fd, std::span<std::byte> buffer, int flags = 0) noexcept {
  return {fd, buffer, flags};
}
/// Sends up to `data.size()` bytes, or one datagram. To a stream that its peer has closed: EPIPE, never a signal.
[[nodiscard]] inline detail::SendOperation send(FdRef fd, std::span<const std::byte> data, int flags = 0) noexcept {
  return {fd, data, flags};
}
[[nodiscard]] inline detail::SendOperation send(FdRef fd, std::string_view text, int flags = 0) noexcept {
  return {fd, detail::bytes_of(text), flags};
}
/// Sends all of `data`, and gives its size.
/// Cancellation: a part may be sent; `*progress`, if given, says how much.
[[nodiscard]] inline detail::SendAllOperation send_all(FdRef fd, std::span<const std::byte> data,
                                                       std::size_t* progress = nullptr) noexcept {
  return {fd, data, progress};
}
[[nodiscard]] inline detail::SendAllOperation send_all(FdRef fd, std::string_view text,
                                                       std::size_t* progress = nullptr) noexcept {
  return {fd, detail::bytes_of(text), progress};
}

/// Receives into what `message` describes, with the sender's address and ancillary data, which it changes.
/// Lifetime: `message` and all it points to outlive the `co_await`.
[[nodiscard]] inline detail::MessageOperation recvmsg(FdRef fd, ::msghdr& message, int flags = 0) noexcept {
  return {detail::MessageOperation::Direction::receive, fd, message, flags};
}
[[nodiscard]] inline detail::MessageOperation recvmsg(FdRef fd, ::msghdr* message, int flags = 0) noexcept {
  return recvmsg(fd, *message, flags);
}
/// Sends what `message` describes.
[[nodiscard]] inline detail::MessageOperation sendmsg(FdRef fd, const ::msghdr& message, int flags = 0) noexcept {
  return {detail::MessageOperation::Direction::send, fd, const_cast<::msghdr&>(message), flags};
}
[[nodiscard]] inline detail::MessageOperation sendmsg(FdRef fd, const ::msghdr* message, int flags = 0) noexcept {
  return sendmsg(fd, *message, flags);
}

/// Waits for a connection and gives its descriptor, which the caller closes. `flags` as in accept4(2); SOCK_CLOEXEC
/// is added.
[[nodiscard]] inline detail::AcceptOperation accept(FdRef fd, int flags = 0) noexcept { return {fd, flags}; }
/// Connects, and gives 0.
/// Cancellation: the kernel may go on connecting: close the socket, it is of no use any more.
[[nodiscard]] inline detail::ConnectOperation connect(FdRef fd, const Endpoint& endpoint) noexcept {
  return {fd, endpoint};
}
[[nodiscard]] inline detail::ConnectOperation connect(FdRef fd, const ::sockaddr* address, std::size_t size) {
  return {fd, Endpoint::from_address(address, size)};
}
/// Ends sending (SHUT_WR), receiving (SHUT_RD) or both, and gives 0. SHUT_WR waits for its turn after the writers.
[[nodiscard]] inline detail::ShutdownOperation shutdown(FdRef fd, int how) noexcept { return {fd, how}; }

}  // namespace coil
