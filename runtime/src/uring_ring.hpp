#pragma once
#include <liburing.h>

#include <cstdint>
#include <vector>

#include <coil/detail/ring.hpp>

#include "faults.hpp"
#include "ring_faults.hpp"
#include "ring_features.hpp"

namespace coil::detail {

/// The real ring. Made in the thread that runs it (IORING_SETUP_SINGLE_ISSUER).
class UringRing final : public Ring {
public:
  /// With what a test's `plan` says of its making. Errors: RingUnavailableError.
  explicit UringRing(unsigned entries, testing::FaultPlan* plan = nullptr);
  /// Nothing may be left in the kernel.
  ~UringRing() override;

  void submit(RingOperation& operation) noexcept override;
  void cancel(RingOperation& operation) noexcept override;
  void poll(std::chrono::nanoseconds timeout) noexcept override;
  bool idle() const noexcept override { return Ring::idle() && cancels_in_kernel_ == 0; }
  bool register_buffers(void* memory, unsigned entries, std::uint16_t group) noexcept override;
  void unregister_buffers(std::uint16_t group) noexcept override;
  void set_faults(RingFaults* faults) noexcept override { faults_ = faults; }
  bool supports(unsigned opcode) noexcept override;

private:
  void set_up(unsigned entries, testing::FaultPlan* plan);
  int open_ring(unsigned entries, testing::FaultPlan* plan) noexcept;
  io_uring_sqe* next_sqe() noexcept;
  bool pass_on(RingOperation& operation) noexcept;
  bool pass_on_cancel(RingOperation& operation) noexcept;
  void cancel_answered(std::uint32_t cancel, std::int32_t result) noexcept;
  void limit_workers() noexcept;
  void flush_backlogs() noexcept;
  void enter(std::chrono::nanoseconds timeout) noexcept;
  int call_kernel(std::chrono::nanoseconds timeout) noexcept;
  void drain() noexcept;
  bool must_enter() const noexcept { return (look_at(shared_.flags) & shared_.flags_that_call) != 0; }

  // With assertions on, an operation's user_data is a generation and an index into `tags_`, so that a
  // completion for a dead operation is found out; without, it is its address.
  struct Tag {
    RingOperation* operation;
    std::uint32_t generation;
    std::uint32_t next_free;
  };
  bool has_room_for_tag() noexcept;
  std::uint64_t open_tag(RingOperation& operation) noexcept;
  std::uint64_t tag_of(const RingOperation& operation) const noexcept;
  RingOperation& operation_of(std::uint64_t tag, bool last) noexcept;

  io_uring ring_{};
  RingFeatures features_;
  RingFaults* faults_ = nullptr;
  unsigned workers_ = 0;       // what io_uring_register_iowq_max_workers was told; 0: nothing yet
  std::uint64_t opcodes_ = 0;  // bit per IORING_OP_; 0: not asked yet

  // Cancellations in the kernel: the operation that each is for, null once that is over.
  struct Cancel {
    RingOperation* target;
    std::uint32_t next_free;
    std::int32_t answer;  // that a test wants in place of the kernel's; 0: none
  };
  std::vector<Cancel> cancels_;
  std::uint32_t free_cancel_ = 0;  // from 1
  std::size_t cancels_in_kernel_ = 0;
  bool has_room_for_cancel() noexcept;

  WaitQueue backlog_;         // operations that found the submission queue full, or no memory for what tells them apart
  WaitQueue cancel_backlog_;  // operations whose cancellation did
  std::vector<Tag> tags_;
  std::uint32_t free_tag_ = UINT32_MAX;
};

}  // namespace coil::detail
