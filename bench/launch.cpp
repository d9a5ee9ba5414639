// How long a program takes from exec to its end: `launch COUNT PROGRAM [ARGUMENT...]` runs it COUNT times, with its
// output thrown away, and prints the median.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <vector>

#include "measure.hpp"

namespace {

/// In ns; -1 if it failed.
std::int64_t run_once(char** command, const posix_spawn_file_actions_t& actions) {
  const measure::Stopwatch watch;
  pid_t child = 0;
  int status = 0;
  if (posix_spawnp(&child, command[0], &actions, nullptr, command, environ) != 0) return -1;
  if (waitpid(child, &status, 0) != child || status != 0) return -1;
  return watch.wall();
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 2 ? std::atoi(argv[1]) : 0;
  if (count <= 0) {
    std::fprintf(stderr, "usage: %s COUNT PROGRAM [ARGUMENT...]\n", argv[0]);
    return 2;
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);

  std::vector<std::int64_t> times;
  for (int i = -1; i < count; ++i) {  // one more, first, that is not counted: it reads the files into the cache
    const std::int64_t time = run_once(argv + 2, actions);
    if (time < 0) {
      std::fprintf(stderr, "%s failed\n", argv[2]);
      return 1;
    }
    if (i >= 0) times.push_back(time);
  }
  const auto middle = times.begin() + count / 2;
  std::nth_element(times.begin(), middle, times.end());
  measure::print("startup", static_cast<double>(*middle) / 1e6);
}
