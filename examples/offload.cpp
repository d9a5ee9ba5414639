// Work that keeps a processor busy goes to a thread, and the loop stays live: a heartbeat that should come every 10 ms
// shows how late it is, first while the loop does the work itself, then while threads do.
//
//   sh examples/run offload
#include <algorithm>
#include <cstdint>
#include <cstdio>

#include "support.hpp"

namespace {

using std::chrono::milliseconds;

constexpr milliseconds beat(10);
constexpr std::uint64_t limit = 400'000;

/// Slow on purpose: some tenths of a second.
std::uint64_t count_primes(std::uint64_t from, std::uint64_t to) {
  std::uint64_t count = 0;
  for (std::uint64_t n = std::max<std::uint64_t>(from, 2); n < to; ++n) {
    bool prime = true;
    for (std::uint64_t divisor = 2; prime && divisor * divisor <= n; ++divisor) prime = n % divisor != 0;
    if (prime) ++count;
  }
  return count;
}

/// Until it is cancelled.
coil::Coro<void> beat_heart(milliseconds& latest) {
  for (;;) {
    const coil::time_point due = coil::get_running_loop().time() + beat;
    co_await coil::sleep_until(due);
    const auto late = coil::get_running_loop().time() - due;
    latest = std::max(latest, std::chrono::duration_cast<milliseconds>(late));
  }
}

coil::Coro<std::uint64_t> in_the_loop() { co_return count_primes(0, limit); }

coil::Coro<std::uint64_t> in_threads() {
  const auto [low, high] = co_await coil::gather(coil::to_thread(count_primes, std::uint64_t{0}, limit / 2),
                                                 coil::to_thread(count_primes, limit / 2, limit));
  co_return low + high;
}

coil::Coro<void> show(const char* where, coil::Coro<std::uint64_t> work) {
  milliseconds latest(0);
  coil::Task<void> heart = coil::create_task(beat_heart, std::ref(latest));
  co_await coil::sleep(beat);
  const std::uint64_t primes = co_await std::move(work);
  co_await coil::sleep(beat);
  heart.cancel();
  std::printf("%s: %llu primes, the heart was up to %lld ms late\n", where, static_cast<unsigned long long>(primes),
              static_cast<long long>(latest.count()));
}

coil::Coro<int> offload() {
  co_await show("in the loop", in_the_loop());
  co_await show("in threads", in_threads());
  co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 0, "offload");
  return example::run(offload());
}
