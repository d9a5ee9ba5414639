#pragma once
/// Tools to test programs that use coil, beside virtual time (`Clock::virtual_`) and `RunOptions::shuffle_seed`.
/// Not part of <coil/coil.hpp>.
#include <coil/cancel_everywhere.hpp>
#include <coil/fail_everywhere.hpp>
#include <coil/fault_plan.hpp>
#include <coil/for_seeds.hpp>
#include <coil/memory_stream.hpp>
#include <coil/simulated_network.hpp>
