#include <coil/fd.hpp>

#include <liburing.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <system_error>

#include <coil/detail/check.hpp>
#include <coil/detail/fd_operation.hpp>
#include <coil/detail/loop_core.hpp>
#include <coil/error.hpp>

#include "fork.hpp"

namespace coil {

namespace detail {

namespace {

/// A close(2) that the loop does not wait for; in its place the tasks in `close()` do.
class CloseInBackground final : public RingOperation, public Pooled {
public:
  /// False if there is no memory for it.
  static bool begin(FdState& state) noexcept try {
    auto* closing = new CloseInBackground(state);
    state.pin();
    closing->submit();
    return true;
  } catch (...) {
    return false;
  }
  void prepare(io_uring_sqe& sqe) noexcept override { io_uring_prep_close(&sqe, state_->number); }
  void wake(FutureState*) noexcept override {
    state_->finish(is_interruption(result_) ? 0 : -result_);
    delete this;
  }

private:
  explicit CloseInBackground(FdState& state) noexcept : state_(&state) {
    self_finishing_ = true;
    restarts_ = false;
  }
  FdHold state_;
};

}  // namespace

void FdState::close() noexcept {
  if (closing) return;
  closing = true;
  if (operations == nullptr) return finish_if_free();
  const LoopScope scope(*loop);
  for (FdOperation *operation = operations, *next = nullptr; operation != nullptr; operation = next) {
    next = operation->after_;
    operation->stop_for_close();  // may be over with that
  }
}

int FdState::release() noexcept {
  check(operations == nullptr, "a descriptor is given away with nothing under way");
  closing = true;
  return std::exchange(number, -1);
}

bool FdState::enter(FdOperation& operation) noexcept {
  check(!closing, "no operation begins on what is being closed");
  loop = this_loop;
  operation.after_ = operations;
  if (operations != nullptr) operations->before_ = &operation;
  operations = &operation;
  if (!operation.takes_turns_) return true;
  if (writer != nullptr) {
    line.push_back(operation);
    operation.in_line_ = true;
    return false;
  }
  writer = &operation;
  return true;
}

void FdState::leave(FdOperation& operation) noexcept {
  if (operation.after_ != nullptr) operation.after_->before_ = operation.before_;
  (operation.before_ == nullptr ? operations : operation.before_->after_) = operation.after_;
  operation.before_ = operation.after_ = nullptr;
  if (operation.in_line_) line.remove(operation);
  operation.in_line_ = false;
  if (writer == &operation) {
    writer = closing ? nullptr : static_cast<FdOperation*>(line.pop_front());
    if (writer != nullptr) writer->start_turn();
  }
  finish_if_free();
}

void FdState::unpin() noexcept {
  --pins;
  finish_if_free();
}

void FdState::finish_if_free() noexcept {
  if (!closing || operations != nullptr || pins != 0 || number < 0) return;
  if (by_ring && this_loop != nullptr && CloseInBackground::begin(*this)) return;
  // Not tried again after EINTR: it is closed, and the number may be another's by then.
  if (is_private) {
    close_private(number);
    return finish(0);
  }
  finish(::close(number) == 0 ? 0 : errno);
}

void FdState::finish(int close_error) noexcept {
  number = -1;
  if (close_error != EINTR) error = close_error;
  while (Suspension* closer = closers.pop_front()) closer->wake(nullptr);
}

}  // namespace detail

Fd::Fd(int number) {
  if (number < 0) return;
  try {
    state_ = detail::FdHold(new detail::FdState(number));
  } catch (...) {
    ::close(number);
    throw;
  }
}

int Fd::release() {
  if (!state_) return -1;
  if (state_->operations != nullptr)
    detail::throw_logic_error("coil: Fd::release() while operations on it are under way");
  const int number = state_->release();
  state_ = {};
  return number;
}

bool Fd::CloseOperation::await_ready() noexcept {
  state_ = fd_->state_;
  if (!state_) return true;
  if (!state_->closing) state_->by_ring = by_ring_;
  state_->close();
  return state_->number < 0;
}

void Fd::CloseOperation::await_resume() {
  throw_if_cancelled();
  if (state_ && state_->error != 0) throw std::system_error(state_->error, std::system_category(), "close");
}

detail::Abort Fd::CloseOperation::abort() noexcept {
  state_->closers.remove(*this);
  return detail::Abort::gone;
}

}  // namespace coil
