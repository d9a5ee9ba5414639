#pragma once
/// Tools to test programs that use coil. Not part of <coil/coil.hpp>.
///
/// Virtual time and seeded orders are options of every run:
///   coil::run(main(), {.clock = coil::Clock::virtual_, .shuffle_seed = 17});
/// Beside them:
///   cancel_everywhere(f)            f is cancelled at each of its suspensions, and may leave nothing behind
///   fail_everywhere(f, EMFILE)      each operation of the kernel fails once
///   for_seeds(1, 500, f)            500 orders; a failure names the seed that repeats it
///   FaultPlan                       which operations fail, are short, late or beaten by their cancellation
///   SimulatedNetwork                hosts with latency, loss and partitions on one loop
///   memory_streams()                two Streams without the kernel
/// All are in the namespace coil::testing; the everyday ones are in coil as well.
#include <coil/cancel_everywhere.hpp>
#include <coil/fail_everywhere.hpp>
#include <coil/fault_plan.hpp>
#include <coil/for_seeds.hpp>
#include <coil/memory_stream.hpp>
#include <coil/simulated_network.hpp>

namespace coil {

using testing::cancel_everywhere;
using testing::CancelOptions;
using testing::CancelResult;
using testing::fail_everywhere;
using testing::FailResult;
using testing::Failure;
using testing::FaultPlan;
using testing::FaultRule;
using testing::for_seeds;
using testing::memory_streams;
using testing::Op;
using testing::SimulatedNetwork;

}  // namespace coil
