#pragma once
#include <chrono>
#include <optional>

#include <coil/error.hpp>

namespace coil {

/// A point on the loop's clock: what `Loop::time()` returns and every deadline is given in.
/// The real clock is CLOCK_MONOTONIC; a virtual one starts at the epoch, `time_point{}`.
using time_point = std::chrono::steady_clock::time_point;

/// Which clock a loop runs by, see `RunOptions::clock`.
enum class Clock : unsigned char {
  real,      ///< CLOCK_MONOTONIC.
  virtual_,  ///< Starts at 0 and jumps to the next timer whenever nothing else can run.
};

namespace detail {

/// Converts any duration to whole nanoseconds, rounded up, and clamps it to +-146 years, so that a huge
/// value means "practically never" instead of overflowing.
/// Errors: `std::invalid_argument` for one that is not a number.
template <class Rep, class Period>
constexpr std::chrono::nanoseconds to_nanoseconds(std::chrono::duration<Rep, Period> duration) {
  using std::chrono::nanoseconds;
  using Seconds = std::chrono::duration<double>;
  constexpr nanoseconds longest{nanoseconds::max().count() / 2};
  if (duration != duration) throw_invalid_argument("coil: a duration that is not a number");
  const Seconds rough = std::chrono::duration_cast<Seconds>(duration);
  if (rough >= std::chrono::duration_cast<Seconds>(longest)) return longest;
  if (rough <= std::chrono::duration_cast<Seconds>(-longest)) return -longest;
  return std::chrono::ceil<nanoseconds>(duration);
}

/// `start + delay` without overflow.
constexpr time_point saturating_add(time_point start, std::chrono::nanoseconds delay) noexcept {
  const auto since = start.time_since_epoch();
  if (delay.count() > 0 && since > time_point::duration::max() - delay) return time_point::max();
  return start + delay;
}

/// How long something may take: any duration, or nothing for no limit. What options hold.
class TimeLimit {
public:
  constexpr TimeLimit(std::nullopt_t = std::nullopt) noexcept {}
  template <class Rep, class Period>
  constexpr TimeLimit(std::chrono::duration<Rep, Period> duration) : limit_(to_nanoseconds(duration)) {}

  constexpr explicit operator bool() const noexcept { return limit_.has_value(); }
  constexpr std::chrono::nanoseconds operator*() const noexcept { return *limit_; }

private:
  std::optional<std::chrono::nanoseconds> limit_;
};

}  // namespace detail
}  // namespace coil
