#include "tls_session.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <new>
#include <stdexcept>
#include <utility>

namespace coil::detail {

TlsSession::TlsSession(const TlsContext& context, std::string server_hostname) : context_(context.data_) {
  ERR_clear_error();
  session_.reset(SSL_new(context_->context.get()));
  from_peer_ = BIO_new(BIO_s_mem());
  for_peer_ = BIO_new(BIO_s_mem());
  if (session_ == nullptr || from_peer_ == nullptr || for_peer_ == nullptr) {
    BIO_free(from_peer_);
    BIO_free(for_peer_);
    throw std::bad_alloc();
  }
  BIO_set_mem_eof_return(from_peer_, -1);  // empty is not the end
  SSL_set_bio(session_.get(), from_peer_, for_peer_);
  if (context_->is_server)
    SSL_set_accept_state(session_.get());
  else
    SSL_set_connect_state(session_.get());
  if (!context_->is_server) expect(std::move(server_hostname));
}

// The name or the address that the peer's certificate must be of. RFC 6125, without wildcards in parts of a label.
void TlsSession::expect(std::string server_hostname) {
  SSL* const session = session_.get();
  const bool verifies = SSL_get_verify_mode(session) != SSL_VERIFY_NONE;
  if (server_hostname.empty()) {
    if (!verifies) return;
    throw std::invalid_argument("coil: Stream::start_tls(): a client says whom it expects: {.server_hostname = ...}");
  }
  SSL_set_hostflags(session, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  const bool is_address = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), server_hostname.c_str()) == 1;
  ERR_clear_error();
  const bool is_name = !is_address && server_hostname.find('\0') == std::string::npos &&
                       SSL_set1_host(session, server_hostname.c_str()) == 1 &&
                       SSL_set_tlsext_host_name(session, server_hostname.c_str()) == 1;
  if (!is_address && !is_name) throw std::invalid_argument("coil: Stream::start_tls(): no name of a host");
  server_hostname_ = std::move(server_hostname);
}

void TlsSession::fail(const char* doing) const {
  const long verified = SSL_get_verify_result(session_.get());
  std::string what = doing;
  if (!server_hostname_.empty()) what += " with " + server_hostname_;
  if (verified != X509_V_OK) what += std::string(": ") + X509_verify_cert_error_string(verified);
  throw_tls_error(what);
}

bool TlsSession::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(session_.get());
  if (result == 1) return true;
  if (SSL_get_error(session_.get(), result) != SSL_ERROR_WANT_READ) fail("TLS handshake");
  return false;
}

std::size_t TlsSession::read(std::span<std::byte> room) {
  ERR_clear_error();
  std::size_t size = 0;
  const int result = SSL_read_ex(session_.get(), room.data(), room.size(), &size);
  if (result == 1) return size;
  switch (SSL_get_error(session_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return 0;
    case SSL_ERROR_ZERO_RETURN:
      ended_ = true;
      return 0;
    default:
      fail("TLS");
  }
}

bool TlsSession::may_have_more() const noexcept {
  return SSL_has_pending(session_.get()) == 1 || BIO_pending(from_peer_) > 0 ||
         (SSL_get_shutdown(session_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

void TlsSession::write(std::span<const std::byte> data) {
  ERR_clear_error();
  std::size_t size = 0;
  if (!data.empty() && SSL_write_ex(session_.get(), data.data(), data.size(), &size) != 1) fail("TLS");
}

void TlsSession::end() noexcept {
  ERR_clear_error();
  if (SSL_is_init_finished(session_.get()) == 1) SSL_shutdown(session_.get());
  ERR_clear_error();
}

void TlsSession::feed(std::string_view from_peer) {
  std::size_t size = 0;
  if (BIO_write_ex(from_peer_, from_peer.data(), from_peer.size(), &size) != 1 || size != from_peer.size())
    throw std::bad_alloc();
}

std::string_view TlsSession::for_peer() const noexcept {
  char* data = nullptr;
  const long size = BIO_get_mem_data(for_peer_, &data);
  return {data, size > 0 ? static_cast<std::size_t>(size) : 0};
}

void TlsSession::for_peer_is_taken() noexcept { static_cast<void>(BIO_reset(for_peer_)); }

TlsInfo TlsSession::info() const {
  TlsInfo info{SSL_get_version(session_.get()), SSL_get_cipher_name(session_.get()), {}, {}};
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(session_.get(), &name, &size);
  if (size != 0) info.alpn.assign(reinterpret_cast<const char*>(name), size);
  X509* const certificate = SSL_get0_peer_certificate(session_.get());
  BIO* const text = certificate == nullptr ? nullptr : BIO_new(BIO_s_mem());
  if (text != nullptr && PEM_write_bio_X509(text, certificate) == 1) {
    char* data = nullptr;
    const long length = BIO_get_mem_data(text, &data);
    info.peer_certificate.assign(data, static_cast<std::size_t>(length));
  }
  BIO_free(text);
  return info;
}

}  // namespace coil::detail
