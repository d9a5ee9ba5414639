// What a program and its children cost, for examples that compare.
#pragma once
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

namespace example {

using Pids = std::vector<pid_t>;

/// KiB of this process and `children`; of what they share each counts its part.
inline long memory_in_use(const Pids& children) {
  long sum = 0;
  Pids all = children;
  all.push_back(::getpid());
  for (const pid_t pid : all) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
    for (std::string word; file >> word;)
      if (long kib = 0; word == "Pss:" && file >> kib) sum += kib;
  }
  return sum;
}

/// CPU time in ms of this process and of the children that have ended.
inline double cpu_ms() {
  double sum = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    ::getrusage(who, &used);
    for (const timeval& time : {used.ru_utime, used.ru_stime})
      sum += static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
  }
  return sum;
}

}  // namespace example
