#pragma once
#include <coil/detail/loop_core.hpp>
#include <coil/detail/posted.hpp>
#include <coil/detail/suspension.hpp>

namespace coil::detail {

/// A suspension that other threads may end: `wake()` makes its task ready in the task's own loop.
///
/// From `wake()` until the task is resumed the node stays where it is, so a request to cancel has to wait for it.
class RemoteSuspension : public Suspension, public Posted {
public:
  /// Once per wait. Threads: any.
  void wake(FutureState* source) noexcept override;
  void arrive() noexcept override { Suspension::wake(nullptr); }

protected:
  ~RemoteSuspension() = default;
  /// At the start of a wait, before other threads can know of it.
  void attach() noexcept { inbox_ = this_loop->inbox; }

private:
  Inbox* inbox_ = nullptr;  // of the loop whose task waits
};

}  // namespace coil::detail
