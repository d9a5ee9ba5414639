#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace coil::detail {

/// What a process holds: taken before and after something, to see what was left.
struct Holdings {
  std::vector<int> descriptors;
  std::int64_t frames = 0;  // of this thread
  bool children = false;

  static Holdings take();
  /// What there is more of than `before`, in words; "" for nothing.
  std::string beyond(const Holdings& before) const;
};

/// Tasks other than the running one, timers and operations of the running loop, in words; "" for none.
std::string left_in_loop();

}  // namespace coil::detail
