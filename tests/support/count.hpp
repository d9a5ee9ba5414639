// What a test counts, for tests/count.py to add up over the whole suite: one line a number on stdout.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <string_view>

namespace coil_test {

inline void count(std::string_view what, std::uint64_t number) {
  std::cout << "count: " << number << ' ' << what << std::endl;
}

/// By the errno's name. Those that the kernel keeps to itself have none.
inline std::string name_of_error(int error) {
  const char* name = ::strerrorname_np(error);
  return name == nullptr ? "errno " + std::to_string(error) : name;
}

/// The long form of tests: COIL_LONG=N in the environment, with N seeds where it is seeds that are many. 0: the short one.
inline std::uint64_t long_seeds() {
  const char* seeds = std::getenv("COIL_LONG");
  return seeds == nullptr ? 0 : std::strtoull(seeds, nullptr, 10);
}

/// So many in the short form of a test, and so many in the long one.
inline std::uint64_t few_or_many(std::uint64_t few, std::uint64_t many) { return long_seeds() == 0 ? few : many; }

}  // namespace coil_test
