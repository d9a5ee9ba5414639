#pragma once
#include <signal.h>

#include <cstdint>

namespace coil::detail {

struct LoopParts;

// A signal belongs to the process, a loop to a thread. A C handler notes that a signal came and wakes the loop that takes
// it, whose next turn does the rest. So signals need not be blocked before the first thread starts, as for a signalfd,
// and a child that executes another program inherits nothing.

/// `parts` takes `signal` from now on, also from the SIGINT of a `run`.
/// Errors: as `Loop::add_signal_handler`.
void take_signal(LoopParts& parts, int signal);
/// Restores what was there before, or the SIGINT of a `run` that goes on. A signal that has come is forgotten.
void give_back_signal(LoopParts& parts, int signal) noexcept;
/// Whether `parts` took `signal` by `take_signal`. Errors: `std::invalid_argument` for no signal number.
bool takes_signal(const LoopParts& parts, int signal);

/// SIGINT, once, for a `run`: if it has its default disposition, under a handler at the most, and no other `run` takes
/// it. With the signal the default is back.
void take_interrupt(LoopParts& parts) noexcept;
/// Whether that SIGINT has come since the last call.
bool take_interrupt_arrival(LoopParts& parts) noexcept;
/// As before; from then on SIGINT is not taken any more, and none is lost in between.
bool give_back_interrupt(LoopParts& parts) noexcept;

/// When `signal` came, as a number that grows from signal to signal; 0 if it has not come since the last call.
std::uint32_t take_arrival(int signal) noexcept;

bool has_default_disposition(int signal) noexcept;

}  // namespace coil::detail
