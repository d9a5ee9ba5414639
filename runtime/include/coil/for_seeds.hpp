#pragma once
#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>

#include <coil/run.hpp>

namespace coil::testing {

/// A test that failed, in a sentence.
class Failure : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

}  // namespace coil::testing

namespace coil::detail {

/// Calls `body(seed)` for each seed; the exception that leaves it becomes part of a Failure.
class SeededRuns {
public:
  using Body = void (*)(void* context, std::uint64_t seed);
  static void go(std::uint64_t first, std::uint64_t count, Body body, void* context);
};

template <class F>
void run_seeded(F& f, std::uint64_t seed, RunOptions options) {
  options.shuffle_seed = seed;
  if constexpr (std::invocable<F&, std::uint64_t>) {
    if constexpr (is_coro<std::invoke_result_t<F&, std::uint64_t>>)
      run([&f, seed] { return f(seed); }, options);
    else
      f(seed);
  } else {
    run([&f] { return f(); }, options);
  }
}

}  // namespace coil::detail

namespace coil::testing {

/// Calls `f` for each of `count` seeds from `first` on. If `f(seed)` or `f()` gives a Coro, that is run with the seed as
/// its `RunOptions::shuffle_seed`, by a virtual clock unless `options` say otherwise; else `f(seed)` does what it likes
/// with it.
///
/// The environment may ask for one seed (COIL_SEED=17) or for another count (COIL_SEEDS=10000).
/// Errors: Failure for the first exception that leaves `f`, which is nested in it; its text begins with the seed.
template <class F>
void for_seeds(std::uint64_t first, std::uint64_t count, F&& f,
               const RunOptions& options = {.clock = Clock::virtual_}) {
  struct Context {
    std::remove_reference_t<F>& f;
    const RunOptions& options;
  } context{f, options};
  const auto body = [](void* given, std::uint64_t seed) {
    const auto& own = *static_cast<Context*>(given);
    detail::run_seeded(own.f, seed, own.options);
  };
  detail::SeededRuns::go(first, count, body, &context);
}

}  // namespace coil::testing
