#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>

#include <coil/coro.hpp>
#include <coil/detail/fd_operation.hpp>

namespace coil {

namespace detail {

/// One splice(2) that does not wait.
class SpliceOperation final : public Operation<SpliceOperation, FdOperation> {
public:
  SpliceOperation(FdRef in, std::int64_t in_offset, FdRef out, std::int64_t out_offset, std::size_t count,
                  unsigned flags) noexcept;
  void start() noexcept;
  void wake(FutureState* source) noexcept override;
  /// Nothing if it would have waited.
  std::optional<std::size_t> await_resume();

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  Abort abort() noexcept override;
  void let_go() noexcept;

  int in_;
  FdHold in_held_;  // open until the kernel has answered
  bool pinned_ = false;
  std::int64_t in_offset_;
  std::int64_t out_offset_;
  std::size_t count_;
  unsigned flags_;
};

Coro<std::size_t> splice_kept(KeptFd in, std::int64_t in_offset, KeptFd out, std::int64_t out_offset, std::size_t count,
                              unsigned flags);
Coro<std::size_t> send_file(KeptFd out, KeptFd in, std::optional<std::uint64_t> offset, std::size_t count,
                            std::size_t* progress);

}  // namespace detail

/// Moves up to `count` bytes between descriptors, one of them a pipe, without copying them through the program; gives
/// how many, 0 at the end. Offsets and `flags` as in splice(2), -1 for none. Waits for both sides without a thread of
/// the kernel; with SPLICE_F_NONBLOCK what would wait is EAGAIN.
/// Errors: `std::system_error` with splice(2)'s errno.
/// Cancellation: nothing was moved, or the count is returned and the next wait throws.
[[nodiscard]] inline Coro<std::size_t> splice(FdRef in, std::int64_t in_offset, FdRef out, std::int64_t out_offset,
                                              std::size_t count, unsigned flags = 0) {
  return detail::splice_kept(in, in_offset, out, out_offset, count, flags);
}
[[nodiscard]] inline Coro<std::size_t> splice(FdRef in, FdRef out, std::size_t count, unsigned flags = 0) {
  return detail::splice_kept(in, -1, out, -1, count, flags);
}

/// Writes `count` bytes of the file `in` from `offset` to `out`; gives how many, fewer at the end of the file. Without
/// an offset the file position is used, and left behind what was written.
/// To a socket it goes in the line of its writers, what is in the page cache without a copy, as by sendfile(2); to
/// anything else in pieces of 128 KiB.
/// Errors: those of read and of sendfile, send or write; ESPIPE if `in` is no file.
/// Cancellation: a part may be written; `*progress`, if given, says how much.
[[nodiscard]] inline Coro<std::size_t> sendfile(FdRef out, FdRef in, std::optional<std::uint64_t> offset,
                                                std::size_t count, std::size_t* progress = nullptr) {
  return detail::send_file(out, in, offset, count, progress);
}
[[nodiscard]] inline Coro<std::size_t> sendfile(FdRef out, FdRef in, std::size_t count) {
  return detail::send_file(out, in, std::nullopt, count, nullptr);
}

}  // namespace coil
