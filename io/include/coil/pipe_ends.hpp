#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <coil/coro.hpp>
#include <coil/descriptor.hpp>
#include <coil/detail/owned_fd.hpp>

namespace coil {

/// The end of a pipe that is read. Closed by its destructor.
/// Lifetime: stays where it is while it is read; cancel that before `close()`.
class PipeReader {
public:
  PipeReader() noexcept = default;
  explicit PipeReader(detail::OwnedFd fd) noexcept : fd_(std::move(fd)) {}

  int fd() const noexcept { return fd_.get(); }
  explicit operator bool() const noexcept { return static_cast<bool>(fd_); }

  /// What there is, up to `size_max` bytes, once there is something; empty at the end.
  Coro<std::string> read(std::size_t size_max = std::size_t{64} << 10);
  /// Everything to the end. Cancellation: what was read is lost.
  Coro<std::string> read_all();
  void close() noexcept { fd_.close(); }

private:
  detail::OwnedFd fd_;
};

/// The end of a pipe that is written to. Closed by its destructor.
/// Lifetime: stays where it is while it is written to; cancel that before `close()`.
class PipeWriter {
public:
  PipeWriter() noexcept = default;
  explicit PipeWriter(detail::OwnedFd fd) noexcept : fd_(std::move(fd)) {}

  int fd() const noexcept { return fd_.get(); }
  explicit operator bool() const noexcept { return static_cast<bool>(fd_); }

  /// As `coil::write_all`. Errors: `std::system_error`, EPIPE when nobody can read it any more.
  [[nodiscard]] detail::WriteAllOperation write_all(std::string_view data, std::size_t* progress = nullptr) noexcept {
    return coil::write_all(fd_.get(), data, progress);
  }
  void close() noexcept { fd_.close(); }

private:
  detail::OwnedFd fd_;
};

namespace detail {

/// Reads `fd` to its end, to the end of `text`.
/// Errors: `std::length_error` if that comes to have more than `size_max` bytes.
/// Cancellation: nothing is lost; all that was read stands in `text`.
Coro<void> append_all(int fd, std::string& text, std::size_t size_max);

}  // namespace detail
}  // namespace coil
