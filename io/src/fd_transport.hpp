#pragma once
#include <coil/detail/fd_operation.hpp>
#include <coil/detail/transport.hpp>

namespace coil::detail {

class ReceiveBuffers;

/// A socket, or what is read and written as a file: ends of pipes, terminals.
class FdTransport final : public Transport, public Pooled {
public:
  enum class Kind : unsigned char { socket, file };

  /// A file is read from `in` and written to `out`, of which one may be none. A socket is `in`.
  FdTransport(Kind kind, Fd in, Fd out) noexcept;

  bool can_receive() const noexcept override { return static_cast<bool>(in_); }
  bool can_send() const noexcept override { return static_cast<bool>(out()); }
  void receive(std::span<std::byte> room, Client& client) noexcept override { receive_.begin(room, client); }
  bool receive_on(Client& client) noexcept override { return receive_.begin_many(client); }
  void stop_receiving() noexcept override { receive_.end(); }
  bool send(std::span<const std::byte> data, Client& client) noexcept override;
  bool sends_by_itself() const noexcept override { return sends_by_itself_; }
  int end_sending() noexcept override;
  void close(bool reset) noexcept override;

  int fd() const noexcept override { return in_ ? in_.number() : out_.number(); }
  Endpoint peer_name() const noexcept override;
  Endpoint sock_name() const noexcept override;

private:
  class Receive final : public FdOperation {
  public:
    Receive(Kind kind, FdRef fd) noexcept;
    Kind kind() const noexcept { return kind_; }
    void begin(std::span<std::byte> room, Client& client) noexcept;
    bool begin_many(Client& client) noexcept;
    void end() noexcept { stop(); }
    void complete(std::int32_t result, std::uint32_t flags, bool more) noexcept override;
    void wake(FutureState* source) noexcept override;

  private:
    void fill(io_uring_sqe& sqe) noexcept override;
    Kind kind_;
    bool more_is_there_ = true;  // the last receive left something
    bool polls_first_ = false;   // if the kernel can
    std::uint32_t room_size_ = 0;
    std::byte* room_ = nullptr;
    ReceiveBuffers* buffers_ = nullptr;  // of a receive that goes on
    Client* client_ = nullptr;
  };
  /// Lives while it is under way: most streams wait for input most of the time.
  class Send final : public FdOperation, public Pooled {
  public:
    Send(Kind kind, FdRef fd, std::span<const std::byte> data, Client& client) noexcept;
    void begin() noexcept { submit(); }
    bool needs_no_peer() const noexcept { return self_finishing_ || in_background_; }
    void wake(FutureState* source) noexcept override;

  private:
    void fill(io_uring_sqe& sqe) noexcept override;
    bool progress(std::int32_t result) noexcept override;
    Kind kind_;
    std::uint32_t size_;
    const std::byte* data_;
    Client& client_;
  };
  bool is_socket() const noexcept { return receive_.kind() == Kind::socket; }
  const Fd& out() const noexcept { return is_socket() ? in_ : out_; }

  Fd in_;
  Fd out_;
  Receive receive_;
  bool sends_by_itself_ = false;
};

}  // namespace coil::detail
