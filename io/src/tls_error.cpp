#include <openssl/err.h>
#include <openssl/ssl.h>

#include <coil/tls.hpp>

#include "tls_session.hpp"

namespace coil {

namespace {

class TlsCategory final : public std::error_category {
public:
  const char* name() const noexcept override { return "tls"; }
  std::string message(int number) const override {
    const auto error = static_cast<unsigned long>(static_cast<unsigned>(number));
    const char* reason = ERR_reason_error_string(error);
    return reason != nullptr ? reason : "error " + std::to_string(error);
  }
};

std::error_code tls_code(unsigned long error) noexcept { return {static_cast<int>(error), tls_category()}; }

}  // namespace

const std::error_category& tls_category() noexcept {
  static const TlsCategory category;
  return category;
}

namespace detail {

void throw_tls_error(const std::string& what) {
  const unsigned long error = ERR_peek_error();
  ERR_clear_error();
  if (ERR_SYSTEM_ERROR(error))
    throw TlsError(std::error_code(static_cast<int>(ERR_GET_REASON(error)), std::system_category()), what);
  throw TlsError(tls_code(error), what);
}

void throw_tls_truncated(const std::string& what) {
  throw TlsError(tls_code(ERR_PACK(ERR_LIB_SSL, 0, SSL_R_UNEXPECTED_EOF_WHILE_READING)), what);
}

}  // namespace detail

}  // namespace coil
