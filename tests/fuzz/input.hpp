// The bytes that the fuzzer gives, as numbers and texts.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace coil_fuzz {

class Input {
public:
  Input(const std::uint8_t* data, std::size_t size) : next_(data), left_(size) {}
  bool empty() const { return left_ == 0; }
  std::uint8_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *next_++;
  }
  unsigned below(unsigned count) { return byte() % count; }
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | byte();
    return value;
  }
  std::string text(std::size_t size_max) {
    std::string text;
    while (text.size() < size_max && left_ != 0) text += static_cast<char>(byte());
    return text;
  }
  /// All that is left.
  std::string rest() { return text(SIZE_MAX); }

private:
  const std::uint8_t* next_;
  std::size_t left_;
};

/// A text in which "\xff", a byte and a number stand for that byte, 256 times the number: so that small inputs get at
/// limits of tens of thousands of bytes.
inline std::string stretch(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\xff' && i + 2 < text.size() && result.size() < 100'000) {
      const bool ends_line = text[i + 1] == '\r' || text[i + 1] == '\n';  // a thousand empty requests take too long
      result.append((ends_line ? 1U : 256U) * static_cast<unsigned char>(text[i + 2]), text[i + 1]);
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

}  // namespace coil_fuzz
