// expect-error: error: static assertion failed.*: coil: a callback is a plain function, its coroutine would never run
#include <coil/coil.hpp>

coil::Coro<void> tell();
void hear(coil::Task<int> task) {
  task.add_done_callback([] { return tell(); });
}
