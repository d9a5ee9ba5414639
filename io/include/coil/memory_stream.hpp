#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <coil/stream.hpp>

namespace coil::testing {

/// Options of `memory_streams`.
struct MemoryStreamOptions {
  std::size_t capacity = std::size_t{64} << 10;  ///< Of each direction: bytes that are sent and not received yet.
  std::size_t piece_max = 0;                     ///< At most so many bytes are received at a time; 0: any number.
  std::uint64_t seed = 0;                        ///< If not 0, pieces have random sizes, up to `piece_max`.
  StreamOptions stream = {};
};
static_assert(std::is_aggregate_v<MemoryStreamOptions> && std::is_trivially_destructible_v<MemoryStreamOptions>);

/// Two streams that are connected to each other, without the kernel: what is written to one is read from the other, in
/// pieces of any size one likes. `abort()` of one is ECONNRESET for the other.
/// Errors: `std::logic_error` outside a loop.
std::pair<Stream, Stream> memory_streams(const MemoryStreamOptions& options = {});

}  // namespace coil::testing
