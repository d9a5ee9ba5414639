#include <coil/detail/futex_lock.hpp>

#include <algorithm>
#include <atomic>

#include "cpu_pause.hpp"
#include "futex.hpp"

namespace coil::detail {

// After Drepper, "Futexes Are Tricky" (2011), mutex3. Whoever holds it needs some ten nanoseconds, and to sleep costs
// microseconds, so that is put off for a little. Looking ever more seldom lets the other one do several things in a row:
// what costs is to carry the lock from one processor to the other.
void FutexLock::lock() noexcept {
  constexpr int pauses_max = 32;
  constexpr int looks_max = 10;
  if (try_lock()) return;
  int pauses = 1;
  for (int looks = 0; looks != looks_max; ++looks) {
    for (int i = 0; i != pauses; ++i) pause_cpu();
    if (!is_locked() && try_lock()) return;
    pauses = std::min(pauses * 2, pauses_max);
  }
  while (!try_lock_or_mark()) futex_wait(word_, contended);
}

bool FutexLock::try_lock() noexcept {
  std::uint32_t expected = unheld;
  return std::atomic_ref(word_).compare_exchange_strong(expected, held);
}

bool FutexLock::try_lock_or_mark() noexcept { return std::atomic_ref(word_).exchange(contended) == unheld; }

void FutexLock::unlock() noexcept {
  if (std::atomic_ref(word_).exchange(unheld) == contended) futex_wake(word_, 1);
}

bool FutexLock::is_locked() const noexcept {
  return std::atomic_ref(const_cast<std::uint32_t&>(word_)).load(std::memory_order_relaxed) != unheld;
}

}  // namespace coil::detail
