// What the programs that read and copy files share: `PROGRAM read|read_direct DEPTH COUNT FILE`, `PROGRAM copy FROM TO`.
#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "../measure.hpp"

namespace files {

constexpr std::size_t block = 4096;
constexpr std::size_t piece = std::size_t{256} << 10;  // of a copy

[[noreturn]] inline void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

/// Offsets of blocks at random, the same ones in every program.
class Offsets {
public:
  explicit Offsets(std::uint64_t file_size) noexcept : blocks_(file_size / block) {}
  std::uint64_t next() noexcept {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return (state_ >> 16) % blocks_ * block;
  }

private:
  std::uint64_t state_ = 88172645463325252U;
  std::uint64_t blocks_;
};

/// Aligned as O_DIRECT wants it, and touched.
class Buffers {
public:
  explicit Buffers(std::size_t size) : memory_(std::aligned_alloc(block, size), std::free) {
    std::memset(memory_.get(), 0, size);
  }
  char* at(std::size_t offset) noexcept { return static_cast<char*>(memory_.get()) + offset; }

private:
  std::unique_ptr<void, void (*)(void*)> memory_;
};

/// One run of random reads.
struct Reading {
  int fd;
  std::uint64_t size;  // of the file
  long depth;          // so many under way at once
  long count;
};

inline int open_or_fail(const char* path, int flags) {
  const int fd = ::open(path, flags | O_CLOEXEC, 0600);
  if (fd < 0) fail(path);
  return fd;
}

inline std::uint64_t size_of(int fd) {
  struct ::stat found{};
  if (::fstat(fd, &found) != 0) fail("fstat");
  return static_cast<std::uint64_t>(found.st_size);
}

inline void print_reads(const measure::Stopwatch& watch, const Reading& work, bool direct) {
  const auto wall = static_cast<double>(watch.wall());
  const auto cpu = static_cast<double>(watch.cpu());
  const auto count = static_cast<double>(work.count);
  measure::print(direct ? "file_read_direct" : "file_read", wall / count);
  measure::print(direct ? "file_read_direct_cpu" : "file_read_cpu", cpu / count);
}

/// The main function: `read` does all of a Reading, `copy` copies from one descriptor to the other.
inline int run(int argc, char** argv, void (*read)(const Reading&), void (*copy)(int from, int to)) {
  if (argc == 4 && std::strcmp(argv[1], "copy") == 0 && copy != nullptr) {
    const measure::Stopwatch watch;
    const int from = open_or_fail(argv[2], O_RDONLY);
    const int to = open_or_fail(argv[3], O_WRONLY | O_CREAT | O_TRUNC);
    copy(from, to);
    ::close(to);
    measure::print("file_copy", static_cast<double>(watch.wall()) / 1e6);
    return 0;
  }
  const bool direct = argc == 5 && std::strcmp(argv[1], "read_direct") == 0;
  if (argc == 5 && (direct || std::strcmp(argv[1], "read") == 0)) {
    const int fd = open_or_fail(argv[4], direct ? O_RDONLY | O_DIRECT : O_RDONLY);
    const Reading work{fd, size_of(fd), std::atol(argv[2]), std::atol(argv[3])};
    if (work.depth > 0 && work.count >= work.depth && work.size >= block) {
      const measure::Stopwatch watch;
      read(work);
      print_reads(watch, work, direct);
      return 0;
    }
  }
  std::fprintf(stderr, "usage: %s read|read_direct DEPTH COUNT FILE, %s copy FROM TO\n", argv[0], argv[0]);
  return 2;
}

}  // namespace files
