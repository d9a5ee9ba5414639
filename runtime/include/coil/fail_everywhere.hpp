#pragma once
#include <cstddef>
#include <type_traits>

#include <coil/cancel_everywhere.hpp>

namespace coil::testing {

/// What `fail_everywhere` has done.
struct FailResult {
  std::size_t operations = 0;  ///< Of the kernel, that failed one after the other.
  std::size_t thrown = 0;      ///< Runs that ended by an exception; the others took the failure.
};

}  // namespace coil::testing

namespace coil::detail {

testing::FailResult fail_everywhere(CancelSubject subject, int error, const testing::CancelOptions& options);

}  // namespace coil::detail

namespace coil::testing {

/// Runs `f`, which gives a Coro, again and again: the 1st, 2nd, 3rd … operation of the kernel fails with `error`, until
/// it runs through. After each run nothing may be left, as after those of `cancel_everywhere`, whose options it takes;
/// `f` may throw what it likes.
/// Errors: as `cancel_everywhere`, and names the operation's number.
template <class F>
FailResult fail_everywhere(F&& f, int error, const CancelOptions& options = {}) {
  auto&& object = detail::as_object(f);
  return detail::fail_everywhere(detail::subject_of(object), error, options);
}

}  // namespace coil::testing
