#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include <coil/endpoint.hpp>

namespace coil::detail {

/// What carries the bytes of a Stream, in one or both directions: a socket, the ends of pipes, or what encrypts.
///
/// At the most one receive and one send are under way at a time; each is answered once, from the loop and never inside
/// the call, also when it is stopped. Their buffers stay until then.
/// Threads: loop thread.
class Transport {
public:
  /// Results: a count of bytes (0, of receiving: the end), or a negative errno; -ECANCELED if it was stopped before it
  /// did anything. May destroy the transport.
  class Client {
  public:
    virtual void received(std::int32_t result) noexcept = 0;
    /// Of a receive that goes on: more of what was received. The end is told by `received`, with -ECANCELED also if
    /// it may be begun again, or -ENOBUFS if `receive` should be used next.
    virtual void arrived(std::span<const std::byte> data) noexcept = 0;
    virtual void sent(std::int32_t result) noexcept = 0;

  protected:
    ~Client() = default;
  };

  Transport() noexcept = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  virtual bool can_receive() const noexcept = 0;
  virtual bool can_send() const noexcept = 0;
  virtual void receive(std::span<std::byte> room, Client& client) noexcept = 0;
  /// Begins to receive until it is stopped, without a buffer of the client's. False if it cannot.
  virtual bool receive_on(Client&) noexcept { return false; }
  virtual void stop_receiving() noexcept = 0;
  /// False, and there is no answer, if there is no memory for it.
  virtual bool send(std::span<const std::byte> data, Client& client) noexcept = 0;
  /// Whether a send ends without the peer, so that it need not be stopped when the loop ends.
  virtual bool sends_by_itself() const noexcept = 0;
  /// Nothing more is sent, and nothing is being sent. Gives an errno, 0 for none.
  virtual int end_sending() noexcept = 0;
  /// Stops both directions and closes, when the last of them is answered; with `reset` what is on its way is dropped.
  virtual void close(bool reset) noexcept = 0;

  /// Throws what the errno of an answer stands for, if it says more than the errno.
  virtual void throw_error(const char*, int) const {}

  virtual int fd() const noexcept = 0;  // -1 if there is none
  virtual Endpoint peer_name() const noexcept = 0;
  virtual Endpoint sock_name() const noexcept = 0;
};

}  // namespace coil::detail
