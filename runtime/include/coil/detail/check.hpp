#pragma once
#include <source_location>

namespace coil::detail {

/// Prints "coil: SENTENCE (file:line)" and aborts. For broken invariants only, never for bad input.
[[noreturn]] void fail(const char* sentence, std::source_location where) noexcept;

/// An invariant of coil itself, checked in every build.
inline void check(bool holds, const char* sentence,
                  std::source_location where = std::source_location::current()) noexcept {
  if (!holds) [[unlikely]]
    fail(sentence, where);
}

}  // namespace coil::detail
