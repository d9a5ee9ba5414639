#pragma once
#include <cstdint>

namespace coil::detail {

/// A mutex of four bytes. Who waits may be overtaken.
/// Threads: any; who unlocks need not be who locked.
class FutexLock {
public:
  void lock() noexcept;
  bool try_lock() noexcept;
  void unlock() noexcept;
  bool is_locked() const noexcept;

  /// Locks it, or leaves word that somebody waits: that the value is `contended`.
  bool try_lock_or_mark() noexcept;
  std::uint32_t& word() noexcept { return word_; }

  static constexpr std::uint32_t unheld = 0;
  static constexpr std::uint32_t held = 1;
  static constexpr std::uint32_t contended = 2;  // held, and somebody may wait

private:
  std::uint32_t word_ = unheld;  // after construction only through std::atomic_ref
};

/// Holds a FutexLock for a scope, without the 1,000 lines of <mutex>.
class FutexGuard {
public:
  explicit FutexGuard(FutexLock& lock) noexcept : lock_(lock) { lock_.lock(); }
  FutexGuard(const FutexGuard&) = delete;
  FutexGuard& operator=(const FutexGuard&) = delete;
  ~FutexGuard() { lock_.unlock(); }

private:
  FutexLock& lock_;
};

}  // namespace coil::detail
