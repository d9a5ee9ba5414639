#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include <coil/clock.hpp>

struct io_uring_sqe;

namespace coil::detail {
class FaultyRing;
class Ring;
struct Faults;
struct LoopParts;
}  // namespace coil::detail

namespace coil::testing {

/// What a loop asks of the kernel. Several calls are one kind: `read` is also readv and the reads of a File or Pipe;
/// `write` likewise; `recv` is also recvmsg, `send` also sendmsg and the datagrams of a UdpSocket; `fsync` is also
/// fdatasync. A socket waits with `poll` where it is not blocking. What is done without the ring, such as
/// `UdpSocket::recv_batch`, socket(2) or bind(2), is not seen.
///
/// The last three are calls of the ring itself, which are not among `any`:
/// `enter` passes operations on and waits for completions. It may fail with EINTR, EAGAIN, EBUSY, ENOMEM or ETIME, which
/// cost a turn of the loop, and with EBADR, which ends the program; `short_to(n)` has it pass on at most `n` operations.
/// `cancel` asks the kernel to stop an operation. With ENOENT the kernel has overlooked it, and is asked again until it
/// answers otherwise; with EALREADY it is interrupted, and ends as such; any other error is an answer and no more.
/// `setup` makes the ring of a loop, and fails as io_uring_setup(2) does.
enum class Op : unsigned char {
  any,
  read,
  write,
  recv,
  send,
  accept,
  connect,
  shutdown,
  poll,
  openat,
  close,
  fsync,
  statx,
  renameat,
  unlinkat,
  mkdirat,
  ftruncate,
  splice,
  waitid,
  other,
  enter,
  cancel,
  setup,
};

/// One rule of a FaultPlan: which operations, which of them, and what befalls these. Each part may be left out: a rule
/// without the first two holds for all of its kind. Parts are combined, and so are effects: `.short_to(1).delay(2ms)`.
///
/// A multishot operation counts once for each connection or piece of data that it gives.
class FaultRule {
public:
  // ---- Which operations ----

  /// Only those on this descriptor.
  FaultRule& fd(int number) noexcept;
  /// Only those on paths, or on descriptors of files, in whose name `part` occurs.
  FaultRule& path(std::string part);

  // ---- Which of these. Counted from 1, anew for each loop; several conditions must hold together. ----

  /// Only the `n`th.
  FaultRule& nth(std::uint64_t n) noexcept;
  /// The first `n`.
  FaultRule& first(std::uint64_t n) noexcept;
  /// All but the first `n`.
  FaultRule& after(std::uint64_t n) noexcept;
  /// Each `n`th.
  FaultRule& every(std::uint64_t n) noexcept;
  /// Each with this probability, from 0 to 1. The same seed gives the same choice in each loop.
  FaultRule& probability(double p, std::uint64_t seed = 0) noexcept;
  /// At most `n` times in each loop.
  FaultRule& times(std::uint64_t n) noexcept;

  // ---- What befalls them ----

  /// It fails with this errno, and nothing was done; a close fails after it has closed. EINTR and EAGAIN, which coil
  /// deals with itself, are of use, too. 512 to 516 are the kernel's own that sometimes leak out.
  FaultRule& fail(int error) noexcept;
  /// A transfer of at most `n` bytes, at least 1. Not of messages: the kernel never shortens one.
  FaultRule& short_to(std::size_t n) noexcept;
  /// A transfer of `n` bytes less than were asked for, at least 1. Not of messages.
  FaultRule& short_by(std::size_t n) noexcept;
  /// The end of the file or stream, before its time.
  FaultRule& end_of_file() noexcept;
  /// It begins later, by the loop's clock. A cancellation in the meantime wins: nothing was done.
  FaultRule& delay(std::chrono::nanoseconds time) noexcept;
  /// It is done, but its completion comes later, by the loop's clock. A cancellation in the meantime loses: the result
  /// is returned all the same.
  FaultRule& hold(std::chrono::nanoseconds time) noexcept;
  /// `delay` and `hold` by a millisecond, by the name of what they are for.
  FaultRule& loses_to_cancel() noexcept { return delay(std::chrono::milliseconds(1)); }
  FaultRule& beats_cancel() noexcept { return hold(std::chrono::milliseconds(1)); }
  /// The submission queue is full: it is passed on some turns of the loop later.
  FaultRule& queue_full(unsigned turns = 1) noexcept;
  /// The completion queue overflows: a completion comes a turn late, and a multishot operation ends with it.
  FaultRule& overflow() noexcept;
  /// A multishot operation ends with this completion, as if the kernel had left out the flag that more will come.
  FaultRule& drop_more() noexcept;
  /// Its last completion comes twice. Where assertions are on, the program ends with a sentence that says so.
  FaultRule& twice() noexcept;

  // ---- What came of it, in all loops ----

  /// How often it took effect.
  std::uint64_t fired() const noexcept { return fired_; }
  /// How many operations were of the kind that it is for.
  std::uint64_t matched() const noexcept { return matched_; }

private:
  friend class FaultPlan;
  friend class detail::FaultyRing;
  friend struct detail::Faults;
  explicit FaultRule(Op op) noexcept : op_(op) {}
  bool is_for(Op op) const noexcept { return op_ == op || (op_ == Op::any && op < Op::enter); }
  bool is_for(const io_uring_sqe& submission) const;
  bool is_due() noexcept;
  void restart() noexcept;

  Op op_;
  int fd_ = -1;
  std::string path_;

  std::uint64_t nth_ = 0;  // 0: each
  std::uint64_t first_ = UINT64_MAX;
  std::uint64_t after_ = 0;
  std::uint64_t every_ = 1;
  std::uint64_t times_ = UINT64_MAX;
  double probability_ = 1;
  std::uint64_t seed_ = 0;

  std::optional<std::int32_t> result_;  // instead of the kernel's
  std::size_t size_max_ = SIZE_MAX;
  std::size_t size_less_ = 0;
  std::chrono::nanoseconds delay_{0};
  std::chrono::nanoseconds hold_{0};
  unsigned turns_ = 0;
  bool overflow_ = false;
  bool drops_more_ = false;
  bool twice_ = false;

  std::uint64_t seen_ = 0;  // by the loop that runs
  std::uint64_t done_ = 0;
  std::uint64_t random_ = 0;
  std::uint64_t fired_ = 0;
  std::uint64_t matched_ = 0;
};

/// What goes wrong between a loop and the kernel: `run(main, {.faults = &plan})`.
///
///   coil::testing::FaultPlan plan;
///   plan.on(Op::recv).nth(3).fail(ECONNRESET);
///   plan.on(Op::write).probability(0.1, seed).short_to(1);
///   FaultRule& few = plan.on(Op::accept).first(5).fail(EMFILE);
///   …
///   CHECK(few.fired() == 5);
///
/// Of several rules for an operation the first that is due takes effect. A plan begins anew with each loop that uses it,
/// but for what it counts. What the loop keeps for itself is left alone.
/// Lifetime: outlives the loops that use it. Threads: that of the loop; one loop at a time.
class FaultPlan {
public:
  FaultPlan() = default;
  FaultPlan(const FaultPlan&) = delete;
  FaultPlan& operator=(const FaultPlan&) = delete;

  /// A new rule. The reference lasts as long as the plan.
  FaultRule& on(Op op);
  /// Completions that come together are told in a random order.
  FaultPlan& reorder_completions(std::uint64_t seed) noexcept;

  /// How often its rules took effect.
  std::uint64_t fired() const noexcept;
  /// Whether each of its rules did.
  bool all_fired() const noexcept;
  /// How many operations of this kind there were.
  std::uint64_t seen(Op op) const noexcept { return seen_[static_cast<std::size_t>(op)]; }

private:
  friend class detail::FaultyRing;
  friend struct detail::Faults;
  bool concerns(Op op) const noexcept;
  FaultRule* choose(Op op, const io_uring_sqe* submission);
  void restart() noexcept;

  std::deque<FaultRule> rules_;
  std::optional<std::uint64_t> order_seed_;
  std::uint64_t seen_[static_cast<std::size_t>(Op::setup) + 1] = {};
};

}  // namespace coil::testing
