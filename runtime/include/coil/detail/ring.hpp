#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <coil/detail/suspension.hpp>

struct io_uring_sqe;

namespace coil::detail {

class RingFaults;
class RingOperation;

/// The seam to the kernel: operations go in, completions come out. One implementation talks to io_uring;
/// others may stand in its place in tests.
///
/// Threads: the one that made it.
class Ring {
public:
  struct Counters {
    std::uint64_t submissions = 0;
    std::uint64_t completions = 0;
    std::uint64_t enters = 0;  // system calls
    std::uint64_t faults = 0;  // completions with EFAULT: the kernel found a buffer gone
  };

  virtual ~Ring() = default;

  /// Queues `operation`; it is passed to the kernel by the next `poll`, or earlier if the queue is full.
  /// The operation stays where it is until `RingOperation::complete` was called for the last time.
  virtual void submit(RingOperation& operation) noexcept = 0;
  /// Asks for `operation` to be stopped; its completion still comes.
  virtual void cancel(RingOperation& operation) noexcept = 0;
  /// Passes on what is queued and takes in what is complete, calling `RingOperation::complete` for each.
  /// Waits at the most `timeout` for a completion if nothing has come: zero does not wait, negative has no end.
  virtual void poll(std::chrono::nanoseconds timeout) noexcept = 0;
  /// Whether `poll(0)` would find anything to do: operations to pass on, completions at hand, or some that it takes a
  /// system call to get at.
  bool has_work() const noexcept {
    return has_queued_ || look_at(shared_.completed) != look_at(shared_.taken) ||
           (look_at(shared_.flags) & shared_.flags_that_call) != 0;
  }
  /// Whether the kernel holds nothing of this ring, cancellations included.
  virtual bool idle() const noexcept { return in_kernel_ == 0; }

  /// Operations given to `submit` whose last completion has not come.
  std::size_t in_kernel() const noexcept { return in_kernel_; }
  /// Those among them that the kernel finishes by itself, without a peer.
  std::size_t self_finishing() const noexcept { return self_finishing_; }
  /// Those among them that the loop keeps for itself.
  std::size_t internal() const noexcept { return internal_; }
  /// Those among them that occupy a thread of the kernel for as long as they wait.
  std::size_t may_wait() const noexcept { return may_wait_; }
  const Counters& counters() const noexcept { return counters_; }

  /// Shares a ring of `entries` buffers with the kernel, see io_uring_register_buf_ring(3). False if it will not.
  virtual bool register_buffers(void*, unsigned, std::uint16_t) noexcept { return false; }
  virtual void unregister_buffers(std::uint16_t) noexcept {}

  /// The ring that this one passes its operations on to, and then has no more; null if there is none.
  virtual Ring* release_ring_behind() noexcept { return nullptr; }
  /// For tests: what befalls its calls from now on; null for nothing. It outlives the ring, or the next call of this.
  virtual void set_faults(RingFaults*) noexcept {}
  void restart_counters() noexcept { counters_ = {}; }

  /// Whether the running kernel knows this IORING_OP_….
  virtual bool supports(unsigned opcode) noexcept = 0;

protected:
  void count_in(const RingOperation& operation) noexcept;
  void count_out(const RingOperation& operation) noexcept;

  /// Numbers in memory that the kernel writes to.
  struct Shared {
    const unsigned* completed;
    const unsigned* taken;
    const unsigned* flags;
    unsigned flags_that_call;
  };
  static unsigned look_at(const unsigned* number) noexcept { return __atomic_load_n(number, __ATOMIC_RELAXED); }

  static const Shared& shared_of(const Ring& ring) noexcept { return ring.shared_; }

  Counters counters_;
  std::size_t self_finishing_ = 0;
  static constexpr unsigned none = 0;
  Shared shared_{&none, &none, &none, 0};
  bool has_queued_ = false;  // something waits for the next `poll` to pass it on

private:
  std::size_t in_kernel_ = 0;
  std::size_t may_wait_ = 0;
  std::size_t internal_ = 0;
};

/// One operation of the kernel, awaited in the frame that holds it.
///
/// Cancelling it asks the kernel and waits for the answer: the frame, and with it every buffer it keeps alive,
/// stays until the last completion. If the operation did something all the same, its result is returned and
/// the cancellation is delivered at the task's next wait.
class RingOperation : public Suspension {
public:
  /// Fills in the submission; called each time the operation is passed on.
  virtual void prepare(io_uring_sqe& sqe) noexcept = 0;

  bool self_finishing() const noexcept { return self_finishing_; }
  bool internal() const noexcept { return internal_; }
  bool may_wait() const noexcept { return may_wait_; }

  /// Called by the ring with each completion, the last one with `more` false. Default: `advance`, until that
  /// says the operation is over; then `wake`.
  virtual void complete(std::int32_t result, std::uint32_t flags, bool more) noexcept;

protected:
  RingOperation() noexcept = default;
  RingOperation(const RingOperation& other) noexcept
      : Suspension(other),
        self_finishing_(other.self_finishing_),
        may_wait_(other.may_wait_),
        restarts_(other.restarts_),
        internal_(other.internal_) {}
  ~RingOperation() = default;

  /// Whether a result means that a signal stopped the operation on its way.
  static bool is_interruption(std::int32_t result) noexcept;
  /// Takes a result other than a cancellation. False: submit again. Default: keeps it in `result_`.
  virtual bool advance(std::int32_t result) noexcept;

  /// Begins the operation. A task that was asked to cancel before submits nothing.
  void submit() noexcept;
  /// Asks the kernel to stop it, on behalf of what it works on and not of its task: `take_result` then gives
  /// -ECANCELED, or the result if it has one all the same.
  void stop() noexcept;
  Abort abort() noexcept override;
  /// In `await_resume`: the result, or throws CancelledError.
  std::int32_t take_result();

  std::int32_t result_ = 0;
  bool self_finishing_ : 1 = false;  // completes without a peer, as file operations do
  bool may_wait_ : 1 = false;        // in a thread of the kernel, for a peer
  bool restarts_ : 1 = true;         // is tried again after an interruption
  bool internal_ : 1 = false;        // not counted in the metrics
  bool cancel_requested_ : 1 = false;
  bool cancelled_ : 1 = false;  // ended by its cancellation: it has done nothing

private:
  friend class UringRing;
  friend class FaultyRing;
  enum class Place : std::uint8_t { nowhere, backlog, kernel, kernel_and_cancel_backlog };
  void request_cancel() noexcept;

  bool stopped_ : 1 = false;  // what asked for the cancellation was not the task
  Place place_ = Place::nowhere;
  std::uint32_t tag_ = 0;     // of the ring: where it finds what it keeps for the operation
  std::uint32_t cancel_ = 0;  // of the ring: which of its cancellations is this one's, from 1
};

/// Whether the running loop's clock is virtual: only then it matters which operations finish by themselves.
bool runs_on_virtual_clock() noexcept;

}  // namespace coil::detail
