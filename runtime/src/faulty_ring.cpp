#include "faulty_ring.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <coil/detail/check.hpp>

#include "loop_parts.hpp"
#include "random.hpp"

namespace coil::detail {

using std::chrono::nanoseconds;
using testing::FaultRule;
using testing::Op;

namespace {

enum class Stage : std::uint8_t { free, without_room, delayed, travelling, stuck, in_ring, held, told };

}  // namespace

/// Stands in the ring behind for an operation.
class FaultyRing::StandIn final : public RingOperation {
public:
  explicit StandIn(FaultyRing& ring, std::uint32_t number) noexcept : home(ring), index(number), timer(*this) {}

  void begin_for(RingOperation& operation) noexcept {
    target = &operation;
    self_finishing_ = operation.self_finishing();
    may_wait_ = operation.may_wait();
    internal_ = operation.internal();
    cancelled = cut_off = interrupted = false;
  }
  void prepare(io_uring_sqe& sqe) noexcept override {
    if (polls)
      io_uring_prep_poll_add(&sqe, submission->fd, POLLIN);
    else
      sqe = *submission;
  }
  void complete(std::int32_t result, std::uint32_t flags, bool more) noexcept override {
    home.completed(*this, result, flags, more);
  }
  void wake(FutureState*) noexcept override {}

  /// Ends a delay.
  struct Timer final : TimedSuspension {
    explicit Timer(StandIn& operation) noexcept : owner(operation) {}
    void wake(FutureState*) noexcept override { owner.home.end_delay(owner); }
    Abort abort() noexcept override { return Abort::gone; }
    StandIn& owner;
  };

  FaultyRing& home;
  const std::uint32_t index;
  RingOperation* target = nullptr;
  FaultRule* rule = nullptr;  // that takes effect
  Stage stage = Stage::free;
  bool repeats = false;  // done as single operations, one after the other
  bool cancelled = false;
  bool polls = false;        // for what comes over the network
  bool cut_off = false;      // its connection was lost, and the ring behind has been asked to stop it
  bool interrupted = false;  // ends so if the ring behind stops it
  NetworkModel::Crossing crossing{};
  unsigned turns = 0;  // until there is room
  ShortTransfer transfer;
  Timer timer;
  Arrival held{};
  const std::unique_ptr<io_uring_sqe> submission = std::make_unique<io_uring_sqe>();
};

namespace {

bool is_multishot(const io_uring_sqe& sqe) noexcept {
  if (sqe.opcode == IORING_OP_ACCEPT) return (sqe.ioprio & IORING_ACCEPT_MULTISHOT) != 0;
  const bool receives = sqe.opcode == IORING_OP_RECV || sqe.opcode == IORING_OP_RECVMSG;
  return receives && (sqe.ioprio & IORING_RECV_MULTISHOT) != 0;
}

void make_single(io_uring_sqe& sqe) noexcept {
  const unsigned multishot = sqe.opcode == IORING_OP_ACCEPT ? IORING_ACCEPT_MULTISHOT : IORING_RECV_MULTISHOT;
  sqe.ioprio = static_cast<std::uint16_t>(sqe.ioprio & ~multishot);
}

}  // namespace

FaultyRing::FaultyRing(std::unique_ptr<Ring> ring, testing::FaultPlan* plan, NetworkModel* network, LoopParts& parts)
    : ring_(std::move(ring)), plan_(plan), network_(network), parts_(parts) {
  if (plan_ != nullptr) {
    order_ = plan_->order_seed_.value_or(0);
    ring_->set_faults(this);
  }
  if (network_ != nullptr) network_->ring_ = this;
  shared_ = shared_of(*ring_);
}

FaultyRing::~FaultyRing() {
  if (network_ != nullptr) network_->ring_ = nullptr;
  check(Ring::idle(), "a ring is closed with nothing on its way");
}

// ---- The way to the kernel -------------------------------------------------------------------------------

FaultyRing::StandIn& FaultyRing::take(RingOperation& operation) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(stand_ins_.size()));
    stand_ins_.push_back(std::make_unique<StandIn>(*this, free_.back()));
  }
  StandIn& found = *stand_ins_[free_.back()];
  free_.pop_back();
  operation.tag_ = found.index;
  operation.place_ = RingOperation::Place::kernel;
  found.begin_for(operation);
  return found;
}

void FaultyRing::submit(RingOperation& operation) noexcept {
  count_in(operation);
  has_queued_ = true;
  begin(take(operation));
}

void FaultyRing::begin(StandIn& operation) noexcept {
  *operation.submission = {};
  operation.target->prepare(*operation.submission);
  operation.rule = nullptr;
  operation.repeats = operation.polls = false;
  operation.crossing = {};
  if (!operation.internal()) {
    const Op op = op_of(*operation.submission);
    const bool is_concerned = network_ != nullptr || plan_->concerns(op);
    operation.repeats = is_concerned && is_multishot(*operation.submission);
    if (operation.repeats) make_single(*operation.submission);
    if (plan_ != nullptr) operation.rule = plan_->choose(op, operation.submission.get());
  }
  operation.turns = operation.rule == nullptr ? 0 : operation.rule->turns_;
  if (operation.turns == 0) return pass_room(operation);
  operation.stage = Stage::without_room;
  without_room_.push_back(&operation);
}

void FaultyRing::pass_room(StandIn& operation) noexcept {
  if (operation.rule == nullptr || operation.rule->delay_.count() <= 0) return pass_delay(operation);
  operation.stage = Stage::delayed;
  start_timer(operation, operation.rule->delay_);
}

void FaultyRing::pass_delay(StandIn& operation) noexcept {
  operation.stage = Stage::in_ring;
  if (const FaultRule* rule = operation.rule) {
    const bool is_done = operation.submission->opcode == IORING_OP_CLOSE;  // whatever comes of it
    if (rule->result_ && !is_done) return completed(operation, *rule->result_, 0, false);
    if (rule->size_max_ != SIZE_MAX || rule->size_less_ != 0)
      operation.transfer.apply(*operation.submission, rule->size_max_, rule->size_less_);
  }
  if (network_ == nullptr || operation.internal()) return ring_->submit(operation);
  operation.crossing = network_->begin_crossing(*operation.submission);
  cross(operation);
}

// A virtual clock does not wait for what waits for it.
void FaultyRing::start_timer(StandIn& operation, nanoseconds time) noexcept {
  let_clock_run(operation, true);
  parts_.timers.add(operation.timer, saturating_add(parts_.now(), time));
}

void FaultyRing::let_clock_run(const StandIn& operation, bool runs) noexcept {
  if (!operation.self_finishing()) return;
  if (runs)
    --self_finishing_;
  else
    ++self_finishing_;
}

void FaultyRing::end_delay(StandIn& operation) noexcept {
  has_queued_ = true;
  let_clock_run(operation, false);
  if (operation.stage == Stage::delayed) return pass_delay(operation);
  if (operation.stage == Stage::travelling) return arrive(operation);
  operation.stage = Stage::told;
  arrived_.push_back(operation.held);
}

void FaultyRing::cancel(RingOperation& cancelled) noexcept {
  StandIn& operation = *stand_ins_[cancelled.tag_];
  check(operation.target == &cancelled && !operation.cancelled, "what is cancelled is under way, and cancelled once");
  operation.cancelled = true;
  has_queued_ = true;
  switch (operation.stage) {
    case Stage::in_ring:
      if (!operation.cut_off) ring_->cancel(operation);
      return;
    case Stage::without_room:
      std::erase(without_room_, &operation);
      break;
    case Stage::stuck:
      std::erase(stuck_, &operation);
      break;
    case Stage::delayed:
    case Stage::travelling:
      parts_.timers.remove(operation.timer);
      let_clock_run(operation, false);
      break;
    case Stage::held:
      parts_.timers.remove(operation.timer);
      return end_delay(operation);
    default:
      return;  // it is over, and that will be told
  }
  tell({&operation, -ECANCELED, 0, false});
}

// ---- The calls of the ring behind ------------------------------------------------------------------------

RingFaults::Call FaultyRing::next_call() noexcept {
  const FaultRule* rule = parts_.closing ? nullptr : plan_->choose(Op::enter, nullptr);
  if (rule == nullptr) return {};
  return {-rule->result_.value_or(0), static_cast<unsigned>(std::min<std::size_t>(rule->size_max_, UINT_MAX))};
}

std::int32_t FaultyRing::answer_to_cancel(RingOperation& operation) noexcept {
  auto& stand_in = static_cast<StandIn&>(operation);
  const FaultRule* rule = stand_in.internal() ? nullptr : plan_->choose(Op::cancel, stand_in.submission.get());
  const std::int32_t answer = rule == nullptr ? 0 : rule->result_.value_or(0);
  stand_in.interrupted = answer == -EALREADY;
  return answer;
}

bool FaultyRing::comes_twice(const RingOperation& operation) const noexcept {
  const FaultRule* rule = static_cast<const StandIn&>(operation).rule;
  return rule != nullptr && rule->twice_;
}

// ---- The way back ----------------------------------------------------------------------------------------

void FaultyRing::completed(StandIn& operation, std::int32_t result, std::uint32_t flags, bool more) noexcept {
  if (std::exchange(operation.polls, false)) {
    if (result >= 0 && !operation.cancelled && !operation.cut_off) return travel(operation);
    if (operation.cut_off)
      result = -ECONNRESET;
    else if (result >= 0)
      result = -ECANCELED;
  }
  constexpr std::int32_t restart_sys = 512;  // ERESTARTSYS, which the kernel keeps to itself but for such leaks
  if (operation.interrupted && result == -ECANCELED) result = -restart_sys;
  const FaultRule* rule = operation.rule;
  operation.transfer.finish();
  counters_.faults += result == -EFAULT && (rule == nullptr || !rule->result_);
  if (rule != nullptr && rule->result_ && result >= 0) result = *rule->result_;
  const bool gives_nothing = result < 0 || (result == 0 && operation.submission->opcode != IORING_OP_ACCEPT);
  const bool ends = rule != nullptr && (rule->overflow_ || rule->drops_more_);
  const bool goes_on = more || (operation.repeats && !gives_nothing && !ends);
  const Arrival arrival{&operation, result, goes_on ? flags | IORING_CQE_F_MORE : flags, goes_on};
  if (rule == nullptr || rule->hold_.count() <= 0 || operation.cancelled || more) {
    if (!more) operation.stage = Stage::told;
    arrived_.push_back(arrival);
    return;
  }
  operation.held = arrival;
  operation.stage = Stage::held;
  start_timer(operation, rule->hold_);
}

void FaultyRing::tell(const Arrival& arrival) noexcept {
  StandIn& operation = *arrival.operation;
  RingOperation& target = *operation.target;
  if (!arrival.more) {
    release(operation);
    target.complete(arrival.result, arrival.flags, false);
    return;
  }
  target.complete(arrival.result, arrival.flags, true);
  if (!operation.repeats) return;
  if (operation.cancelled)
    arrived_.push_back({&operation, -ECANCELED, 0, false});
  else
    begin(operation);
}

void FaultyRing::release(StandIn& operation) noexcept {
  RingOperation& target = *std::exchange(operation.target, nullptr);
  operation.stage = Stage::free;
  free_.push_back(operation.index);
  target.place_ = RingOperation::Place::nowhere;
  count_out(target);
}

void FaultyRing::poll(nanoseconds timeout) noexcept {
  if (parts_.closing) release_all();
  for (StandIn* operation : std::exchange(without_room_, {})) {
    if (operation->turns-- == 0)
      pass_room(*operation);
    else
      without_room_.push_back(operation);
  }
  if (!arrived_.empty() || !without_room_.empty()) timeout = nanoseconds::zero();
  const std::size_t old = arrived_.size();
  ring_->poll(timeout);
  counters_.enters = ring_->counters().enters;
  // What overflows, and what the others bring about, is told with the next call.
  std::vector<Arrival> batch = std::exchange(arrived_, {});
  const auto overflows = [](const Arrival& arrival) {
    return arrival.operation->rule != nullptr && arrival.operation->rule->overflow_;
  };
  std::copy_if(batch.begin() + static_cast<std::ptrdiff_t>(old), batch.end(), std::back_inserter(arrived_), overflows);
  batch.erase(std::remove_if(batch.begin() + static_cast<std::ptrdiff_t>(old), batch.end(), overflows), batch.end());
  if (plan_ != nullptr && plan_->order_seed_) shuffle(batch);
  for (const Arrival& arrival : batch) tell(arrival);
  has_queued_ = ring_->has_work() || !arrived_.empty() || !without_room_.empty();
}

// Those of one operation keep their order.
void FaultyRing::shuffle(std::vector<Arrival>& batch) noexcept {
  std::vector<Arrival> in_order = batch;
  for (std::size_t left = batch.size(); left > 1; --left) std::swap(batch[left - 1], batch[next_random(order_) % left]);
  for (Arrival& arrival : batch) {
    const auto its_next = std::ranges::find(in_order, arrival.operation, &Arrival::operation);
    arrival = *its_next;
    its_next->operation = nullptr;
  }
}

/// The loop ends: no time passes any more.
void FaultyRing::release_all() noexcept {
  for (const std::unique_ptr<StandIn>& operation : stand_ins_) {
    if (!operation->timer.queued()) continue;
    parts_.timers.remove(operation->timer);
    if (operation->stage == Stage::travelling) operation->crossing = {};
    end_delay(*operation);
  }
}

// ---- The network -----------------------------------------------------------------------------------------

// What is sent is in the hands of the sender's system at once, and its data is on the way until it is received. So
// one who receives waits until there is something, and then for as long as that has been on its way: whoever is
// cancelled meanwhile has taken nothing.
void FaultyRing::cross(StandIn& operation) noexcept {
  using Kind = NetworkModel::Crossing::Kind;
  if (const int error = network_->error_of(operation.crossing)) return completed(operation, -error, 0, false);
  switch (operation.crossing.kind) {
    case Kind::connects:
      return travel(operation);
    case Kind::receives:
      operation.polls = true;
      break;
    default:
      break;
  }
  ring_->submit(operation);
}

void FaultyRing::travel(StandIn& operation) noexcept {
  if (network_->is_blocked(operation.crossing)) {
    operation.stage = Stage::stuck;
    stuck_.push_back(&operation);
    return;
  }
  operation.stage = Stage::travelling;
  start_timer(operation, network_->travel_time(operation.crossing));
}

void FaultyRing::arrive(StandIn& operation) noexcept {
  if (const int error = network_->error_of(operation.crossing)) return completed(operation, -error, 0, false);
  if (network_->is_blocked(operation.crossing)) return travel(operation);
  operation.stage = Stage::in_ring;
  ring_->submit(operation);
}

void FaultyRing::network_changed() noexcept {
  has_queued_ = true;
  for (StandIn* operation : std::exchange(stuck_, {})) {
    const int error = network_->error_of(operation->crossing);
    if (error != 0)
      completed(*operation, -error, 0, false);
    else
      travel(*operation);
  }
  for (const std::unique_ptr<StandIn>& operation : stand_ins_) {
    if (operation->stage != Stage::in_ring || !operation->polls || operation->cancelled || operation->cut_off) continue;
    if (network_->error_of(operation->crossing) == 0) continue;
    operation->cut_off = true;
    ring_->cancel(*operation);
  }
}

void NetworkModel::changed() noexcept {
  if (ring_ != nullptr) ring_->network_changed();
}

}  // namespace coil::detail
