#pragma once
#include <cstdint>

#include <coil/detail/frame_pool.hpp>
#include <coil/detail/state_ref.hpp>
#include <coil/detail/suspension.hpp>

namespace coil::detail {

class FdOperation;
struct LoopCore;

/// What the owner of a descriptor shares with the operations on it: it stays open until the last of them is over.
///
/// Closing it is: no new operation begins, those that are under way are stopped (they end with ECANCELED, or with
/// their result if they have one all the same), and when the kernel has answered for the last of them, the number
/// is given back. So a number never meets an operation that was meant for its former owner.
struct FdState final : Pooled {
  explicit FdState(int fd) noexcept : number(fd) {}

  void ref() noexcept { ++refs; }
  void unref() noexcept {
    if (--refs == 0) delete this;
  }
  /// The owner gives it up.
  void close() noexcept;
  /// The owner gives the number away: nothing may be under way.
  int release() noexcept;

  // ---- For operations ----

  /// Takes note that `operation` is under way. False: it waits for its turn, and `start_turn` is called then.
  bool enter(FdOperation& operation) noexcept;
  /// It is over.
  void leave(FdOperation& operation) noexcept;
  /// Between the two it stays open, for an operation that is in the list of another descriptor and ends by itself.
  void pin() noexcept { ++pins; }
  void unpin() noexcept;
  /// The number is given back.
  void finish(int close_error) noexcept;

  int number;               // -1 once closed
  int error = 0;            // of closing
  bool is_private = false;  // children that are forked off do not have it, see detail/owned_fd.hpp
  bool by_ring = false;     // is closed without the loop waiting for it, as files may take a while
  std::uint32_t refs = 0;   // of the owner, and of operations, awaited or not
  std::uint32_t pins = 0;
  bool closing = false;               // or given away
  FdOperation* operations = nullptr;  // under way, the newest first
  FdOperation* writer = nullptr;      // whose turn it is among those that take turns
  WaitQueue line;                     // the others among them
  WaitQueue closers;                  // wait for the last operation
  LoopCore* loop = nullptr;           // of the operations

private:
  void finish_if_free() noexcept;
};

using FdHold = StateRef<FdState>;

}  // namespace coil::detail
