#pragma once
#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <coil/tls.hpp>

namespace coil::detail {

struct TlsContextData {
  struct Free {
    void operator()(SSL_CTX* object) const noexcept { SSL_CTX_free(object); }
  };
  std::unique_ptr<SSL_CTX, Free> context;
  bool is_server = false;
  std::string alpn;  // each name after its length
};

/// One connection of TLS, without any I/O: what comes from the peer is fed in, what is to go there is taken out.
/// Errors: TlsError.
class TlsSession {
public:
  /// Errors: `std::invalid_argument` for a client that verifies and does not say whom.
  TlsSession(const TlsContext& context, std::string server_hostname);

  /// True once it is through; false if it needs more from the peer, or, also if it throws, what is to go there sent.
  bool shake_hands();
  /// How many bytes came, up to the room. 0: none, without more from the peer. At the end of the stream, `ended()`.
  std::size_t read(std::span<std::byte> room);
  bool ended() const noexcept { return ended_; }
  /// Whether `read` might give something without more from the peer.
  bool may_have_more() const noexcept;
  /// Takes all of it.
  void write(std::span<const std::byte> data);
  /// The last that is written: the end of the stream.
  void end() noexcept;

  void feed(std::string_view from_peer);
  std::string_view for_peer() const noexcept;
  void for_peer_is_taken() noexcept;

  TlsInfo info() const;

private:
  struct Free {
    void operator()(SSL* session) const noexcept { SSL_free(session); }
  };
  [[noreturn]] void fail(const char* doing) const;
  void expect(std::string server_hostname);

  std::shared_ptr<TlsContextData> context_;
  std::unique_ptr<SSL, Free> session_;
  std::string server_hostname_;
  BIO* from_peer_ = nullptr;  // of the session
  BIO* for_peer_ = nullptr;   // of the session
  bool ended_ = false;
};

/// Throws what OpenSSL found last. Errors: TlsError.
[[noreturn]] void throw_tls_error(const std::string& what);
/// Of the ends that OpenSSL does not see.
[[noreturn]] void throw_tls_truncated(const std::string& what);

}  // namespace coil::detail
