#pragma once

namespace coil::detail {

/// Tells the processor that this is a loop that waits for memory to change.
inline void pause_cpu() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace coil::detail
