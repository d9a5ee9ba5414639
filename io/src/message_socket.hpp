#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <coil/coro.hpp>
#include <coil/detail/owned_fd.hpp>
#include <coil/message_pipe.hpp>

#include "record_operation.hpp"
#include "turn.hpp"

namespace coil::detail {

/// Puts a message together from its records.
class MessageAssembly {
public:
  /// Takes in a record; true if it was the message's last one. A message that was broken off is dropped when the next
  /// one begins.
  /// Errors: `std::runtime_error` for what no MessagePipe sends.
  bool add(const RecordHeader& header, std::span<const std::byte> payload, std::vector<OwnedFd> descriptors);
  Message take() noexcept;

private:
  Message message_;
  std::uint64_t size_ = 0;  // of the whole
  bool begun_ = false;
};

/// The part of a message that its next record carries.
std::span<const std::byte> next_payload(std::span<const std::byte> bytes, std::size_t sent, std::size_t payload_max);

/// How much of a message one record may carry. Errors: `std::invalid_argument` for what is no end of a MessagePipe.
std::size_t payload_max_of(int fd);

/// A Unix socket that keeps records apart, and those who wait for it.
class MessageSocket {
public:
  explicit MessageSocket(OwnedFd fd);
  MessageSocket(const MessageSocket&) = delete;
  MessageSocket& operator=(const MessageSocket&) = delete;

  int fd() const noexcept { return fd_.get(); }
  OwnedFd& owned_fd() noexcept { return fd_; }
  /// The pipe is closed; the descriptor stays while somebody waits.
  void close() noexcept;

  // Each keeps `self` in its frame.
  static Coro<void> send(MessageSocketRef self, std::span<const std::byte> bytes, std::span<const int> descriptors);
  static Coro<std::optional<Message>> receive(MessageSocketRef self);

private:
  friend class MessageSocketRef;
  ~MessageSocket() = default;
  void throw_if_closed() const;

  std::size_t refs_ = 0;
  OwnedFd fd_;
  bool closed_ = false;
  std::size_t payload_max_;
  Turn sending_;
  Turn receiving_;
  std::vector<std::byte> buffer_;  // made with the first record that is received
  MessageAssembly assembly_;
};

/// Two sockets that are connected to each other.
std::pair<OwnedFd, OwnedFd> make_message_sockets();

}  // namespace coil::detail
