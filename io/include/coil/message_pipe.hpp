#pragma once
#include <concepts>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <coil/coro.hpp>
#include <coil/descriptor.hpp>
#include <coil/detail/owned_fd.hpp>

namespace coil {

namespace detail {

class MessageSocket;

/// A counted reference to what a MessagePipe and those who wait in it share.
class MessageSocketRef {
public:
  MessageSocketRef() noexcept = default;
  explicit MessageSocketRef(MessageSocket* socket) noexcept;
  MessageSocketRef(const MessageSocketRef& other) noexcept : MessageSocketRef(other.socket_) {}
  MessageSocketRef(MessageSocketRef&& other) noexcept : socket_(std::exchange(other.socket_, nullptr)) {}
  MessageSocketRef& operator=(MessageSocketRef other) noexcept {
    std::swap(socket_, other.socket_);
    return *this;
  }
  ~MessageSocketRef();

  MessageSocket* operator->() const noexcept { return socket_; }
  explicit operator bool() const noexcept { return socket_ != nullptr; }

private:
  MessageSocket* socket_ = nullptr;
};

}  // namespace detail

/// What a message may be made of as it stands in memory. A pointer would mean nothing on the other side.
template <class T>
concept MessageValue =
    std::is_trivially_copyable_v<T> && !std::is_pointer_v<T> && !std::is_array_v<T> &&
    !std::convertible_to<const T&, std::string_view> && !std::convertible_to<const T&, std::span<const std::byte>>;

/// What came through a MessagePipe, with its descriptors.
struct Message {
  Message() noexcept = default;
  Message(std::string text, std::vector<detail::OwnedFd> passed) noexcept
      : bytes(std::move(text)), descriptors(std::move(passed)) {}
  Message(Message&&) noexcept = default;  // not copyable, which a vector of descriptors does not say
  Message& operator=(Message&&) noexcept = default;
  std::string bytes;
  std::vector<detail::OwnedFd> descriptors;  // close-on-exec
};

/// One end of a connection between two processes that carries whole messages, both ways: a pair of Unix sockets.
///
/// Any number of tasks may send and receive; they are served in arrival order. Sending waits while the other side is
/// some hundred kilobytes behind.
/// Errors: a peer that sends something else than messages: `std::runtime_error`.
/// Lifetime: the destructor closes it, as `close()` does.
class MessagePipe {
public:
  static constexpr std::size_t message_size_max = std::size_t{1} << 30;
  static constexpr std::size_t descriptors_max = 64;  // with one message

  /// Two ends that are connected to each other.
  /// Errors: `std::system_error`.
  static std::pair<MessagePipe, MessagePipe> pair();
  /// Takes over an end, in a program that was started with `Command::pass_fd(pipe.fd())`.
  explicit MessagePipe(detail::OwnedFd end);
  MessagePipe(MessagePipe&& other) noexcept = default;
  MessagePipe& operator=(MessagePipe&& other) noexcept;
  ~MessagePipe() { close(); }

  /// Sends one message, which may be empty. The descriptors stay the caller's; the other side gets copies of its own.
  /// Errors: `std::system_error`, EPIPE when the other side is gone; `std::length_error` for more than
  ///   `message_size_max` bytes or `descriptors_max` descriptors; `std::logic_error` after `close()`.
  /// Cancellation: the other side does not get the message.
  /// Lifetime: what is sent outlives the `co_await`.
  Coro<void> send(std::span<const std::byte> bytes, std::span<const int> descriptors = {});
  Coro<void> send(std::string_view text, std::span<const int> descriptors = {}) {
    return send(detail::bytes_of(text), descriptors);
  }
  template <MessageValue T>
  Coro<void> send(const T& value, std::span<const int> descriptors = {}) {
    return send(std::as_bytes(std::span<const T, 1>(&value, 1)), descriptors);
  }

  /// The next message; nothing when the other side is gone, and what it sent has been received, or after `close()`.
  /// A message that the other side did not come to send as a whole never arrives. Descriptors that came are closed.
  /// Errors: `std::system_error`, EMFILE if this process had no room for the descriptors; the message is lost.
  /// Cancellation: nothing is lost.
  Coro<std::optional<std::string>> recv();
  /// The next message as a value. Errors: `std::runtime_error` if its size is another; it is gone then.
  template <MessageValue T>
  Coro<std::optional<T>> recv();
  /// The next message with its descriptors.
  Coro<std::optional<Message>> recv_message();

  /// Ends it for both sides; the other one still receives what was sent. Tasks that wait here are woken: receiving gives
  /// nothing, sending EPIPE. Idempotent.
  void close() noexcept;
  /// -1 after `close()`.
  int fd() const noexcept;

  /// Children that are forked off do not have it.
  void keep_private() noexcept;

private:
  explicit MessagePipe(detail::MessageSocketRef socket) noexcept : socket_(std::move(socket)) {}
  detail::MessageSocketRef socket_;  // null once closed or moved from
};

namespace detail {

[[noreturn]] void throw_wrong_message_size(std::size_t size, std::size_t expected);

/// A value from its bytes.
template <class T>
T value_from(const char* bytes) noexcept {
  struct Memory {
    std::byte bytes[sizeof(T)];
  };
  Memory memory;
  std::memcpy(memory.bytes, bytes, sizeof(T));
  return __builtin_bit_cast(T, memory);
}

template <class T>
Coro<std::optional<T>> as_value(Coro<std::optional<std::string>> receiving) {
  const std::optional<std::string> message = co_await std::move(receiving);
  if (!message) co_return std::nullopt;
  if (message->size() != sizeof(T)) throw_wrong_message_size(message->size(), sizeof(T));
  co_return value_from<T>(message->data());
}

}  // namespace detail

template <MessageValue T>
Coro<std::optional<T>> MessagePipe::recv() {
  return detail::as_value<T>(recv());
}

}  // namespace coil
