// A hash that nobody outside can steer: SipHash-1-3 with a key of this process.
#pragma once
#include <sys/random.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace kv {

class SipHash {
public:
  SipHash() {
    if (::getrandom(key_, sizeof key_, GRND_NONBLOCK) < 0) key_[0] = reinterpret_cast<std::uintptr_t>(this);
  }

  std::uint64_t operator()(std::string_view text) const {
    State s{key_[0] ^ 0x736f6d6570736575, key_[1] ^ 0x646f72616e646f6d, key_[0] ^ 0x6c7967656e657261,
            key_[1] ^ 0x7465646279746573};
    const std::uint64_t length = text.size();
    for (; text.size() >= 8; text.remove_prefix(8)) s.take(word(text.data(), 8));
    s.take(word(text.data(), text.size()) | length << 56);
    s.c ^= 0xff;
    for (int i = 0; i < 3; ++i) s.round();
    return s.a ^ s.b ^ s.c ^ s.d;
  }

private:
  struct State {
    std::uint64_t a, b, c, d;
    void round() {
      a += b, b = std::rotl(b, 13) ^ a, a = std::rotl(a, 32);
      c += d, d = std::rotl(d, 16) ^ c;
      a += d, d = std::rotl(d, 21) ^ a;
      c += b, b = std::rotl(b, 17) ^ c, c = std::rotl(c, 32);
    }
    void take(std::uint64_t w) {
      d ^= w;
      round();
      a ^= w;
    }
  };
  static std::uint64_t word(const char* from, std::size_t size) {
    std::uint64_t w = 0;
    if (size == 8) std::memcpy(&w, from, 8);
    for (std::size_t i = 0; size < 8 && i < size; ++i)
      w |= std::uint64_t{static_cast<unsigned char>(from[i])} << (8 * i);
    return w;
  }

  std::uint64_t key_[2] = {0, 0};
};

/// For maps by string that are asked with views. It may throw as far as they know, so that libstdc++ keeps the hashes.
struct KeyHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view key) const {
    static const SipHash hash;
    return hash(key);
  }
};

}  // namespace kv
