// The cases with a process for each task, made by fork from this small program: `processes CASE COUNT`.
// Memory is what a child has to itself: its private pages and its page tables.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "../measure.hpp"

namespace {

constexpr long batch = 1000;

/// Starts `count` children. A system that refuses one ends the program: there is no figure then.
template <class Body>
void start(std::vector<pid_t>& children, long count, Body body) {
  for (long i = 0; i < count; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      body();
      _exit(0);
    }
    if (child < 0) {
      std::fprintf(stderr, "the system allows no more than %zu processes: %s\n", children.size(), std::strerror(errno));
      std::exit(3);
    }
    children.push_back(child);
  }
}

void wait_for_all(std::vector<pid_t>& children) {
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  children.clear();
}

long private_bytes(pid_t process) {
  char pid[24];
  std::snprintf(pid, sizeof pid, "%d", process);
  return measure::proc_field_bytes(pid, "smaps_rollup", "Private_Dirty") +
         measure::proc_field_bytes(pid, "smaps_rollup", "Private_Clean") +
         measure::proc_field_bytes(pid, "status", "VmPTE");
}

/// The mean over the youngest: reading all of them would take longer than the measurement.
double private_bytes_each(const std::vector<pid_t>& children) {
  const std::size_t sample = std::min<std::size_t>(children.size(), 10);
  long sum = 0;
  for (std::size_t i = 1; i <= sample; ++i) sum += private_bytes(children[children.size() - i]);
  return static_cast<double>(sum) / static_cast<double>(sample);
}

void spawn(long count) {
  std::vector<pid_t> children;
  children.reserve(batch);
  const measure::Stopwatch watch;
  for (long done = 0; done < count; done += batch) {
    start(children, std::min(batch, count - done), [] {});
    wait_for_all(children);
  }
  watch.print_ns_each("spawn", count);
}

void idle(long count) {
  std::vector<pid_t> children;
  children.reserve(static_cast<std::size_t>(count));
  start(children, count, [] { pause(); });
  usleep(20'000);  // the last of them reach their wait
  measure::print("idle", private_bytes_each(children));
  for (const pid_t child : children) kill(child, SIGKILL);
  wait_for_all(children);
}

std::int64_t children_cpu_ns() {
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  return (std::int64_t{usage.ru_utime.tv_sec} + usage.ru_stime.tv_sec) * 1'000'000'000 +
         (std::int64_t{usage.ru_utime.tv_usec} + usage.ru_stime.tv_usec) * 1000;
}

void gather(long count) {
  const measure::Stopwatch watch;
  std::vector<pid_t> children;
  children.reserve(static_cast<std::size_t>(count));
  start(children, count, [] {
    const timespec nap{0, measure::nap_ns};
    nanosleep(&nap, nullptr);
  });
  const double each = private_bytes_each(children);  // while they sleep
  wait_for_all(children);
  const std::int64_t wall = watch.wall();
  const std::int64_t cpu = watch.cpu() + children_cpu_ns();
  const double children_mib = each * static_cast<double>(count) / (1024 * 1024);
  measure::print_gather(wall, cpu, measure::peak_mib() + children_mib);
}

}  // namespace

int main(int argc, char** argv) {
  return measure::run_case(argc, argv, {{"spawn", spawn}, {"idle", idle}, {"gather", gather}});
}
