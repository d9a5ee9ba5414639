#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include <coil/detail/operation.hpp>
#include <coil/detail/ring.hpp>

namespace coil::detail {

/// Base of the operations on a descriptor: waits for readiness where one that is not blocking answers EAGAIN,
/// and turns an error into a `std::system_error` that names the call.
class FdOperation : public RingOperation {
public:
  FdOperation(const char* call, int fd, short readiness) noexcept : call_(call), fd_(fd), readiness_(readiness) {}

  bool await_ready() const noexcept { return false; }
  void start() noexcept { submit(); }
  void prepare(io_uring_sqe& sqe) noexcept final;

protected:
  ~FdOperation() = default;

  /// Fills in the submission.
  virtual void fill(io_uring_sqe& sqe) noexcept = 0;
  /// Takes a result other than "would block". False: submit again.
  virtual bool progress(std::int32_t result) noexcept;
  /// In `await_resume`: the result; throws CancelledError or `std::system_error`.
  std::size_t take_value();
  [[noreturn]] void throw_error(int error) const;

  /// Reading or writing `size` bytes of a file that would keep the loop busy goes to a thread of the kernel.
  void plan_transfer(std::size_t size) noexcept;

  const char* call_;
  int fd_;

private:
  bool advance(std::int32_t result) noexcept final;

  short readiness_;  // what poll(2) is asked for on EAGAIN
  bool polling_ = false;

protected:
  bool in_background_ = false;  // IOSQE_ASYNC
};

}  // namespace coil::detail
