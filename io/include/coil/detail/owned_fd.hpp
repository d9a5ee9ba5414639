#pragma once
#include <utility>

#include <coil/fd.hpp>

namespace coil::detail {

/// A descriptor that is closed by its destructor.
class OwnedFd {
public:
  OwnedFd() noexcept = default;
  explicit OwnedFd(int number) noexcept : number_(number) {}
  OwnedFd(OwnedFd&& other) noexcept
      : number_(std::exchange(other.number_, -1)), is_private_(std::exchange(other.is_private_, false)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(number_, other.number_);
    std::swap(is_private_, other.is_private_);
    other.close();
    return *this;
  }
  ~OwnedFd() { close(); }

  int get() const noexcept { return number_; }
  explicit operator bool() const noexcept { return number_ >= 0; }
  /// From now on children that are forked off do not have it.
  void keep_private() noexcept;
  void close() noexcept;
  /// Gives the descriptor up without closing it; if it is private it stays so, and is closed by `close_private`.
  int release() noexcept {
    is_private_ = false;
    return std::exchange(number_, -1);
  }
  bool is_private() const noexcept { return is_private_; }

private:
  int number_ = -1;
  bool is_private_ = false;
};

/// The same for operations, which keep it open; as private as it was.
Fd to_fd(OwnedFd& owned);

}  // namespace coil::detail
