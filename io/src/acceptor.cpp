#include <coil/detail/acceptor.hpp>

#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include <coil/detail/check.hpp>

#include "multishot.hpp"

namespace coil::detail {

namespace {

constexpr std::size_t ready_max = 64;  // then the rest stays in the kernel's queue

}  // namespace

Acceptor::Acceptor(FdRef listener, bool one_at_a_time) noexcept
    : FdOperation("accept", listener, POLLIN), one_at_a_time_(one_at_a_time) {}

Acceptor::~Acceptor() { drop_ready(); }

int Acceptor::take() noexcept {
  if (ready_first_ == ready_.size()) return -1;
  const int connection = ready_[ready_first_++];
  if (ready_first_ == ready_.size()) {
    ready_.clear();
    ready_first_ = 0;
  }
  return connection;
}

void Acceptor::drop_ready() noexcept {
  for (int connection = take(); connection >= 0; connection = take()) ::close(connection);
}

void Acceptor::wait(AcceptWait& waiter) noexcept {
  waiters_.push_back(waiter);
  if (!armed_) arm();
}

void Acceptor::stop_waiting(AcceptWait& waiter) noexcept { waiters_.remove(waiter); }

// ---- As an operation of the ring -------------------------------------------------------------------------

void Acceptor::arm() noexcept {
  armed_ = true;
  ref();
  move_in();
  submit();
}

void Acceptor::fill(io_uring_sqe& sqe) noexcept {
  if (!one_at_a_time_ && can_accept_multishot())
    io_uring_prep_multishot_accept(&sqe, fd_, nullptr, nullptr, SOCK_CLOEXEC);
  else
    io_uring_prep_accept(&sqe, fd_, nullptr, nullptr, SOCK_CLOEXEC);
}

void Acceptor::complete(std::int32_t result, std::uint32_t flags, bool more) noexcept {
  if (!more) return FdOperation::complete(result, flags, false);
  if (result >= 0) deliver(result);
}

bool Acceptor::progress(std::int32_t result) noexcept {
  result_ = result;
  return true;
}

// The operation has ended: with a connection, with an error, or stopped.
void Acceptor::wake(FutureState*) noexcept {
  const StateRef<Acceptor> self(this, adopted);
  armed_ = false;
  move_out();
  const int result = cancelled_ ? -ECANCELED : result_;
  if (result >= 0) deliver(result);
  const bool closed = closing();
  leave();  // may close the listener
  if (closed) {
    drop_ready();
    return end_waits(ECANCELED);
  }
  // A connection that was reset before it was taken is none. One error is told to one who waits, so that another try
  // is made for each of them and not more.
  if (result < 0 && result != -ECONNABORTED && result != -ECANCELED) {
    if (auto* waiter = static_cast<AcceptWait*>(waiters_.pop_front())) {
      waiter->result_ = result;
      waiter->wake(nullptr);
    }
  }
  if (!waiters_.empty()) arm();
}

void Acceptor::deliver(int connection) noexcept {
  if (auto* waiter = static_cast<AcceptWait*>(waiters_.pop_front())) {
    waiter->result_ = connection;
    waiter->wake(nullptr);
    return;
  }
  try {
    ready_.push_back(connection);
  } catch (...) {
    ::close(connection);  // no memory to remember it
  }
  if (armed_ && ready_.size() - ready_first_ >= ready_max) stop();
}

void Acceptor::end_waits(int error) noexcept {
  while (auto* waiter = static_cast<AcceptWait*>(waiters_.pop_front())) {
    waiter->result_ = -error;
    waiter->wake(nullptr);
  }
}

// ---- Those who wait --------------------------------------------------------------------------------------

bool AcceptWait::await_ready() noexcept {
  result_ = -EBADF;
  if (!acceptor_ || acceptor_->closing()) return true;
  result_ = acceptor_->take();
  return result_ >= 0;
}

Abort AcceptWait::abort() noexcept {
  acceptor_->stop_waiting(*this);
  return Abort::gone;
}

int AcceptWait::take_connection() {
  if (task_ != nullptr && task_->has(Ready::throw_cancel)) throw_if_cancelled();
  // A request that came when the connection was on its way waits for the next suspension.
  if (task_ != nullptr && task_->has(Ready::must_cancel)) task_->set(Ready::late_cancel);
  if (result_ >= 0) return result_;
  if (acceptor_) acceptor_->throw_accept_error(-result_);
  throw std::system_error(-result_, std::system_category(), "accept");
}

}  // namespace coil::detail
