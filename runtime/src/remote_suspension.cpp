#include <coil/detail/remote_suspension.hpp>

#include <atomic>

#include <coil/detail/check.hpp>

#include "blocked_thread.hpp"
#include "futex.hpp"
#include "inbox.hpp"

namespace coil::detail {

void RemoteSuspension::wake(FutureState*) noexcept {
  const bool posted = inbox_->post(*this);
  check(posted || inbox_->is_parents(), "a loop outlives the waits of its tasks");
}

void BlockedThread::wake(FutureState*) noexcept {
  std::atomic_ref(woken_).store(1);
  futex_wake(woken_, 1);
}

void BlockedThread::block() noexcept {
  while (std::atomic_ref(woken_).load() == 0) futex_wait(woken_, 0);
}

}  // namespace coil::detail
