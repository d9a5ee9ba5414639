#pragma once
#include <cstdint>
#include <vector>

#include <coil/detail/fd_operation.hpp>
#include <coil/detail/resident.hpp>
#include <coil/detail/state_ref.hpp>

namespace coil::detail {

class AcceptWait;

/// Takes in the connections of a listener for those who wait for one: with one operation that goes on by itself where
/// the kernel has that, else, or if it is to take one at a time, with one for each connection.
///
/// Works while somebody waits. What comes then and nobody waits for is kept for the next ones, up to a limit; what is
/// left when the listener is closed is closed, too.
class Acceptor final : public FdOperation, public Resident, public Pooled {
public:
  Acceptor(FdRef listener, bool one_at_a_time) noexcept;
  Acceptor(const Acceptor&) = delete;
  ~Acceptor();

  void ref() noexcept { ++refs_; }
  void unref() noexcept {
    if (--refs_ == 0) delete this;
  }

  /// A connection that is at hand, or -1.
  int take() noexcept;
  /// Closes the connections that nobody has taken.
  void drop_ready() noexcept;
  bool closing() const noexcept { return held_->closing; }
  /// `waiter` is given the next connection, or an error.
  void wait(AcceptWait& waiter) noexcept;
  void stop_waiting(AcceptWait& waiter) noexcept;
  [[noreturn]] void throw_accept_error(int error) const { throw_error(error); }

  // As an operation of the ring.
  void complete(std::int32_t result, std::uint32_t flags, bool more) noexcept override;
  void wake(FutureState* source) noexcept override;
  void loop_closes() noexcept override { stop(); }

private:
  void fill(io_uring_sqe& sqe) noexcept override;
  bool progress(std::int32_t result) noexcept override;
  void arm() noexcept;
  void deliver(int connection) noexcept;
  void end_waits(int error) noexcept;

  std::uint32_t refs_ = 0;  // of the listener, of those who wait, and while it is armed
  bool armed_ = false;
  const bool one_at_a_time_;
  WaitQueue waiters_;
  std::vector<int> ready_;  // connections that nobody has taken, the next one at `ready_first_`
  std::size_t ready_first_ = 0;
};

/// Waits for a connection.
class AcceptWait : public Operation<AcceptWait> {
public:
  explicit AcceptWait(StateRef<Acceptor> acceptor) noexcept : acceptor_(std::move(acceptor)) {}
  bool await_ready() noexcept;
  void start() noexcept { acceptor_->wait(*this); }

protected:
  /// In `await_resume`: the connection.
  int take_connection();

private:
  friend class Acceptor;
  Abort abort() noexcept override;

  StateRef<Acceptor> acceptor_;
  int result_ = 0;  // the connection, or a negative errno
};

/// The same, as a stream.
template <class Stream>
class AcceptStream final : public AcceptWait {
public:
  using AcceptWait::AcceptWait;
  Stream await_resume() { return Stream(Fd(take_connection())); }
};

}  // namespace coil::detail
