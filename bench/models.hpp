// What the cases of threads, processes and tasks share: the same work, the same peer.
#pragma once
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "measure.hpp"

namespace models {

/// What goes to and fro in `message`.
struct Message {
  long number;
  char text[56];
};

/// One unit of work for a processor, some 40 ms of it.
[[gnu::noinline]] inline std::uint64_t compute() noexcept {
  std::uint64_t state = 88172645463325252U;
  for (long i = 0; i < 20'000'000; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
  }
  return state;
}

/// How often the token of `switch` is handed on.
constexpr long hand_overs(long units, long least) { return units > least ? units : least; }

/// A peer with a connection to each of `count` workers: sends each a byte, then takes an answer of each; again and
/// again. A thread of its own.
class Peer {
public:
  static constexpr long rounds = 50;

  explicit Peer(long count) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (long i = 0; i < count; ++i) {
      int ends[2];
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        std::perror("socketpair");
        std::exit(3);
      }
      ours_.push_back(ends[0]);
      theirs_.push_back(ends[1]);
    }
  }
  int fd(long worker) const { return theirs_[static_cast<std::size_t>(worker)]; }
  void start() {
    thread_ = std::thread([this] {
      char byte = 0;
      for (long round = 0; round < rounds; ++round) {
        for (const int fd : ours_)
          if (write(fd, &byte, 1) != 1) std::abort();
        for (const int fd : ours_)
          if (read(fd, &byte, 1) != 1) std::abort();
      }
    });
  }
  void join() { thread_.join(); }

private:
  std::vector<int> ours_;
  std::vector<int> theirs_;
  std::thread thread_;
};

/// A worker that blocks.
inline void answer(int fd) {
  char byte = 0;
  for (long round = 0; round < Peer::rounds; ++round)
    if (read(fd, &byte, 1) != 1 || write(fd, &byte, 1) != 1) std::abort();
}

inline void print_ms(const char* name, const measure::Stopwatch& watch) {
  measure::print(name, static_cast<double>(watch.wall()) / 1e6);
}

}  // namespace models
