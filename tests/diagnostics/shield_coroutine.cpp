// expect-error: error: static assertion failed.*: coil: shield\(\) takes a Task or a Future.*create_task
#include <coil/coil.hpp>

coil::Coro<void> work();
coil::Coro<void> shield_work() { co_await coil::shield(work()); }
