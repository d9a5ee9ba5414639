#include <coil/condition.hpp>

#include <exception>

namespace coil {

Coro<void> Condition::wait() {
  if (!locked()) detail::throw_logic_error("coil: Condition::wait() needs the lock: acquire() it first");
  bind("Condition::wait");
  release();
  detail::LineOperation notification(line_, "Condition");
  std::exception_ptr error;
  try {
    co_await notification;
  } catch (...) {
    error = std::current_exception();
  }
  bool held = false;
  while (!held && !notification.is_orphan()) {
    try {
      co_await acquire();
      held = true;
    } catch (const CancelledError&) {
      error = std::current_exception();
    }
  }
  if (error) {
    notification.pass_on();
    detail::note_rethrow(error);
    std::rethrow_exception(std::move(error));
  }
}

void Condition::notify(std::size_t n) {
  if (!locked()) detail::throw_logic_error("coil: Condition::notify() needs the lock: acquire() it first");
  if (line_.may_wake()) check_thread("Condition::notify");
  while (n != 0 && line_.wake_one()) --n;
}

}  // namespace coil
