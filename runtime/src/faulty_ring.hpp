#pragma once
#include <liburing.h>

#include <cstdint>
#include <memory>
#include <vector>

#include <coil/detail/network_model.hpp>
#include <coil/detail/ring.hpp>
#include <coil/detail/timer_queue.hpp>
#include <coil/fault_plan.hpp>

#include "ring_faults.hpp"
#include "short_transfer.hpp"

namespace coil::detail {

testing::Op op_of(const io_uring_sqe& submission) noexcept;

/// A ring that does to some operations what a FaultPlan says, lets those of sockets cross a simulated network, and
/// passes all on to another ring.
///
/// Each operation is represented there by a Stand-in, which sees its completions first. Where the plan has rules for
/// them, accepting and receiving again and again is done by single operations, each of which counts for itself.
class FaultyRing final : public Ring, private RingFaults {
public:
  /// Of plan and network one may be null.
  FaultyRing(std::unique_ptr<Ring> ring, testing::FaultPlan* plan, NetworkModel* network, LoopParts& parts);
  ~FaultyRing() override;

  void submit(RingOperation& operation) noexcept override;
  void cancel(RingOperation& operation) noexcept override;
  void poll(std::chrono::nanoseconds timeout) noexcept override;
  bool idle() const noexcept override { return Ring::idle() && ring_->idle(); }
  /// What is held up in the network is looked at again.
  void network_changed() noexcept;
  Ring* release_ring_behind() noexcept override {
    ring_->set_faults(nullptr);
    return ring_.release();
  }
  bool supports(unsigned opcode) noexcept override { return ring_->supports(opcode); }

private:
  class StandIn;
  struct Arrival {
    StandIn* operation;
    std::int32_t result;
    std::uint32_t flags;
    bool more;
  };
  Call next_call() noexcept override;
  std::int32_t answer_to_cancel(RingOperation& operation) noexcept override;
  bool comes_twice(const RingOperation& operation) const noexcept override;
  StandIn& take(RingOperation& operation);
  void begin(StandIn& operation) noexcept;
  void pass_room(StandIn& operation) noexcept;
  void pass_delay(StandIn& operation) noexcept;
  void end_delay(StandIn& operation) noexcept;
  void completed(StandIn& operation, std::int32_t result, std::uint32_t flags, bool more) noexcept;
  void tell(const Arrival& arrival) noexcept;
  void release(StandIn& operation) noexcept;
  void release_all() noexcept;
  void cross(StandIn& operation) noexcept;
  void travel(StandIn& operation) noexcept;
  void arrive(StandIn& operation) noexcept;
  void shuffle(std::vector<Arrival>& batch) noexcept;
  void start_timer(StandIn& operation, std::chrono::nanoseconds time) noexcept;
  void let_clock_run(const StandIn& operation, bool runs) noexcept;

  std::unique_ptr<Ring> ring_;
  testing::FaultPlan* plan_;
  NetworkModel* network_;
  LoopParts& parts_;
  std::uint64_t order_ = 0;                          // state of the random order
  std::vector<std::unique_ptr<StandIn>> stand_ins_;  // by the operations' tags
  std::vector<std::uint32_t> free_;
  std::vector<StandIn*> stuck_;         // the network does not let them through
  std::vector<StandIn*> without_room_;  // as if the submission queue was full
  std::vector<Arrival> arrived_;        // to be told with the next poll
};

}  // namespace coil::detail
