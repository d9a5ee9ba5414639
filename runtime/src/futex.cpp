#include "futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>

namespace coil::detail {

// Not FUTEX_PRIVATE_FLAG: Linux 6.18 loses what an io_uring waits for on a private futex when the process starts its
// first thread, since the table of private futexes is made anew then.

void futex_wait(const std::uint32_t& word, std::uint32_t expected) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAIT, expected, nullptr, nullptr, 0);
}

bool futex_wait_until(const std::uint32_t& word, std::uint32_t expected, time_point deadline) noexcept {
  const std::chrono::nanoseconds left = deadline - time_point::clock::now();
  if (left <= std::chrono::nanoseconds::zero()) return false;
  timespec limit{};
  limit.tv_sec = left.count() / 1'000'000'000;
  limit.tv_nsec = left.count() % 1'000'000'000;
  ::syscall(SYS_futex, &word, FUTEX_WAIT, expected, &limit, nullptr, 0);
  return true;
}

int futex_wake(const std::uint32_t& word, int count) noexcept {
  const long woken = ::syscall(SYS_futex, &word, FUTEX_WAKE, count, nullptr, nullptr, 0);
  return woken < 0 ? 0 : static_cast<int>(woken);
}

}  // namespace coil::detail
