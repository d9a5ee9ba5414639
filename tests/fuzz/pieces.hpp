// Texts as they come from a socket: in pieces of any size, each gone when the next one comes.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "input.hpp"

namespace coil_fuzz {

class Cuts {
public:
  explicit Cuts(Input& input) : size_max_(sizes_[input.below(std::size(sizes_))]), state_(input.byte()) {}
  /// Of the next piece, at least one byte.
  std::size_t next() {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    const std::size_t size_max = ++count_ < 300 ? size_max_ : 40'000;  // a long text takes not too long
    return 1 + static_cast<std::size_t>(state_ >> 33) % size_max;
  }

private:
  static constexpr std::size_t sizes_[] = {1, 2, 3, 5, 8, 20, 100, 1000, 40'000};
  std::size_t size_max_;
  std::uint64_t state_;
  std::size_t count_ = 0;
};

/// Calls `take(piece)` with a block of its own that is exactly as large: whoever reads outside of it, or later, is seen by
/// the sanitizer.
template <class F>
void give(std::string_view text, F&& take) {
  const auto block = std::make_unique<char[]>(text.size());
  std::copy(text.begin(), text.end(), block.get());
  take(std::string_view(block.get(), text.size()));
}

template <class F>
void give_in_pieces(std::string_view text, Cuts cuts, F&& take) {
  while (!text.empty()) {
    const std::size_t size = std::min(cuts.next(), text.size());
    give(text.substr(0, size), take);
    text.remove_prefix(size);
  }
}

}  // namespace coil_fuzz
