// A body that is kept until it was received: in memory while it is small, then in a file that has no name.
#pragma once
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>

#include <coil/coil.hpp>

namespace http {

class Spool {
public:
  static constexpr std::size_t memory_max = 64 << 10;  // bytes, for each connection

  std::uint64_t size() const noexcept { return written_ + memory.size(); }
  bool in_file() const noexcept { return static_cast<bool>(file_); }
  const coil::Fd& file() const noexcept { return file_; }

  /// To be called when something was added to `memory`.
  /// Errors: `std::system_error`, e.g. ENOSPC.
  coil::Coro<void> settle() {
    if (memory.size() <= memory_max) co_return;
    if (!file_) file_ = make_file();
    co_await coil::write_all(file_, memory, written_);
    written_ += memory.size();
    memory.clear();
  }
  /// When all was added.
  coil::Coro<void> finish() {
    if (!file_ || memory.empty()) co_return;
    co_await coil::write_all(file_, memory, written_);
    written_ += memory.size();
    memory.clear();
  }

  std::string memory;  // what is not in the file

private:
  static coil::Fd make_file() {
    const char* folder = ::getenv("TMPDIR");
    int fd = ::open(folder != nullptr && *folder != '\0' ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) fd = ::memfd_create("http_server", MFD_CLOEXEC);
    if (fd < 0) throw std::system_error(errno, std::system_category(), "temporary file");
    return coil::Fd(fd);
  }

  coil::Fd file_;
  std::uint64_t written_ = 0;
};

}  // namespace http
