#pragma once
#include <concepts>
#include <type_traits>
#include <utility>

#include <coil/detail/fd_state.hpp>
#include <coil/detail/operation.hpp>

namespace coil {

namespace detail {
class KeptFd;
}

/// A descriptor that is closed at its end.
///
/// It may go, or be closed, while operations on it are under way in other tasks: they are stopped and end with
/// ECANCELED, the number is given back when the kernel has let go of the last of them, and not before.
/// Threads: loop thread, while operations are under way; else any.
class Fd {
public:
  class CloseOperation;

  Fd() noexcept = default;
  /// Takes over an open descriptor; a negative number is none.
  explicit Fd(int number);
  Fd(Fd&&) noexcept = default;
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      close_now();
      state_ = std::move(other.state_);
    }
    return *this;
  }
  ~Fd() { close_now(); }

  /// -1 for none, and from the beginning of `close()` on.
  int number() const noexcept { return state_ && !state_->closing ? state_->number : -1; }
  explicit operator bool() const noexcept { return number() >= 0; }
  /// Gives the descriptor up without closing it. Errors: `std::logic_error` while operations are under way.
  int release();

  /// Stops what is under way, waits for it, and closes. Closing what is closed does nothing.
  /// Errors: `std::system_error` with close(2)'s errno; the descriptor is closed all the same.
  /// Cancellation: it is closed all the same, when the kernel has let go.
  [[nodiscard]] CloseOperation close() noexcept;
  /// The same without waiting.
  void close_now() noexcept {
    if (!state_) return;
    state_->close();
    state_ = {};
  }

  /// The same for a file, whose closing may take a while.
  [[nodiscard]] CloseOperation close_file() noexcept;

private:
  friend class FdRef;
  detail::FdHold state_;
};

/// A descriptor as operations take it: a number, or an Fd, which then stays open until they are over.
class FdRef {
public:
  template <class T>
    requires(std::convertible_to<const T&, int> && !std::same_as<T, FdRef>)
  FdRef(const T& number) noexcept : number_(number) {}
  FdRef(const Fd& fd) noexcept : number_(fd.number()), state_(fd.state_.get()) {}
  FdRef(const detail::KeptFd& kept) noexcept;

  int number() const noexcept { return number_; }
  detail::FdState* state() const noexcept { return state_; }  // null for a mere number

private:
  int number_;
  detail::FdState* state_ = nullptr;
};

namespace detail {

/// An FdRef that may be kept: of an Fd that is closed meanwhile, none is left.
class KeptFd {
public:
  KeptFd(FdRef fd) noexcept : number_(fd.number()), state_(fd.state()) {}
  KeptFd(const Fd& fd) noexcept : KeptFd(FdRef(fd)) {}
  int number() const noexcept { return state_ && state_->closing ? -1 : number_; }
  const FdHold& state() const noexcept { return state_; }

private:
  int number_;
  FdHold state_;
};

}  // namespace detail

inline FdRef::FdRef(const detail::KeptFd& kept) noexcept : number_(kept.number()), state_(kept.state().get()) {}

class Fd::CloseOperation final : public detail::Operation<CloseOperation> {
public:
  CloseOperation(Fd& fd, bool by_ring) noexcept : fd_(&fd), by_ring_(by_ring) {}
  /// Begins to close without being awaited.
  void begin() noexcept { static_cast<void>(await_ready()); }
  bool await_ready() noexcept;
  void start() noexcept { state_->closers.push_back(*this); }
  void await_resume();

private:
  detail::Abort abort() noexcept override;
  Fd* fd_;
  bool by_ring_;
  detail::FdHold state_;
};

inline Fd::CloseOperation Fd::close() noexcept { return CloseOperation(*this, false); }
inline Fd::CloseOperation Fd::close_file() noexcept { return CloseOperation(*this, true); }

}  // namespace coil
