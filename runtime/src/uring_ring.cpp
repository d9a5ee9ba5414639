#include "uring_ring.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <new>
#include <thread>
#include <utility>

#include <coil/detail/check.hpp>

#include "fork.hpp"
#include "ring_error.hpp"

namespace coil::detail {

namespace {

#ifdef NDEBUG
constexpr bool checks_generations = false;
#else
constexpr bool checks_generations = true;
#endif

constexpr std::uint64_t is_cancel = std::uint64_t{1} << 63;  // in no address, and in no generation
constexpr std::uint32_t generation_mask = 0x7fffffff;
constexpr unsigned entries_min = 64;
constexpr auto pause_for_memory_min = std::chrono::milliseconds(1);
constexpr auto pause_for_memory_max = std::chrono::milliseconds(256);
constexpr std::chrono::nanoseconds line_wait_max = std::chrono::milliseconds(10);  // of what waits for room or memory

// Enough for slow files beside fast ones; the kernel's own limits are 4 per CPU, and tens of thousands for
// what may block for ever.
constexpr unsigned bounded_workers_min = 32;
constexpr std::size_t waiting_workers_max = 1024;
constexpr unsigned unbounded_workers_max = 256;

}  // namespace

// A child that is forked off has neither the ring's memory, which would hold on to it, nor its descriptor.
UringRing::UringRing(unsigned entries, testing::FaultPlan* plan) {
  set_up(std::clamp(entries, 1U, 32768U), plan);
  shared_ = {ring_.cq.ktail, ring_.cq.khead, ring_.sq.kflags, IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW};
  io_uring_ring_dontfork(&ring_);
  close_in_forked_children(ring_.ring_fd);
}

UringRing::~UringRing() {
  check(idle(), "the ring is closed with nothing in the kernel");
  leave_in_forked_children(ring_.ring_fd);
  io_uring_queue_exit(&ring_);
}

// Older kernels know fewer of the flags and answer EINVAL; a user without locked memory left gets ENOMEM. The kernel
// gives the memory of a closed ring back late, by milliseconds or, where many are closed, by tenths of a second: that is
// waited for.
void UringRing::set_up(unsigned entries, testing::FaultPlan* plan) {
  features_ = RingFeatures::from_environment();
  int error = open_ring(entries, plan);
  for (auto pause = pause_for_memory_min; error == ENOMEM && pause <= pause_for_memory_max; pause *= 2) {
    std::this_thread::sleep_for(pause);
    error = open_ring(entries, plan);
  }
  if (error != 0) throw_ring_unavailable(error);
  if ((ring_.features & IORING_FEAT_NODROP) == 0 || (ring_.features & IORING_FEAT_EXT_ARG) == 0) {
    io_uring_queue_exit(&ring_);
    throw_ring_unavailable(ENOSYS);
  }
  if (features_.may_use(RingFeature::registered_fd))
    io_uring_register_ring_fd(&ring_);  // spares a look-up per call; not everywhere to be had
}

// Opens it as large as it can, with the flags that the kernel knows; gives the error, 0 for none.
int UringRing::open_ring(unsigned entries, testing::FaultPlan* plan) noexcept {
  constexpr unsigned always = IORING_SETUP_CLAMP;
  constexpr unsigned deferred = always | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER |
                                IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;  // 6.1
  constexpr unsigned cooperative =
      always | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;  // 5.19
  int error = EINVAL;
  for (const unsigned flags : {deferred, cooperative, always}) {
    if (flags == deferred && !features_.may_use(RingFeature::defer_taskrun)) continue;
    if (flags == cooperative && !features_.may_use(RingFeature::coop_taskrun)) continue;
    for (unsigned size = entries;; size /= 2) {
      io_uring_params params{};
      params.flags = flags | IORING_SETUP_CQSIZE;
      params.cq_entries = size * 4;
      error = Faults::setup_error(plan);
      if (error == 0) error = -io_uring_queue_init_params(size, &ring_, &params);
      if (error != ENOMEM || size <= entries_min) break;
    }
    if (error != EINVAL) break;
  }
  return error;
}

// ---- Submission ------------------------------------------------------------------------------------------

void UringRing::submit(RingOperation& operation) noexcept {
  count_in(operation);
  if (operation.self_finishing() && may_wait() + bounded_workers_min > workers_) limit_workers();
  if (!backlog_.empty() || !pass_on(operation)) {
    operation.place_ = RingOperation::Place::backlog;
    backlog_.push_back(operation);
  }
}

void UringRing::cancel(RingOperation& operation) noexcept {
  if (operation.place_ == RingOperation::Place::backlog) {
    backlog_.remove(operation);
    operation.place_ = RingOperation::Place::nowhere;
    count_out(operation);
    operation.complete(-ECANCELED, 0, false);
    return;
  }
  check(operation.place_ == RingOperation::Place::kernel, "what is cancelled is in the kernel, and cancelled once");
  if (!pass_on_cancel(operation)) {
    operation.place_ = RingOperation::Place::kernel_and_cancel_backlog;
    cancel_backlog_.push_back(operation);
  }
}

bool UringRing::pass_on(RingOperation& operation) noexcept {
  io_uring_sqe* sqe = has_room_for_tag() ? next_sqe() : nullptr;
  if (sqe == nullptr) return false;
  operation.prepare(*sqe);
  sqe->user_data = open_tag(operation);
  operation.place_ = RingOperation::Place::kernel;
  return true;
}

bool UringRing::pass_on_cancel(RingOperation& operation) noexcept {
  io_uring_sqe* sqe = has_room_for_cancel() ? next_sqe() : nullptr;
  if (sqe == nullptr) return false;
  operation.cancel_ = free_cancel_;
  Cancel& cancel = cancels_[free_cancel_ - 1];
  free_cancel_ = cancel.next_free;
  cancel.target = &operation;
  cancel.answer = faults_ == nullptr ? 0 : faults_->answer_to_cancel(operation);
  if (cancel.answer == -ENOENT)
    io_uring_prep_nop(sqe);  // it is overlooked
  else
    io_uring_prep_cancel64(sqe, tag_of(operation), 0);
  sqe->user_data = is_cancel | operation.cancel_;
  ++cancels_in_kernel_;
  return true;
}

// Without memory the cancellation waits in the backlog.
bool UringRing::has_room_for_cancel() noexcept try {
  if (free_cancel_ != 0) return true;
  cancels_.push_back({nullptr, 0, 0});
  free_cancel_ = static_cast<std::uint32_t>(cancels_.size());
  return true;
} catch (const std::bad_alloc&) {
  has_queued_ = true;
  return false;
}

// ENOENT says that the operation is complete, or that it is just being tried again and was overlooked.
void UringRing::cancel_answered(std::uint32_t cancel, std::int32_t result) noexcept {
  check(cancels_in_kernel_ != 0, "every cancellation is answered once");
  --cancels_in_kernel_;
  RingOperation* target = std::exchange(cancels_[cancel - 1].target, nullptr);
  cancels_[cancel - 1].next_free = std::exchange(free_cancel_, cancel);
  if (cancels_[cancel - 1].answer != 0) result = cancels_[cancel - 1].answer;
  if (target == nullptr) return;
  target->cancel_ = 0;
  if (result != -ENOENT) return;
  target->place_ = RingOperation::Place::kernel_and_cancel_backlog;
  cancel_backlog_.push_back(*target);
  has_queued_ = true;
}

// However many opens wait for the other sides of FIFOs, some threads are left for operations that end by themselves.
void UringRing::limit_workers() noexcept {
  const auto waiting = static_cast<unsigned>(std::min(may_wait(), waiting_workers_max));
  if (workers_ != 0 && waiting + bounded_workers_min <= workers_) return;
  workers_ = bounded_workers_min + 2 * waiting;
  unsigned limits[] = {workers_, unbounded_workers_max};
  if (features_.may_use(RingFeature::worker_limits)) io_uring_register_iowq_max_workers(&ring_, limits);
}

io_uring_sqe* UringRing::next_sqe() noexcept {
  has_queued_ = true;  // also without a place: what then waits in a backlog counts too
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  if (sqe != nullptr) return sqe;
  ++counters_.enters;
  io_uring_submit(&ring_);  // an error leaves the queue full: the operation waits in the backlog
  return io_uring_get_sqe(&ring_);
}

void UringRing::flush_backlogs() noexcept {
  while (auto* operation = static_cast<RingOperation*>(cancel_backlog_.front())) {
    if (!pass_on_cancel(*operation)) return;
    cancel_backlog_.remove(*operation);
    operation->place_ = RingOperation::Place::kernel;
  }
  while (auto* operation = static_cast<RingOperation*>(backlog_.front())) {
    backlog_.remove(*operation);
    if (pass_on(*operation)) continue;
    backlog_.push_front(*operation);
    return;
  }
}

// ---- Completion ------------------------------------------------------------------------------------------

void UringRing::poll(std::chrono::nanoseconds timeout) noexcept {
  flush_backlogs();
  // Without memory nothing else may come that would be a reason to try again.
  const bool waits_in_line = !backlog_.empty() || !cancel_backlog_.empty();
  if (waits_in_line && (timeout.count() < 0 || timeout > line_wait_max)) timeout = line_wait_max;
  if (io_uring_cq_ready(&ring_) != 0) timeout = std::chrono::nanoseconds::zero();
  if (timeout.count() != 0 || io_uring_sq_ready(&ring_) != 0 || must_enter()) enter(timeout);
  has_queued_ = io_uring_sq_ready(&ring_) != 0 || !backlog_.empty() || !cancel_backlog_.empty();
  drain();
}

void UringRing::enter(std::chrono::nanoseconds timeout) noexcept {
  ++counters_.enters;
  RingFaults::Call fault;
  if (faults_ != nullptr) fault = faults_->next_call();
  int result = -fault.error;
  if (result == 0) {
    const unsigned queued = io_uring_sq_ready(&ring_);
    const unsigned kept = queued - std::min(queued, fault.submissions_max);
    ring_.sq.sqe_tail -= kept;
    result = call_kernel(kept == 0 ? timeout : std::chrono::nanoseconds::zero());
    ring_.sq.sqe_tail += kept;
  }
  switch (result < 0 ? -result : 0) {
    case 0:
    case EINTR:   // a signal: a turn of the loop
    case ETIME:   // the timeout
    case EAGAIN:  // short of memory or of room for completions: reap, and try again on the next turn
    case EBUSY:
    case ENOMEM:
      return;
    case EBADR:
      fail("the kernel had no memory for completions and dropped some (EBADR)", std::source_location::current());
    default:
      fail("io_uring_enter failed: the ring was used from another thread or closed", std::source_location::current());
  }
}

int UringRing::call_kernel(std::chrono::nanoseconds timeout) noexcept {
  if (timeout.count() == 0) return io_uring_submit_and_get_events(&ring_);
  if (timeout.count() < 0) return io_uring_submit_and_wait(&ring_, 1);
  __kernel_timespec limit{};
  limit.tv_sec = timeout.count() / 1'000'000'000;
  limit.tv_nsec = timeout.count() % 1'000'000'000;
  io_uring_cqe* unused = nullptr;
  return io_uring_submit_and_wait_timeout(&ring_, &unused, 1, &limit, nullptr);
}

void UringRing::drain() noexcept {
  io_uring_cqe* cqe = nullptr;
  while (io_uring_cq_ready(&ring_) != 0) {
    // One at a time, taken out before it is acted upon: acting may submit, and so enter the kernel.
    if (io_uring_peek_cqe(&ring_, &cqe) != 0) break;
    const std::uint64_t tag = cqe->user_data;
    const std::int32_t result = cqe->res;
    const std::uint32_t flags = cqe->flags;
    io_uring_cq_advance(&ring_, 1);
    if ((tag & is_cancel) != 0) {
      cancel_answered(static_cast<std::uint32_t>(tag), result);
      continue;
    }
    const bool more = (flags & IORING_CQE_F_MORE) != 0;
    RingOperation& operation = operation_of(tag, !more);
    counters_.faults += result == -EFAULT;
    const bool comes_twice = faults_ != nullptr && !more && faults_->comes_twice(operation);
    if (!more) {
      if (operation.place_ == RingOperation::Place::kernel_and_cancel_backlog) cancel_backlog_.remove(operation);
      operation.place_ = RingOperation::Place::nowhere;
      if (operation.cancel_ != 0) cancels_[std::exchange(operation.cancel_, 0) - 1].target = nullptr;
      count_out(operation);
    }
    operation.complete(result, flags, more);
    if (comes_twice) operation_of(tag, true);  // is found out there
  }
}

// ---- Which completion belongs to which operation ---------------------------------------------------------

// Without memory the operation waits in the backlog.
bool UringRing::has_room_for_tag() noexcept try {
  if (!checks_generations || free_tag_ != UINT32_MAX) return true;
  tags_.push_back({nullptr, 0, UINT32_MAX});
  free_tag_ = static_cast<std::uint32_t>(tags_.size() - 1);
  return true;
} catch (const std::bad_alloc&) {
  has_queued_ = true;
  return false;
}

std::uint64_t UringRing::open_tag(RingOperation& operation) noexcept {
  if constexpr (!checks_generations) return reinterpret_cast<std::uint64_t>(&operation);
  operation.tag_ = free_tag_;
  Tag& tag = tags_[free_tag_];
  free_tag_ = tag.next_free;
  tag.operation = &operation;
  tag.generation = (tag.generation + 1) & generation_mask;
  return tag_of(operation);
}

std::uint64_t UringRing::tag_of(const RingOperation& operation) const noexcept {
  if constexpr (!checks_generations) return reinterpret_cast<std::uint64_t>(&operation);
  return std::uint64_t{tags_[operation.tag_].generation} << 32 | operation.tag_;
}

RingOperation& UringRing::operation_of(std::uint64_t tag, bool last) noexcept {
  if constexpr (!checks_generations) return *reinterpret_cast<RingOperation*>(tag);
  const auto index = static_cast<std::uint32_t>(tag);
  check(index < tags_.size() && tags_[index].operation != nullptr && tags_[index].generation == tag >> 32,
        "a completion came for an operation that is over");
  RingOperation& operation = *tags_[index].operation;
  if (last) {
    tags_[index].operation = nullptr;
    tags_[index].next_free = free_tag_;
    free_tag_ = index;
  }
  return operation;
}

bool UringRing::register_buffers(void* memory, unsigned entries, std::uint16_t group) noexcept {
  io_uring_buf_reg shared{};
  shared.ring_addr = reinterpret_cast<std::uintptr_t>(memory);
  shared.ring_entries = entries;
  shared.bgid = group;
  return io_uring_register_buf_ring(&ring_, &shared, 0) == 0;
}

void UringRing::unregister_buffers(std::uint16_t group) noexcept { io_uring_unregister_buf_ring(&ring_, group); }

bool UringRing::supports(unsigned opcode) noexcept {
  if (opcodes_ == 0) {
    opcodes_ = 1;  // IORING_OP_NOP is in every kernel
    if (io_uring_probe* probe = io_uring_get_probe_ring(&ring_)) {
      for (unsigned op = 0; op < 64 && op <= probe->last_op; ++op)
        if ((probe->ops[op].flags & IO_URING_OP_SUPPORTED) != 0 && features_.may_use_opcode(op))
          opcodes_ |= std::uint64_t{1} << op;
      io_uring_free_probe(probe);
    }
  }
  return opcode < 64 && (opcodes_ >> opcode & 1) != 0;
}

}  // namespace coil::detail
