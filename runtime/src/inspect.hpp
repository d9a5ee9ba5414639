#pragma once
#include <cstdint>

namespace coil::detail {

struct LoopCore;

/// Where another process finds what runs here: coil-ps. It stands in a section of its own, `.coil_inspect`, which a
/// program has after it was stripped, too; and it says where things stand in what it leads to, as CPython's
/// `_Py_DebugOffsets` does. All numbers are offsets in bytes, if not said otherwise.
struct InspectRoot {
  static constexpr char known_mark[16] = "coil-inspect-1";
  char mark[16] = "coil-inspect-1";
  std::uint32_t size;  // of this
  struct {
    std::uint32_t states, current, number, next;
  } loop;
  std::uint32_t pool_chunks;
  struct {
    std::uint32_t next, count, first;
  } chunk;
  struct {
    std::uint32_t size, phase, flags, is_task /* a bit of flags */, waiters, extras, resume, created_at;
  } task;
  struct {
    std::uint8_t free, created, ready, running, done;  // values; what is not less than done is over
  } phase;
  std::uint32_t extras_name;
  struct {
    std::uint32_t next, task;
  } suspension;
  struct {
    std::uint32_t promise, receiver, where;
  } frame;
  std::uint32_t slot_continuation;
  LoopCore* loops;  // the newest one
};

/// From now on it can be inspected. Threads: any.
void begin_inspection(LoopCore& loop) noexcept;
/// No more. Does nothing in a child that was forked off since.
void end_inspection(LoopCore& loop) noexcept;

void lock_inspection() noexcept;
/// Of a child: the loops that there are are its parent's.
void unlock_inspection(bool in_child) noexcept;

}  // namespace coil::detail
