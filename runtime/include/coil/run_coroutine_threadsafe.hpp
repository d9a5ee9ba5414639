#pragma once
#include <future>

#include <coil/detail/threadsafe_call.hpp>

// run_coroutine_threadsafe(coro, loop), with the std::future that it gives. <coil/coil.hpp> brings the function alone:
// who calls it includes <future> as well, or this.
