#pragma once
#include <liburing.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <vector>

#include <coil/detail/ring.hpp>
#include <coil/detail/timer_queue.hpp>
#include <coil/fault_plan.hpp>

namespace coil::detail {

testing::Op op_of(const io_uring_sqe& submission) noexcept;

/// A transfer that is asked for in a smaller size: what the kernel is given instead.
class ShortTransfer {
public:
  /// Changes `sqe` if it is a transfer that may be short.
  void apply(io_uring_sqe& sqe, std::size_t most, std::size_t less);
  /// Tells the caller's message what the kernel has told the other one.
  void finish() noexcept;

private:
  void shorten_pieces(const ::iovec* pieces, std::size_t count, std::size_t size);

  std::vector<::iovec> pieces_;
  ::msghdr message_{};
  ::msghdr* original_ = nullptr;
};

/// A ring that does to some operations what a FaultPlan says, and passes all on to another ring.
///
/// Each operation is represented there by a Stand-in, which sees its completions first. Where the plan has rules for
/// them, accepting and receiving again and again is done by single operations, each of which counts for itself.
class FaultyRing final : public Ring {
public:
  FaultyRing(std::unique_ptr<Ring> ring, testing::FaultPlan& plan, LoopParts& parts);
  ~FaultyRing() override;

  void submit(RingOperation& operation) noexcept override;
  void cancel(RingOperation& operation) noexcept override;
  void poll(std::chrono::nanoseconds timeout) noexcept override;
  bool has_work() const noexcept override { return ring_->has_work() || !arrived_.empty() || !without_room_.empty(); }
  bool idle() const noexcept override { return Ring::idle() && ring_->idle(); }
  std::unique_ptr<Ring> take_ring_behind() noexcept override { return std::move(ring_); }
  bool supports(unsigned opcode) noexcept override { return ring_->supports(opcode); }

private:
  class StandIn;
  struct Arrival {
    StandIn* operation;
    std::int32_t result;
    std::uint32_t flags;
    bool more;
  };
  StandIn& take(RingOperation& operation);
  void begin(StandIn& operation) noexcept;
  void pass_room(StandIn& operation) noexcept;
  void pass_delay(StandIn& operation) noexcept;
  void end_delay(StandIn& operation) noexcept;
  void completed(StandIn& operation, std::int32_t result, std::uint32_t flags, bool more) noexcept;
  void tell(const Arrival& arrival) noexcept;
  void release(StandIn& operation) noexcept;
  void release_all() noexcept;
  void shuffle(std::vector<Arrival>& batch) noexcept;
  void start_timer(StandIn& operation, std::chrono::nanoseconds time) noexcept;
  void let_clock_run(const StandIn& operation, bool runs) noexcept;

  std::unique_ptr<Ring> ring_;
  testing::FaultPlan& plan_;
  LoopParts& parts_;
  std::uint64_t order_ = 0;                          // state of the random order
  std::vector<std::unique_ptr<StandIn>> stand_ins_;  // by the operations' tags
  std::vector<std::uint32_t> free_;
  std::vector<StandIn*> without_room_;  // as if the submission queue was full
  std::vector<Arrival> arrived_;        // to be told with the next poll
};

}  // namespace coil::detail
