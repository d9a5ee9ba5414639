#include <coil/fault_plan.hpp>

#include <liburing.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "faults.hpp"
#include "faulty_ring.hpp"
#include "random.hpp"

namespace coil::testing {

// ---- Conditions ------------------------------------------------------------------------------------------

FaultRule& FaultRule::fd(int number) noexcept {
  fd_ = number;
  return *this;
}

FaultRule& FaultRule::path(std::string part) {
  path_ = std::move(part);
  return *this;
}

FaultRule& FaultRule::nth(std::uint64_t n) noexcept {
  nth_ = n;
  return *this;
}

FaultRule& FaultRule::first(std::uint64_t n) noexcept {
  first_ = n;
  return *this;
}

FaultRule& FaultRule::after(std::uint64_t n) noexcept {
  after_ = n;
  return *this;
}

FaultRule& FaultRule::every(std::uint64_t n) noexcept {
  every_ = std::max<std::uint64_t>(n, 1);
  return *this;
}

FaultRule& FaultRule::probability(double p, std::uint64_t seed) noexcept {
  probability_ = p;
  seed_ = random_ = seed;
  return *this;
}

FaultRule& FaultRule::times(std::uint64_t n) noexcept {
  times_ = n;
  return *this;
}

// ---- Effects ---------------------------------------------------------------------------------------------

FaultRule& FaultRule::fail(int error) noexcept {
  result_ = -error;
  return *this;
}

FaultRule& FaultRule::short_to(std::size_t n) noexcept {
  size_max_ = std::max<std::size_t>(n, 1);
  return *this;
}

FaultRule& FaultRule::short_by(std::size_t n) noexcept {
  size_less_ = n;
  return *this;
}

FaultRule& FaultRule::end_of_file() noexcept {
  result_ = 0;
  return *this;
}

FaultRule& FaultRule::delay(std::chrono::nanoseconds time) noexcept {
  delay_ = time;
  return *this;
}

FaultRule& FaultRule::hold(std::chrono::nanoseconds time) noexcept {
  hold_ = time;
  return *this;
}

FaultRule& FaultRule::queue_full(unsigned turns) noexcept {
  turns_ = turns;
  return *this;
}

FaultRule& FaultRule::overflow() noexcept {
  overflow_ = true;
  return *this;
}

FaultRule& FaultRule::drop_more() noexcept {
  drops_more_ = true;
  return *this;
}

FaultRule& FaultRule::twice() noexcept {
  twice_ = true;
  return *this;
}

// ---- Choosing --------------------------------------------------------------------------------------------

namespace {

constexpr unsigned op_waitid = 50;     // 6.7
constexpr unsigned op_ftruncate = 55;  // 6.9

bool names_a_path(unsigned opcode) noexcept {
  switch (opcode) {
    case IORING_OP_OPENAT:
    case IORING_OP_STATX:
    case IORING_OP_RENAMEAT:
    case IORING_OP_UNLINKAT:
    case IORING_OP_MKDIRAT:
      return true;
    default:
      return false;
  }
}

std::string name_of(const io_uring_sqe& submission) {
  if (names_a_path(submission.opcode)) return reinterpret_cast<const char*>(submission.addr);
  char name[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(submission.fd);
  const ssize_t size = ::readlink(link.c_str(), name, sizeof name);
  return {name, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

}  // namespace

bool FaultRule::is_for(const io_uring_sqe& submission) const {
  if (fd_ >= 0 && submission.fd != fd_) return false;
  return path_.empty() || name_of(submission).find(path_) != std::string::npos;
}

bool FaultRule::is_due() noexcept {
  ++matched_;
  ++seen_;
  const bool drawn = probability_ >= 1 || detail::random_fraction(random_) < probability_;
  return drawn && (nth_ == 0 || seen_ == nth_) && seen_ <= first_ && seen_ > after_ && seen_ % every_ == 0 &&
         done_ < times_;
}

void FaultRule::restart() noexcept {
  seen_ = done_ = 0;
  random_ = seed_;
}

FaultRule& FaultPlan::on(Op op) {
  rules_.push_back(FaultRule(op));
  return rules_.back();
}

FaultPlan& FaultPlan::reorder_completions(std::uint64_t seed) noexcept {
  order_seed_ = seed;
  return *this;
}

std::uint64_t FaultPlan::fired() const noexcept {
  std::uint64_t sum = 0;
  for (const FaultRule& rule : rules_) sum += rule.fired_;
  return sum;
}

bool FaultPlan::all_fired() const noexcept {
  return std::ranges::all_of(rules_, [](const FaultRule& rule) { return rule.fired_ != 0; });
}

bool FaultPlan::concerns(Op op) const noexcept {
  return std::ranges::any_of(rules_, [op](const FaultRule& rule) { return rule.is_for(op); });
}

FaultRule* FaultPlan::choose(Op op, const io_uring_sqe* submission) {
  ++seen_[static_cast<std::size_t>(op)];
  if (op < Op::enter) ++seen_[static_cast<std::size_t>(Op::any)];
  FaultRule* chosen = nullptr;
  for (FaultRule& rule : rules_) {
    if (!rule.is_for(op) || (submission != nullptr && !rule.is_for(*submission))) continue;
    if (!rule.is_due() || chosen != nullptr) continue;
    ++rule.done_;
    ++rule.fired_;
    chosen = &rule;
  }
  return chosen;
}

void FaultPlan::restart() noexcept {
  for (FaultRule& rule : rules_) rule.restart();
}

}  // namespace coil::testing

namespace coil::detail {

void Faults::restart(testing::FaultPlan& plan) noexcept { plan.restart(); }
bool Faults::concern_setup(const testing::FaultPlan& plan) noexcept { return plan.concerns(testing::Op::setup); }

int Faults::setup_error(testing::FaultPlan* plan) noexcept {
  if (plan == nullptr) return 0;
  const testing::FaultRule* rule = plan->choose(testing::Op::setup, nullptr);
  return rule == nullptr ? 0 : -rule->result_.value_or(0);
}

testing::Op op_of(const io_uring_sqe& submission) noexcept {
  using testing::Op;
  switch (submission.opcode) {
    case IORING_OP_READ:
    case IORING_OP_READV:
      return Op::read;
    case IORING_OP_WRITE:
    case IORING_OP_WRITEV:
      return Op::write;
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG:
      return Op::recv;
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
      return Op::send;
    case IORING_OP_ACCEPT:
      return Op::accept;
    case IORING_OP_CONNECT:
      return Op::connect;
    case IORING_OP_SHUTDOWN:
      return Op::shutdown;
    case IORING_OP_POLL_ADD:
      return Op::poll;
    case IORING_OP_OPENAT:
      return Op::openat;
    case IORING_OP_CLOSE:
      return Op::close;
    case IORING_OP_FSYNC:
      return Op::fsync;
    case IORING_OP_STATX:
      return Op::statx;
    case IORING_OP_RENAMEAT:
      return Op::renameat;
    case IORING_OP_UNLINKAT:
      return Op::unlinkat;
    case IORING_OP_MKDIRAT:
      return Op::mkdirat;
    case IORING_OP_SPLICE:
      return Op::splice;
    case testing::op_waitid:
      return Op::waitid;
    case testing::op_ftruncate:
      return Op::ftruncate;
    default:
      return Op::other;
  }
}

}  // namespace coil::detail
