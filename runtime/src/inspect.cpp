#include "inspect.hpp"

#include <cstddef>
#include <mutex>

#include <coil/detail/loop_core.hpp>
#include <coil/detail/promise.hpp>
#include <coil/detail/state.hpp>
#include <coil/detail/suspension.hpp>

// Of classes with bases: both compilers can.
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

namespace coil::detail {

namespace {

constinit std::mutex mutex;

}  // namespace

/// Sees what is private.
struct Inspect {
  static constexpr InspectRoot root() noexcept {
    using Chunk = StatePool::Chunk;
    const auto phase = [](Phase one) { return static_cast<std::uint8_t>(one); };
    InspectRoot root{};
    root.size = sizeof(InspectRoot);
    root.loop = {offsetof(LoopCore, states), offsetof(LoopCore, current), offsetof(LoopCore, number),
                 offsetof(LoopCore, next_inspected)};
    root.pool_chunks = offsetof(StatePool, chunks_);
    root.chunk = {offsetof(Chunk, next), offsetof(Chunk, carved), sizeof(TaskState)};
    root.task = {sizeof(TaskState),
                 offsetof(TaskState, phase),
                 offsetof(TaskState, flags),
                 Ready::is_task,
                 offsetof(TaskState, waiters),
                 offsetof(TaskState, extras_or_number),
                 offsetof(TaskState, resume),
                 offsetof(TaskState, created_at)};
    root.phase = {phase(Phase::free), phase(Phase::created), phase(Phase::ready), phase(Phase::running),
                  phase(Phase::value)};
    root.extras_name = offsetof(Extras, name);
    root.suspension = {offsetof(Suspension, next_), offsetof(Suspension, task_)};
    // A frame begins with two addresses of functions; promises are aligned to 16 at the most.
    root.frame = {2 * sizeof(void*), offsetof(PromiseBase, receiver_), offsetof(PromiseBase, where_)};
    root.slot_continuation = offsetof(ChildSlot, continuation);
    root.loops = nullptr;
    return root;
  }
};

[[gnu::section(".coil_inspect"), gnu::used]] constinit InspectRoot inspect_root = Inspect::root();

void begin_inspection(LoopCore& loop) noexcept {
  const std::lock_guard lock(mutex);
  loop.next_inspected = inspect_root.loops;
  inspect_root.loops = &loop;
}

void end_inspection(LoopCore& loop) noexcept {
  const std::lock_guard lock(mutex);
  for (LoopCore** link = &inspect_root.loops; *link != nullptr; link = &(*link)->next_inspected) {
    if (*link != &loop) continue;
    *link = loop.next_inspected;
    return;
  }
}

void lock_inspection() noexcept { mutex.lock(); }
void unlock_inspection(bool in_child) noexcept {
  if (in_child) inspect_root.loops = nullptr;
  mutex.unlock();
}

}  // namespace coil::detail
