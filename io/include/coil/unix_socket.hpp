#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <coil/stream_socket.hpp>

namespace coil {

/// A connection over a Unix socket, closed at its end. Passes descriptors along.
class UnixStream final : public StreamSocket {
public:
  UnixStream() noexcept = default;
  /// Takes over a connected socket.
  explicit UnixStream(Fd fd) noexcept : StreamSocket(std::move(fd)) {}

  /// Waits while the listener's queue is full.
  /// Errors: `std::system_error` that names the endpoint, e.g. ENOENT, ECONNREFUSED.
  [[nodiscard]] static Coro<UnixStream> connect(Endpoint endpoint);
  /// Two that are connected to each other.
  static std::pair<UnixStream, UnixStream> pair();

  /// Who is at the other side, as the kernel knows it. Errors: `std::system_error`.
  struct Credentials {
    int pid;
    unsigned uid;
    unsigned gid;
  };
  Credentials peer_credentials() const;

  /// What `read_with_fds` gives.
  struct Message {
    Message(std::size_t bytes, std::vector<Fd> descriptors, bool lost) noexcept
        : size(bytes), fds(std::move(descriptors)), fds_lost(lost) {}
    Message(Message&&) noexcept = default;
    Message& operator=(Message&&) noexcept = default;

    std::size_t size;     // of what is in the buffer; 0 is the end of the stream
    std::vector<Fd> fds;  // close-on-exec
    bool fds_lost;        // more had come than this process may open, or than `fds_max`
  };
  static constexpr std::size_t fds_max = 253;  // in one message, see unix(7)

  /// Writes all of `data`, of at least one byte, with copies of descriptors, at most `fds_max`. They arrive with the
  /// first byte. Up to 4096 bytes are not mixed with what other tasks write.
  /// Errors: `std::invalid_argument` for no byte or too many descriptors.
  [[nodiscard]] Coro<void> write_with_fds(std::span<const std::byte> data, std::span<const int> fds);
  [[nodiscard]] Coro<void> write_with_fds(std::string_view text, std::span<const int> fds);
  /// Reads as `read_some`, and takes the descriptors that came along. `read_some` closes them unseen.
  /// Cancellation: as `read_some`.
  [[nodiscard]] Coro<Message> read_with_fds(std::span<std::byte> buffer);
};

/// A Unix socket that is listened on. Its path is removed when this is closed, if it is still the same.
class UnixListener final : public ListenSocket {
public:
  UnixListener() noexcept = default;
  /// Listens at a path or an abstract name. A path at which nobody listens any more is taken over.
  /// Errors: `std::system_error` that names the endpoint, e.g. EADDRINUSE.
  explicit UnixListener(const Endpoint& endpoint, const ListenOptions& options = {});
  UnixListener(UnixListener&& other) noexcept;
  UnixListener& operator=(UnixListener&& other) noexcept;
  ~UnixListener() { remove_path(); }

  /// Waits for a connection. Errors and cancellation as `TcpListener::accept`.
  [[nodiscard]] detail::AcceptStream<UnixStream> accept() noexcept {
    return detail::AcceptStream<UnixStream>(acceptor_);
  }
  /// Removes the path, ends the accepts that wait, and closes.
  [[nodiscard]] Coro<void> close();

private:
  void remove_path() noexcept;

  std::string path_;  // empty if there is none to remove
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
};

}  // namespace coil
