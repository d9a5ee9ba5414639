#pragma once
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

#include "io_test.hpp"

namespace coil_test {

template <auto free_it>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    free_it(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;

/// A certificate and its key, and the files of PEM that hold them.
struct Identity {
  Key key;
  Certificate certificate;
  std::string certificate_file;
  std::string key_file;
};

/// What to certify.
struct Wish {
  std::string file;
  std::string names = "DNS:localhost";  // as in openssl.cnf: "DNS:a,IP:127.0.0.1"
  const Identity* issuer = nullptr;     // none: itself
  long from = -3600;                    // seconds from now
  long until = 3600;
};

inline void require(bool done) {
  if (!done) throw std::runtime_error("OpenSSL cannot make a certificate");
}

inline Identity make_identity(const TemporaryDirectory& folder, const Wish& wish) {
  Identity made{Key(EVP_EC_gen("P-256")), Certificate(X509_new()), folder / (wish.file + ".pem"),
                folder / (wish.file + ".key")};
  X509* const certificate = made.certificate.get();
  require(made.key != nullptr && certificate != nullptr);
  static long serial = 1;
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), wish.from);
  X509_gmtime_adj(X509_getm_notAfter(certificate), wish.until);
  X509_NAME* const subject = X509_get_subject_name(certificate);
  require(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                     reinterpret_cast<const unsigned char*>(wish.file.c_str()), -1, -1, 0) == 1);
  X509* const issuer = wish.issuer == nullptr ? certificate : wish.issuer->certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  X509_set_pubkey(certificate, made.key.get());
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::string authority = wish.issuer == nullptr ? "critical,CA:TRUE" : "critical,CA:FALSE";
  for (const auto& [number, value] :
       {std::pair(NID_basic_constraints, authority), std::pair(NID_subject_alt_name, wish.names)}) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, number, value.c_str());
    require(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
  }
  EVP_PKEY* const signer = wish.issuer == nullptr ? made.key.get() : wish.issuer->key.get();
  require(X509_sign(certificate, signer, EVP_sha256()) != 0);
  std::FILE* file = std::fopen(made.certificate_file.c_str(), "w");
  require(file != nullptr && PEM_write_X509(file, certificate) == 1);
  std::fclose(file);
  file = std::fopen(made.key_file.c_str(), "w");
  require(file != nullptr && PEM_write_PrivateKey(file, made.key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  std::fclose(file);
  return made;
}

}  // namespace coil_test
