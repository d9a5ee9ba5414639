#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <coil/detail/ring.hpp>
#include <coil/detail/stream_core.hpp>
#include <coil/tls.hpp>

#include "tls_session.hpp"

namespace coil::detail {

/// Encrypts what a stream sends and decrypts what it receives; below it is the stream that it was before.
class TlsTransport final : public Transport, public Pooled {
public:
  /// After the handshake.
  TlsTransport(StreamRef below, TlsSession session) noexcept;
  ~TlsTransport() override;

  bool can_receive() const noexcept override { return true; }
  bool can_send() const noexcept override { return true; }
  void receive(std::span<std::byte> room, Client& client) noexcept override { begin_receive(room, client); }
  bool receive_on(Client& client) noexcept override;
  void stop_receiving() noexcept override;
  bool send(std::span<const std::byte> data, Client& client) noexcept override;
  bool sends_by_itself() const noexcept override { return false; }
  int end_sending() noexcept override;
  void close(bool reset) noexcept override;
  void throw_error(const char* call, int error) const override;

  int fd() const noexcept override { return below_->transport().fd(); }
  Endpoint peer_name() const noexcept override { return below_->transport().peer_name(); }
  Endpoint sock_name() const noexcept override { return below_->transport().sock_name(); }
  TlsInfo info() const { return session_.info(); }

private:
  /// Waits for what the peer sends.
  class Input final : public StreamReader {
  public:
    Input(StreamCore* below, TlsTransport& transport) noexcept
        : StreamReader(below, "start_tls"), transport_(transport) {}
    bool is_enough() noexcept override { return !core_->input().empty(); }
    void wake(FutureState*) noexcept override { transport_.decrypt(); }

  private:
    TlsTransport& transport_;
  };
  /// Waits until what was encrypted is sent.
  class Output final : public StreamWriteWait {
  public:
    Output(StreamCore* below, TlsTransport& transport) noexcept
        : StreamWriteWait(below, Until::all_sent, "send"), transport_(transport) {}
    void wake(FutureState*) noexcept override { transport_.answer_send(); }

  private:
    TlsTransport& transport_;
  };
  /// A call that the loop makes, by way of its ring: so it comes also while the loop ends.
  class Later final : public RingOperation {
  public:
    Later(TlsTransport& transport, void (TlsTransport::*function)() noexcept) noexcept
        : transport_(transport), function_(function) {
      self_finishing_ = true;
    }
    void call() noexcept;
    void prepare(io_uring_sqe& sqe) noexcept override;
    void complete(std::int32_t result, std::uint32_t flags, bool more) noexcept override;

  private:
    TlsTransport& transport_;
    void (TlsTransport::*function_)() noexcept;
    bool is_coming_ = false;
  };

  void begin_receive(std::span<std::byte> room, Client& client) noexcept;
  void decrypt() noexcept;
  std::optional<std::int32_t> decrypt_some();
  bool wait_for_input();
  void answer_send() noexcept;
  void send_encrypted();
  std::int32_t note_failure() noexcept;

  StreamRef below_;
  TlsSession session_;
  Client* receiver_ = nullptr;
  Client* sender_ = nullptr;
  std::span<std::byte> room_;  // empty: of a receive that goes on
  bool waits_for_input_ = false;
  bool waits_for_output_ = false;
  bool is_decrypting_ = false;
  bool is_stopped_ = false;
  bool has_ended_sending_ = false;
  std::int32_t sent_ = 0;
  std::string failure_;
  std::error_code failure_code_;
  Input input_;
  Output output_;
  Later decrypt_later_{*this, &TlsTransport::decrypt};
  Later answer_send_later_{*this, &TlsTransport::answer_send};
};

}  // namespace coil::detail
