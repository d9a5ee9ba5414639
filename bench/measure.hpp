// What every measuring program needs: clocks, memory as the kernel counts it, and one way to print figures.
#pragma once
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace measure {

inline std::int64_t read_clock(clockid_t which) noexcept {
  timespec t{};
  clock_gettime(which, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

/// Wall clock, the one that timers use.
inline std::int64_t wall_ns() noexcept { return read_clock(CLOCK_MONOTONIC); }

/// CPU time of all threads of this process, in user and kernel mode.
inline std::int64_t cpu_ns() noexcept { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

/// Resident memory now; `of` is a process id or "self".
inline long resident_bytes(const char* of = "self") noexcept {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%s/statm", of);
  long pages = 0;
  if (FILE* file = std::fopen(path, "r")) {
    if (std::fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return pages * sysconf(_SC_PAGESIZE);
}

/// A field of /proc/PID/FILE that is given in kB, such as VmHWM in status; in bytes.
inline long proc_field_bytes(const char* of, const char* file_name, const char* field) noexcept {
  char text[128];
  std::snprintf(text, sizeof text, "/proc/%s/%s", of, file_name);
  long kib = 0;
  if (FILE* file = std::fopen(text, "r")) {
    const std::size_t length = std::strlen(field);
    while (std::fgets(text, sizeof text, file) != nullptr) {
      if (std::strncmp(text, field, length) == 0 && text[length] == ':') kib += std::atol(text + length + 1);
    }
    std::fclose(file);
  }
  return kib * 1024;
}

/// The most that was ever resident. (getrusage would count what the parent held when it forked.)
inline double peak_mib() noexcept {
  return static_cast<double>(proc_field_bytes("self", "status", "VmHWM")) / (1024.0 * 1024.0);
}

/// One figure a line, `name=value`: what driver.py reads.
inline void print(const char* name, double value) noexcept {
  std::printf("%s=%.9g\n", name, value);
  std::fflush(stdout);
}

/// Starts when it is made; prints what has passed since then for each of `count` operations.
class Stopwatch {
public:
  std::int64_t wall() const noexcept { return wall_ns() - wall_; }
  std::int64_t cpu() const noexcept { return cpu_ns() - cpu_; }
  void print_ns_each(const char* name, long count) const noexcept {
    print(name, static_cast<double>(wall()) / static_cast<double>(count));
  }

private:
  std::int64_t cpu_ = cpu_ns();
  std::int64_t wall_ = wall_ns();
};

/// How long each sleeper of the case `gather` sleeps.
inline constexpr std::int64_t nap_ns = 100'000'000;

/// The three figures of `gather`: what the wall clock shows beyond the nap, CPU time, memory.
inline void print_gather(std::int64_t wall, std::int64_t cpu, double mib) noexcept {
  print("gather", static_cast<double>(wall - nap_ns) / 1e6);
  print("gather_cpu", static_cast<double>(cpu) / 1e6);
  print("gather_rss", mib);
}

/// Delays of 0 to 999 ms, the same ones in every program (Python's too).
class Delays {
public:
  std::int64_t next_ms() noexcept {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::int64_t>((state_ >> 33) % 1000);
  }

private:
  std::uint64_t state_ = 2023;
};

struct Case {
  const char* name;
  void (*measure)(long count);
};

/// `PROGRAM CASE COUNT`: the main function of every measuring program.
template <std::size_t size>
int run_case(int argc, char** argv, const Case (&cases)[size]) {
  const long count = argc == 3 ? std::atol(argv[2]) : 0;
  for (const Case& one : cases) {
    if (count > 0 && std::strcmp(one.name, argv[1]) == 0) {
      one.measure(count);
      return 0;
    }
  }
  std::fprintf(stderr, "usage: %s CASE COUNT, with CASE one of", argv[0]);
  for (const Case& one : cases) std::fprintf(stderr, " %s", one.name);
  std::fputc('\n', stderr);
  return 2;
}

}  // namespace measure
