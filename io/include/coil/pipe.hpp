#pragma once
#include <cstddef>
#include <span>
#include <string_view>

#include <coil/coro.hpp>
#include <coil/descriptor.hpp>
#include <coil/fd.hpp>

namespace coil {

/// A pipe(2): what is written to it is read from it, in order. Both ends are closed at its end, and close-on-exec.
///
/// Errors: `std::system_error`; EPIPE for writing once the reading end is closed.
/// Threads: loop thread. One reader at a time and one or more writers, who take turns.
class Pipe {
public:
  /// Errors: `std::system_error`, e.g. EMFILE.
  Pipe();

  /// Reads up to `buffer.size()` bytes as soon as any arrive. 0 is the end: all writing ends are closed.
  [[nodiscard]] detail::ReadOperation read(std::span<std::byte> buffer) noexcept { return coil::read(reader_, buffer); }
  [[nodiscard]] detail::ReadExactlyOperation read_exactly(std::span<std::byte> buffer,
                                                          std::size_t* progress = nullptr) noexcept {
    return coil::read_exactly(reader_, buffer, progress);
  }
  /// Writes as much as there is room for, at least one byte.
  [[nodiscard]] detail::WriteOperation write(std::span<const std::byte> data) noexcept {
    return coil::write(writer_, data);
  }
  [[nodiscard]] detail::WriteOperation write(std::string_view text) noexcept { return coil::write(writer_, text); }
  [[nodiscard]] detail::WriteAllOperation write_all(std::span<const std::byte> data,
                                                    std::size_t* progress = nullptr) noexcept {
    return coil::write_all(writer_, data, progress);
  }
  [[nodiscard]] detail::WriteAllOperation write_all(std::string_view text, std::size_t* progress = nullptr) noexcept {
    return coil::write_all(writer_, text, progress);
  }

  /// The ends: to be used with operations, passed on by `std::move`, or closed on their own.
  Fd& reader() noexcept { return reader_; }
  Fd& writer() noexcept { return writer_; }
  const Fd& reader() const noexcept { return reader_; }
  const Fd& writer() const noexcept { return writer_; }

  /// Ends what other tasks wait for here with ECANCELED, waits for it, and closes both ends.
  [[nodiscard]] Coro<void> close();

private:
  Fd reader_;
  Fd writer_;
};

}  // namespace coil
