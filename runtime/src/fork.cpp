#include "fork.hpp"

#include <pthread.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include <coil/detail/check.hpp>

#include "inspect.hpp"
#include "loop_parts.hpp"

namespace coil::detail {

namespace {

/// Which descriptors a forked child closes. Leaked on purpose: threads may still end after main.
struct PrivateDescriptors {
  std::mutex mutex;
  std::vector<bool> are_private;  // by number
};
PrivateDescriptors& private_descriptors() {
  static auto* instance = new PrivateDescriptors;
  return *instance;
}

// Changes only in a child, which has one thread then.
unsigned forks_before = 0;

/// Stands in a child in the place of its parent's ring, which is not the child's: whatever the child submitted would be
/// done for the parent.
class ForkedRing final : public Ring {
public:
  ForkedRing() noexcept { has_queued_ = true; }
  void submit(RingOperation&) noexcept override { refuse(); }
  void cancel(RingOperation&) noexcept override { refuse(); }
  void poll(std::chrono::nanoseconds) noexcept override { refuse(); }
  bool supports(unsigned) noexcept override { return false; }

private:
  [[noreturn]] static void refuse() noexcept {
    fail(
        "after fork() the child went on in its parent's event loop: use coil::fork_process(), or leave with exec() or "
        "_exit()",
        std::source_location::current());
  }
};

void before_fork() {
  private_descriptors().mutex.lock();
  lock_dispositions();
  lock_frame_orphans();
  lock_inspection();
}

void unlock(bool in_child) {
  unlock_inspection(in_child);
  unlock_frame_orphans();
  unlock_dispositions();
  private_descriptors().mutex.unlock();
}

void after_fork_in_parent() { unlock(false); }

void after_fork_in_child() {
  ++forks_before;
  std::vector<bool>& are_private = private_descriptors().are_private;
  for (std::size_t fd = 0; fd < are_private.size(); ++fd)
    if (are_private[fd]) ::close(static_cast<int>(fd));
  are_private.clear();
  restore_dispositions_in_child();
  forget_frame_owners();
  unlock(true);
  if (this_loop == nullptr) return;
  LoopParts& parts = parts_of(*this_loop);
  // The parent's is left as it is: its memory is not in the child, and its descriptor is closed.
  static_cast<void>(parts.ring.release());
  parts.ring = std::make_unique<ForkedRing>();
}

void forget(int fd) noexcept {
  const auto number = static_cast<std::size_t>(fd);
  std::vector<bool>& are_private = private_descriptors().are_private;
  if (number < are_private.size()) are_private[number] = false;
}

}  // namespace

unsigned process_number() noexcept { return forks_before; }

void close_in_forked_children(int fd) noexcept {
  [[maybe_unused]] static const int registered =
      ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  const std::lock_guard lock(private_descriptors().mutex);
  const auto number = static_cast<std::size_t>(fd);
  std::vector<bool>& are_private = private_descriptors().are_private;
  try {
    if (are_private.size() <= number) are_private.resize(number + 1);
    are_private[number] = true;
  } catch (const std::bad_alloc&) {
  }
}

void leave_in_forked_children(int fd) noexcept {
  const std::lock_guard lock(private_descriptors().mutex);
  forget(fd);
}

void close_private(int fd) noexcept {
  const std::lock_guard lock(private_descriptors().mutex);
  forget(fd);
  ::close(fd);
}

}  // namespace coil::detail
