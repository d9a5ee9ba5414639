#include <coil/for_seeds.hpp>

#include <cstdlib>
#include <exception>
#include <optional>

#include "ring_cache.hpp"

namespace coil::detail {

namespace {

std::optional<std::uint64_t> number_from_environment(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  char* end = nullptr;
  const unsigned long long number = std::strtoull(text, &end, 0);
  if (*end != '\0') throw_invalid_argument("coil: COIL_SEED and COIL_SEEDS are whole numbers");
  return number;
}

[[noreturn]] void throw_failure(std::uint64_t seed, const std::string& what) {
  const std::string number = std::to_string(seed);
  std::throw_with_nested(
      testing::Failure("seed " + number + ": " + what + " (COIL_SEED=" + number + " runs this one alone)"));
}

}  // namespace

void SeededRuns::go(std::uint64_t first, std::uint64_t count, Body body, void* context) {
  if (const auto only = number_from_environment("COIL_SEED")) {
    first = *only;
    count = 1;
  } else {
    count = number_from_environment("COIL_SEEDS").value_or(count);
  }
  const RingCache cache;
  if (this_loop == nullptr) static_cast<void>(Runner().loop());  // leaves its ring, before anyone counts descriptors
  for (std::uint64_t seed = first; count != 0; --count, ++seed) {
    try {
      body(context, seed);
    } catch (const std::exception& error) {
      throw_failure(seed, error.what());
    } catch (const CancelledError&) {
      throw_failure(seed, "it ended cancelled");
    }
  }
}

}  // namespace coil::detail
