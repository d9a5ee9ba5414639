#pragma once
#include <cstdint>

#include <coil/detail/suspension.hpp>

namespace coil::detail {

/// A thread that stands in line with tasks, and blocks.
class BlockedThread final : public Suspension {
public:
  /// Threads: any. Under the lock that guards the line, so that the node is there until it is done.
  void wake(FutureState* source) noexcept override;
  /// Blocks until woken. Without that lock.
  void block() noexcept;

private:
  Abort abort() noexcept override { return Abort::gone; }  // nothing cancels a thread

  std::uint32_t woken_ = 0;
};

}  // namespace coil::detail
