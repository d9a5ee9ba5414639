// expect-error: error: static assertion failed.*: coil: wait\(\) takes a range of tasks, not coroutines
#include <coil/coil.hpp>

#include <vector>

coil::Coro<void> wait_for(std::vector<coil::Coro<int>> coroutines) { co_await coil::wait(coroutines); }
