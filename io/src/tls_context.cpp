#include <openssl/err.h>
#include <openssl/ssl.h>

#include <stdexcept>

#include <coil/tls.hpp>

#include "tls_session.hpp"

namespace coil {

namespace {

using detail::TlsContextData;

[[noreturn]] void fail(const std::string& what) { detail::throw_tls_error("TlsContext: " + what); }

std::shared_ptr<TlsContextData> make_context(bool is_server) {
  auto data = std::make_shared<TlsContextData>();
  ERR_clear_error();
  data->context.reset(SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method()));
  SSL_CTX* const context = data->context.get();
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) fail("cannot be made");
  data->is_server = is_server;
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  if (!is_server) SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  return data;
}

void load_certificate(SSL_CTX* context, const std::string& certificate_file, const std::string& key_file) {
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1)
    fail("the certificate " + certificate_file);
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1) fail("the key " + key_file);
  if (SSL_CTX_check_private_key(context) != 1) fail("the key " + key_file + " is not that of " + certificate_file);
}

void load_trusted(SSL_CTX* context, const std::string& ca_file) {
  ERR_clear_error();
  if (SSL_CTX_load_verify_file(context, ca_file.c_str()) != 1) fail("the trusted certificates " + ca_file);
}

// Of what the client offers the first that the server takes, as the server prefers.
int select_alpn(SSL*, const unsigned char** selected, unsigned char* size, const unsigned char* offered,
                unsigned int offered_size, void* data) {
  const std::string& ours = static_cast<const TlsContextData*>(data)->alpn;
  unsigned char* found = nullptr;
  const int result = SSL_select_next_proto(&found, size, reinterpret_cast<const unsigned char*>(ours.data()),
                                           static_cast<unsigned>(ours.size()), offered, offered_size);
  *selected = found;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

TlsContext TlsContext::client() {
  auto data = make_context(false);
  if (SSL_CTX_set_default_verify_paths(data->context.get()) != 1) fail("the certificates that the system trusts");
  return TlsContext(std::move(data));
}

TlsContext TlsContext::client(const std::string& ca_file) {
  auto data = make_context(false);
  load_trusted(data->context.get(), ca_file);
  return TlsContext(std::move(data));
}

TlsContext TlsContext::server(const std::string& certificate_file, const std::string& key_file) {
  TlsContext context(make_context(true));
  return context.certificate(certificate_file, key_file);
}

TlsContext& TlsContext::certificate(const std::string& certificate_file, const std::string& key_file) {
  load_certificate(native_handle(), certificate_file, key_file);
  return *this;
}

TlsContext& TlsContext::require_client_certificate(const std::string& ca_file) {
  if (!is_server()) throw std::logic_error("coil: TlsContext::require_client_certificate() of a client");
  load_trusted(native_handle(), ca_file);
  SSL_CTX_set_client_CA_list(native_handle(), SSL_load_client_CA_file(ca_file.c_str()));
  SSL_CTX_set_verify(native_handle(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return *this;
}

TlsContext& TlsContext::alpn(std::initializer_list<std::string_view> protocols) {
  std::string names;
  for (const std::string_view protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255)
      throw std::invalid_argument("coil: TlsContext::alpn(): a name has 1 to 255 bytes");
    names += static_cast<char>(static_cast<unsigned char>(protocol.size()));
    names += protocol;
  }
  data_->alpn = std::move(names);
  if (is_server())
    SSL_CTX_set_alpn_select_cb(native_handle(), select_alpn, data_.get());
  else
    SSL_CTX_set_alpn_protos(native_handle(), reinterpret_cast<const unsigned char*>(data_->alpn.data()),
                            static_cast<unsigned>(data_->alpn.size()));
  return *this;
}

TlsContext& TlsContext::insecure_skip_verify() {
  if (is_server()) throw std::logic_error("coil: TlsContext::insecure_skip_verify() of a server");
  SSL_CTX_set_verify(native_handle(), SSL_VERIFY_NONE, nullptr);
  return *this;
}

bool TlsContext::is_server() const noexcept { return data_->is_server; }
ssl_ctx_st* TlsContext::native_handle() const noexcept { return data_->context.get(); }

}  // namespace coil
