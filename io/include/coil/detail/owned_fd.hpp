#pragma once
#include <utility>

namespace coil::detail {

/// A descriptor that is closed by its destructor.
class OwnedFd {
public:
  OwnedFd() noexcept = default;
  explicit OwnedFd(int number) noexcept : number_(number) {}
  OwnedFd(OwnedFd&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(number_, other.number_);
    other.close();
    return *this;
  }
  ~OwnedFd() { close(); }

  int get() const noexcept { return number_; }
  explicit operator bool() const noexcept { return number_ >= 0; }
  /// Gives it up: somebody else closes it.
  [[nodiscard]] int release() noexcept { return std::exchange(number_, -1); }
  void close() noexcept;

private:
  int number_ = -1;
};

}  // namespace coil::detail
