// Scenarios that are cancelled, and whose operations fail, at each point there is: nothing may be left behind. Each makes
// anew what it needs.
//
// COIL_LONG=N in the environment also runs each with N seeds that shuffle what is ready.
#pragma once
#include "count.hpp"
#include "loop_test.hpp"

#include <coil/testing.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>

namespace coil_test {

struct Scenario {
  const char* name;
  coil::Coro<void> (*run)();
  coil::testing::CancelOptions options = {};
  bool cancels_children = true;  // also those that coil itself has made
};

class Everywhere {
public:
  Everywhere() = default;
  Everywhere(const Everywhere&) = delete;
  Everywhere& operator=(const Everywhere&) = delete;
  ~Everywhere() {
    if (points_ != 0) count("cancel points", points_);
    if (pairs_ != 0) count("cancel pairs", pairs_);
  }

  /// At each suspension of the task once and twice, and at each of its children's.
  void cancel(std::initializer_list<Scenario> scenarios) {
    const std::uint64_t last_seed = long_seeds();
    for (const Scenario& scenario : scenarios) {
      coil::testing::CancelOptions options = scenario.options;
      for (std::uint64_t seed = 0; seed <= last_seed; ++seed) {
        if (seed != 0) options.run.shuffle_seed = seed;
        options.every_task = false;
        options.pairs = true;
        cancel_one(scenario, options);
        if (!scenario.cancels_children) continue;
        options.every_task = options.errors = true;
        cancel_one(scenario, options);
        options.errors = scenario.options.errors;
      }
    }
  }

  /// Each operation of the kernel, with each of the errors.
  void fail(std::initializer_list<int> errors, std::initializer_list<Scenario> scenarios) {
    for (const int error : errors) {
      std::size_t failed = 0;
      for (const Scenario& scenario : scenarios) {
        try {
          failed += coil::testing::fail_everywhere(scenario.run, error, scenario.options).operations;
        } catch (const std::exception& failure) {
          FAIL_CHECK(std::string(scenario.name), ", ", error, ": ", std::string(failure.what()));
        }
      }
      count("faults: " + name_of_error(error), failed);
      failures_ += failed;
    }
  }

  std::size_t points() const { return points_; }
  std::size_t pairs() const { return pairs_; }
  std::size_t failures() const { return failures_; }

private:
  void cancel_one(const Scenario& scenario, const coil::testing::CancelOptions& options) {
    try {
      const coil::testing::CancelResult result = coil::testing::cancel_everywhere(scenario.run, options);
      CHECK_MESSAGE(result.points >= result.suspensions, std::string(scenario.name));
      points_ += result.points;
      pairs_ += result.pairs;
    } catch (const std::exception& failure) {
      FAIL_CHECK(std::string(scenario.name), ", seed ", options.run.shuffle_seed.value_or(0), ": ",
                 std::string(failure.what()));
    }
  }

  std::size_t points_ = 0;
  std::size_t pairs_ = 0;
  std::size_t failures_ = 0;
};

}  // namespace coil_test
