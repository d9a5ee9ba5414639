// expect-error: error: static assertion failed.*: coil: wait\(\) takes a range of tasks, not coroutines
#include <coil/coil.hpp>

coil::Coro<void> work();
coil::Coro<void> wait_for_work() { co_await coil::wait(work()); }
