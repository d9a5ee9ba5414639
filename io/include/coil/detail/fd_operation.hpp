#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include <coil/detail/operation.hpp>
#include <coil/detail/ring.hpp>
#include <coil/fd.hpp>

namespace coil::detail {

/// The offset that stands for the file position.
inline constexpr std::uint64_t file_position = UINT64_MAX;

/// Base of the operations on a descriptor: keeps one that is owned open, waits for readiness where one that is not
/// blocking answers EAGAIN, and turns an error into a `std::system_error` that names the call.
class FdOperation : public RingOperation {
public:
  FdOperation(const char* call, FdRef fd, short readiness) noexcept
      : call_(call), fd_(fd.number()), readiness_(readiness), held_(fd.state()) {}

  bool await_ready() const noexcept { return false; }
  void start() noexcept { submit(); }
  void prepare(io_uring_sqe& sqe) noexcept override;
  void wake(FutureState* source) noexcept override;

protected:
  FdOperation(const FdOperation& other) noexcept;
  ~FdOperation() = default;

  /// Begins the operation, unless the descriptor is being closed: EBADF.
  void submit() noexcept;
  Abort abort() noexcept override;
  /// The descriptor is being closed: ends soon, or now.
  virtual void stop_for_close() noexcept;
  /// It is over: for those who override `wake`.
  void leave() noexcept;

  /// Fills in the submission.
  virtual void fill(io_uring_sqe& sqe) noexcept = 0;
  /// Takes a result other than "would block". False: submit again.
  virtual bool progress(std::int32_t result) noexcept;
  /// In `progress`: submits again when the descriptor is ready.
  bool wait_until_ready() noexcept {
    polling_ = true;
    return false;
  }
  /// In `await_resume`: the result; throws CancelledError or `std::system_error`.
  std::size_t take_value();
  [[noreturn]] void throw_error(int error) const;

  enum class Transfer : unsigned char { read, write };
  /// What would keep the loop waiting goes to a thread of the kernel: `size` bytes of a file if they are many, and
  /// all writing to terminals.
  void plan_transfer(std::size_t size, Transfer direction) noexcept;

  /// A transfer at `offset` on what cannot seek fails with ESPIPE, as pread(2) does; the ring would ignore the offset.
  /// Returns false if it failed.
  bool check_offset(std::uint64_t offset) noexcept;
  /// Ends the operation without the kernel.
  void fail(int error) noexcept;
  /// After `done` of `asked` bytes were written at the file position. The ring leaves the position where it was if a
  /// write is cut short by an error.
  void repair_position(std::int32_t done, std::size_t asked) noexcept;

  const char* call_;
  int fd_;

private:
  friend struct FdState;
  bool advance(std::int32_t result) noexcept final;
  void start_turn() noexcept {
    in_line_ = false;
    RingOperation::submit();
  }

  short readiness_;  // what poll(2) is asked for on EAGAIN
  bool polling_ : 1 = false;
  bool entered_ : 1 = false;  // it is in the list of what is under way
  bool in_line_ : 1 = false;  // it waits for its turn

protected:
  bool in_background_ : 1 = false;  // IOSQE_ASYNC
  bool takes_turns_ : 1 = false;    // with others of its descriptor that do
  std::int64_t position_ = -1;      // where a write at the file position of a regular file begins
  FdHold held_;                     // of one that is owned

private:
  FdOperation* before_ = nullptr;  // of those under way
  FdOperation* after_ = nullptr;
};

}  // namespace coil::detail
