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
  static constexpr std::size_t memory_max = 32 << 10;     // bytes, of one
  static constexpr std::uint64_t files_max = 1ull << 30;  // bytes, of all files together

  Spool() = default;
  Spool(const Spool&) = delete;
  ~Spool() { in_files_ -= written_; }

  std::uint64_t size() const noexcept { return written_ + memory.size(); }
  bool in_file() const noexcept { return static_cast<bool>(file_); }
  const coil::Fd& file() const noexcept { return file_; }

  /// To be called when something was added to `memory`; in the end all is in one place. False if there is no room.
  coil::Coro<bool> settle(bool is_end) {
    if (memory.empty() || (memory.size() <= memory_max && !(is_end && file_))) co_return true;
    if (in_files_ + memory.size() > files_max) co_return false;
    try {
      if (!file_) file_ = make_file();
      co_await coil::write_all(file_, memory, written_);
    } catch (const std::system_error&) {
      co_return false;
    }
    written_ += memory.size();
    in_files_ += memory.size();
    memory.clear();
    co_return true;
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
  static inline std::uint64_t in_files_ = 0;
};

}  // namespace http
