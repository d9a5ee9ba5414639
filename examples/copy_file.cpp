// Copies a file through the ring. TO is replaced whole, by a temporary file beside it and a rename; a device or a
// FIFO is written in place.
//
//   sh examples/run copy_file FROM TO
#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>

#include <vector>

#include "support.hpp"

using example::Open;
using example::refuse;

coil::Coro<std::size_t> copy(int from, int to) {
  std::vector<std::byte> buffer(256 << 10);
  for (std::size_t total = 0;;) {
    const std::size_t size = co_await coil::read(from, buffer);
    if (size == 0) co_return total;
    co_await coil::write_all(to, std::span<const std::byte>(buffer).first(size));
    total += size;
  }
}

/// Copies to a temporary file, which becomes `to` in one step or is removed.
coil::Coro<std::size_t> replace(int from, std::string to, const struct ::stat& like) {
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();  // none has this name, not even killed
  const std::string temporary = fmt::format("{}.copy_file-{}-{}", to.substr(0, to.rfind('/') + 1), ::getpid(), now);
  bool made = false;
  const auto work = [&]() -> coil::Coro<std::size_t> {
    const Open out(co_await coil::openat(AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_EXCL, 0600));
    made = true;
    const std::size_t total = co_await copy(from, out.fd);
    if (::fchmod(out.fd, like.st_mode & 07777) != 0) refuse(temporary, errno);
    co_await coil::renameat(AT_FDCWD, temporary, AT_FDCWD, to);
    made = false;
    co_return total;
  };
  const auto cleanup = [&]() -> coil::Coro<void> {
    if (made) co_await coil::unlinkat(AT_FDCWD, temporary);
  };
  co_return co_await coil::try_finally(work, cleanup);
}

coil::Coro<int> copy_file(std::string from, std::string to) {
  const coil::time_point start = coil::get_running_loop().time();
  const Open in(co_await coil::openat(AT_FDCWD, from, O_RDONLY));
  struct ::stat source{}, target{};
  if (::fstat(in.fd, &source) != 0) refuse(from, errno);
  if (S_ISDIR(source.st_mode)) refuse(from, EISDIR);
  const bool exists = ::stat(to.c_str(), &target) == 0;
  if (exists && S_ISDIR(target.st_mode)) refuse(to, EISDIR);
  if (exists && source.st_dev == target.st_dev && source.st_ino == target.st_ino)
    throw std::runtime_error("they are the same file");

  std::size_t total = 0;
  if (exists && !S_ISREG(target.st_mode)) {
    const Open out(co_await coil::openat(AT_FDCWD, to, O_WRONLY));
    total = co_await copy(in.fd, out.fd);
  } else {
    if (char* real = exists ? ::realpath(to.c_str(), nullptr) : nullptr) {  // a link stays, its file is replaced
      to = real;
      std::free(real);
    }
    total = co_await replace(in.fd, to, exists ? target : source);
  }
  const std::chrono::duration<double> took = coil::get_running_loop().time() - start;
  fmt::print("{} bytes in {:.2f} s, {:.0f} MiB/s\n", total, took.count(),
             static_cast<double>(total) / (1 << 20) / std::max(took.count(), 1e-9));
  co_return 0;
}

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 2, 2, "copy_file FROM TO");
  ::signal(SIGXFSZ, SIG_IGN);  // too large a file is an error of write, not the end of the process
  return example::run(copy_file(argv[1], argv[2]), fmt::format("copy_file {} {}: ", argv[1], argv[2]));
}
