#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "loop_parts.hpp"

struct io_uring_buf_ring;

namespace coil::detail {

/// Buffers of a loop out of which the kernel takes one when something has come, so that who waits holds none.
///
/// They go round, first in first out, so that few of them are better for the processor's cache: there are as many as were
/// once needed at the same time, up to a limit.
class ReceiveBuffers final : public LoopProperty {
public:
  /// Those of the running loop; null if its kernel has no such thing, or no memory for it.
  static ReceiveBuffers* of_loop() noexcept;

  explicit ReceiveBuffers(Ring& ring) noexcept;
  ~ReceiveBuffers() override;

  static constexpr std::uint16_t group = 0;
  static constexpr std::size_t buffer_size = 4096;
  std::span<const std::byte> buffer(std::uint16_t number) const noexcept {
    return {slabs_[number / slab_buffers] + number % slab_buffers * buffer_size, buffer_size};
  }
  /// The kernel may have it again.
  void give_back(std::uint16_t number) noexcept;
  /// There were too few.
  void grow() noexcept;

private:
  static constexpr unsigned entries = 1024;
  static constexpr unsigned slab_buffers = 64;
  bool works() const noexcept { return !slabs_.empty(); }

  Ring& ring_;
  io_uring_buf_ring* shared_ = nullptr;  // with the kernel
  std::vector<std::byte*> slabs_;
};

}  // namespace coil::detail
