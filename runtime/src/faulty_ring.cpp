#include "faulty_ring.hpp"

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

enum class Stage : std::uint8_t { free, without_room, delayed, in_ring, held, told };

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
    cancelled = false;
  }
  void prepare(io_uring_sqe& sqe) noexcept override { sqe = *submission; }
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

bool is_of_stream(int fd) noexcept {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type == SOCK_STREAM;
}

}  // namespace

FaultyRing::FaultyRing(std::unique_ptr<Ring> ring, testing::FaultPlan& plan, LoopParts& parts)
    : ring_(std::move(ring)), plan_(plan), parts_(parts), order_(plan.order_seed_.value_or(0)) {
  plan_.restart();
}

FaultyRing::~FaultyRing() { check(Ring::idle(), "a ring is closed with nothing on its way"); }

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
  begin(take(operation));
}

void FaultyRing::begin(StandIn& operation) noexcept {
  *operation.submission = {};
  operation.target->prepare(*operation.submission);
  operation.rule = nullptr;
  operation.repeats = false;
  if (!operation.internal()) {
    const Op op = op_of(*operation.submission);
    operation.repeats = is_multishot(*operation.submission) && plan_.concerns(op);
    if (operation.repeats) make_single(*operation.submission);
    operation.rule = plan_.choose(op, *operation.submission);
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
  ring_->submit(operation);
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
  let_clock_run(operation, false);
  if (operation.stage == Stage::delayed) return pass_delay(operation);
  operation.stage = Stage::told;
  arrived_.push_back(operation.held);
}

void FaultyRing::cancel(RingOperation& cancelled) noexcept {
  StandIn& operation = *stand_ins_[cancelled.tag_];
  check(operation.target == &cancelled && !operation.cancelled, "what is cancelled is under way, and cancelled once");
  operation.cancelled = true;
  switch (operation.stage) {
    case Stage::in_ring:
      return ring_->cancel(operation);
    case Stage::without_room:
      std::erase(without_room_, &operation);
      break;
    case Stage::delayed:
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

// ---- The way back ----------------------------------------------------------------------------------------

void FaultyRing::completed(StandIn& operation, std::int32_t result, std::uint32_t flags, bool more) noexcept {
  const FaultRule* rule = operation.rule;
  operation.transfer.finish();
  counters_.faults += result == -EFAULT && (rule == nullptr || !rule->result_);
  if (rule != nullptr && rule->result_ && result >= 0) result = *rule->result_;
  const bool gives_nothing = result < 0 || (result == 0 && operation.submission->opcode != IORING_OP_ACCEPT);
  const bool goes_on = more || (operation.repeats && !gives_nothing && !(rule != nullptr && rule->overflow_));
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
  if (plan_.order_seed_) shuffle(batch);
  for (const Arrival& arrival : batch) tell(arrival);
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
    if (operation->stage != Stage::delayed && operation->stage != Stage::held) continue;
    parts_.timers.remove(operation->timer);
    end_delay(*operation);
  }
}

// ---- Short transfers -------------------------------------------------------------------------------------

void ShortTransfer::apply(io_uring_sqe& sqe, std::size_t most, std::size_t less) {
  const auto shorter = [&](std::size_t size) {
    return std::max<std::size_t>(std::min(most, size - std::min(less, size)), 1);
  };
  const auto shorten = [&](std::size_t size) { return static_cast<unsigned>(shorter(size)); };
  switch (sqe.opcode) {
    case IORING_OP_RECV:
    case IORING_OP_SEND:
      if (!is_of_stream(sqe.fd)) return;
      // A buffer that the kernel chooses has its own size, which 0 stands for.
      if ((sqe.flags & IOSQE_BUFFER_SELECT) != 0 && sqe.len == 0)
        sqe.len = most == SIZE_MAX ? 0 : static_cast<unsigned>(most);
      else
        sqe.len = shorten(sqe.len);
      return;
    case IORING_OP_READ:
    case IORING_OP_WRITE:
    case IORING_OP_SPLICE:
      sqe.len = shorten(sqe.len);
      return;
    case IORING_OP_READV:
    case IORING_OP_WRITEV: {
      const auto* pieces = reinterpret_cast<const ::iovec*>(sqe.addr);
      std::size_t size = 0;
      for (unsigned i = 0; i < sqe.len; ++i) size += pieces[i].iov_len;
      shorten_pieces(pieces, sqe.len, shorter(size));
      sqe.addr = reinterpret_cast<std::uintptr_t>(pieces_.data());
      sqe.len = static_cast<unsigned>(pieces_.size());
      return;
    }
    case IORING_OP_RECVMSG:
    case IORING_OP_SENDMSG: {
      if (!is_of_stream(sqe.fd)) return;
      original_ = reinterpret_cast<::msghdr*>(sqe.addr);
      message_ = *original_;
      std::size_t size = 0;
      for (std::size_t i = 0; i < message_.msg_iovlen; ++i) size += message_.msg_iov[i].iov_len;
      shorten_pieces(message_.msg_iov, message_.msg_iovlen, shorter(size));
      message_.msg_iov = pieces_.data();
      message_.msg_iovlen = pieces_.size();
      sqe.addr = reinterpret_cast<std::uintptr_t>(&message_);
      return;
    }
    default:
      return;
  }
}

void ShortTransfer::shorten_pieces(const ::iovec* pieces, std::size_t count, std::size_t size) {
  pieces_.clear();
  for (std::size_t i = 0; i < count && size != 0; ++i) {
    pieces_.push_back({pieces[i].iov_base, std::min(pieces[i].iov_len, size)});
    size -= pieces_.back().iov_len;
  }
}

void ShortTransfer::finish() noexcept {
  if (::msghdr* original = std::exchange(original_, nullptr)) {
    original->msg_namelen = message_.msg_namelen;
    original->msg_controllen = message_.msg_controllen;
    original->msg_flags = message_.msg_flags;
  }
}

}  // namespace coil::detail
