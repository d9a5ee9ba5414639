// The bytes that the fuzzer gives, as numbers.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

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

private:
  const std::uint8_t* next_;
  std::size_t left_;
};

}  // namespace coil_fuzz
