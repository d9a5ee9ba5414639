#pragma once
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <coil/open_connection.hpp>
#include <coil/stream.hpp>

// TLS for streams, by OpenSSL 3. It is a library of its own: link with coil-tls as well (pkg-config coil-tls, CMake
// coil::tls), which is built where OpenSSL is there (Debian: libssl-dev).

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace coil {

/// The errors of OpenSSL, by the numbers of its `ERR_get_error()`.
const std::error_category& tls_category() noexcept;

/// What went wrong with TLS: `what()` says it in words, e.g. why a certificate is not accepted. The errors of the
/// connection below stay `std::system_error` with an errno.
class TlsError : public std::system_error {
public:
  using std::system_error::system_error;
};

namespace detail {
struct TlsContextData;
class TlsSession;
}  // namespace detail

/// Which side of TLS to be, whom to trust, and who one is. Copies share what they are.
///
/// TLS 1.2 or later, no compression, no renegotiation. A client verifies the certificate of its peer and that it is of
/// the host asked for.
/// Errors: TlsError that names the file for one that is missing or is not what it should be.
/// Threads: any, as long as nothing is set while it is in use elsewhere. Making one reads files, which waits for the
/// disk: make it once, at the start.
class TlsContext {
public:
  /// A client that trusts those whom the system trusts.
  static TlsContext client();
  /// A client that trusts the certificates of a file of PEM, and nobody else.
  static TlsContext client(const std::string& ca_file);
  /// A server: its certificate, followed by those up to the root, and its key, in files of PEM.
  static TlsContext server(const std::string& certificate_file, const std::string& key_file);

  /// A certificate for a client, which some servers ask for.
  TlsContext& certificate(const std::string& certificate_file, const std::string& key_file);
  /// For a server: takes only clients with a certificate that those of the file have signed.
  TlsContext& require_client_certificate(const std::string& ca_file);
  /// The protocols to offer or to take, by preference (ALPN), e.g. {"h2", "http/1.1"}; which one it is says `tls_info`.
  /// A server that takes none of those offered refuses the client.
  /// Errors: `std::invalid_argument` for a name that is empty or longer than 255 bytes.
  TlsContext& alpn(std::initializer_list<std::string_view> protocols);
  /// For a client: accepts any certificate, so that whoever sits in between may read and change everything.
  TlsContext& insecure_skip_verify();

  bool is_server() const noexcept;
  /// For what is not said here, e.g. SSL_CTX_set_cipher_list. It stays the context's.
  ssl_ctx_st* native_handle() const noexcept;

private:
  friend class detail::TlsSession;
  explicit TlsContext(std::shared_ptr<detail::TlsContextData> data) noexcept : data_(std::move(data)) {}
  std::shared_ptr<detail::TlsContextData> data_;
};

/// Options of `Stream::start_tls`. What `server_hostname` points to is copied by the call.
struct TlsOptions {
  std::string_view server_hostname = {};  ///< Of a client: the name or numeric address that the certificate must be of.
  std::chrono::nanoseconds handshake_timeout = std::chrono::seconds(10);  ///< asyncio's is 60 seconds.
};
static_assert(std::is_aggregate_v<TlsOptions> && std::is_trivially_destructible_v<TlsOptions>);

/// What was agreed on.
struct TlsInfo {
  std::string protocol;          ///< E.g. "TLSv1.3".
  std::string cipher;            ///< E.g. "TLS_AES_256_GCM_SHA384".
  std::string alpn;              ///< Empty if there is none.
  std::string peer_certificate;  ///< In PEM; empty if the peer has shown none.
};
/// Nothing for a stream without TLS.
std::optional<TlsInfo> tls_info(const Stream& stream);

/// `open_connection` and `start_tls` for that host. Errors: of both.
[[nodiscard]] Coro<Stream> open_tls_connection(std::string host, std::uint16_t port);
[[nodiscard]] Coro<Stream> open_tls_connection(std::string host, std::uint16_t port, TlsContext context,
                                               const ConnectOptions& options = {});

namespace detail {

Coro<void> handle_with_tls(const TlsContext& context, Stream stream, Coro<void> (*call)(void*, Stream), void* handler);

template <class F>
class TlsHandler {
public:
  TlsHandler(TlsContext context, F handler) : context_(std::move(context)), handler_(std::move(handler)) {}
  Coro<void> operator()(Stream stream) { return handle_with_tls(context_, std::move(stream), call, &handler_); }

private:
  static Coro<void> call(void* handler, Stream stream) { return (*static_cast<F*>(handler))(std::move(stream)); }

  TlsContext context_;
  F handler_;
};

}  // namespace detail

/// A handler for `start_server` that calls `handler(Stream)`, which returns Coro<void>, once TLS has begun. A client with which it does not begin
/// costs its own connection, and the exception handler is told.
template <class F>
auto with_tls(TlsContext context, F handler) {
  return detail::TlsHandler<F>(std::move(context), std::move(handler));
}

}  // namespace coil
