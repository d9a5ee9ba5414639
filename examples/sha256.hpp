// SHA-256: OpenSSL's, which uses what the processor has for it; without OpenSSL the plain algorithm of FIPS 180-4, which
// takes about five times as long.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#ifdef HAVE_LIBCRYPTO
#include <openssl/evp.h>
#endif

namespace example {

inline std::string hex(std::span<const unsigned char> bytes) {
  std::string text;
  for (const unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

#ifdef HAVE_LIBCRYPTO

class Sha256 {
public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
  }
  void update(std::span<const std::byte> data) { EVP_DigestUpdate(context_.get(), data.data(), data.size()); }
  /// Of all that was added, in 64 digits; nothing is added afterwards.
  std::string digest() {
    std::array<unsigned char, 32> bytes{};
    EVP_DigestFinal_ex(context_.get(), bytes.data(), nullptr);
    return hex(bytes);
  }

private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

#else

class Sha256 {
public:
  void update(std::span<const std::byte> data) {
    for (size_ += data.size(); !data.empty();) {
      const std::size_t part = std::min(data.size(), block_.size() - filled_);
      std::memcpy(block_.data() + filled_, data.data(), part);
      data = data.subspan(part);
      filled_ += part;
      if (filled_ == block_.size()) mix();
    }
  }
  /// Of all that was added, in 64 digits; nothing is added afterwards.
  std::string digest() {
    const std::uint64_t bits = std::uint64_t{size_} * 8;
    block_[filled_++] = 0x80;  // there is room: a full block is mixed at once
    if (filled_ > 56) pad_to(block_.size());
    pad_to(56);
    for (std::size_t i = 0; i < 8; ++i) block_[56 + i] = static_cast<unsigned char>(bits >> (56 - 8 * i));
    mix();
    std::array<unsigned char, 32> bytes{};
    for (std::size_t i = 0; i < 32; ++i) bytes[i] = static_cast<unsigned char>(state_[i / 4] >> (24 - 8 * (i % 4)));
    return hex(bytes);
  }

private:
  using Word = std::uint32_t;

  void pad_to(std::size_t end) {
    while (filled_ < end) block_[filled_++] = 0;
    if (end == block_.size()) mix();
  }

  /// FIPS 180-4, section 6.2.2.
  void mix() {
    std::array<Word, 64> w{};
    for (std::size_t i = 0; i < 16; ++i)
      w[i] =
          Word{block_[4 * i]} << 24 | Word{block_[4 * i + 1]} << 16 | Word{block_[4 * i + 2]} << 8 | block_[4 * i + 3];
    for (std::size_t i = 16; i < 64; ++i) {
      const Word s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
      const Word s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    auto [a, b, c, d, e, f, g, h] = state_;
    for (std::size_t i = 0; i < 64; ++i) {
      const Word s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
      const Word s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
      const Word one = h + s1 + ((e & f) ^ (~e & g)) + constants_[i] + w[i];
      const Word two = s0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + one, d = c, c = b, b = a, a = one + two;
    }
    const std::array<Word, 8> mixed = {a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < 8; ++i) state_[i] += mixed[i];
    filled_ = 0;
  }

  // The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
  static constexpr std::array<Word, 64> constants_ = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
  std::array<Word, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> block_{};
  std::size_t filled_ = 0;  // of `block_`
  std::size_t size_ = 0;    // of all that was added, in bytes
};

#endif

}  // namespace example
