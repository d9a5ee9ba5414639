#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <coil/detail/fd_operation.hpp>

namespace coil::detail {

/// Sends a part of a file to a socket, as one in the line of the socket's writers.
///
/// What is in the page cache goes from there, by a sendfile(2) that does not wait; the ring asks when there is room
/// again. The rest is read by the ring, so that the loop does not wait for the disk.
class SendFileOperation final : public Operation<SendFileOperation, FdOperation> {
public:
  /// `progress` counts what was sent.
  SendFileOperation(FdRef out, FdRef in, std::uint64_t offset, std::size_t count, std::size_t& progress) noexcept;
  bool await_ready() const noexcept { return count_ == 0; }
  void wake(FutureState* source) noexcept override;
  void await_resume() { take_value(); }

private:
  enum class Step : unsigned char { wait_for_room, read, send };

  void fill(io_uring_sqe& sqe) noexcept override;
  bool progress(std::int32_t result) noexcept override;
  Abort abort() noexcept override;
  void let_go() noexcept;
  void enter(Step step) noexcept;
  /// Decides what comes after a step. True if that was the last one.
  bool go_on() noexcept;
  bool read_piece() noexcept;
  bool send_from_cache(int in, std::size_t size) noexcept;
  bool end(int error) noexcept;
  int in_number() const noexcept { return in_held_ && in_held_->closing ? -1 : in_; }
  std::uint64_t position() const noexcept { return offset_ + sent_; }

  int in_;
  FdHold in_held_;
  std::uint64_t offset_;
  std::size_t count_;
  std::size_t& sent_;
  Step step_ = Step::wait_for_room;
  bool pinned_ = false;     // the file
  bool must_copy_ = false;  // the file is none that sendfile(2) takes
  std::unique_ptr<std::byte[]> buffer_;
  std::span<std::byte> piece_;  // read, not yet sent
};

}  // namespace coil::detail
