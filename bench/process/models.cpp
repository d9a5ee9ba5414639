// The cases that compare the models, with a process for each task, made by fork: `process-models CASE COUNT`.
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "../models.hpp"

namespace {

/// A system that refuses a child ends the program: there is no figure then.
template <class Body>
void start(std::vector<pid_t>& children, Body body) {
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

void wait_for_all(const std::vector<pid_t>& children) {
  for (const pid_t child : children) waitpid(child, nullptr, 0);
}

void hand_over(long units) {
  const long count = models::hand_overs(units, 20'000);
  const auto number = static_cast<std::size_t>(units);
  void* memory = mmap(nullptr, (1 + number) * sizeof(sem_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::exit(3);
  // What all of them see: how often the token is still to be handed on, then the turns.
  long& left = *static_cast<long*>(memory);
  sem_t* turns = static_cast<sem_t*>(memory) + 1;
  left = count;
  for (std::size_t i = 0; i < number; ++i) sem_init(&turns[i], 1, 0);
  std::vector<pid_t> children;
  for (std::size_t i = 0; i < number; ++i) {
    start(children, [&, i] {
      for (bool last = false; !last;) {
        while (sem_wait(&turns[i]) != 0) continue;
        last = --left <= 0;
        sem_post(&turns[(i + 1) % number]);
      }
    });
  }
  const measure::Stopwatch watch;
  sem_post(&turns[0]);
  wait_for_all(children);
  watch.print_ns_each("switch", count);
}

void message(long count) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0) std::exit(3);
  std::vector<pid_t> children;
  start(children, [&] {
    models::Message message;
    for (long i = 0; i < count; ++i)
      if (read(ends[1], &message, sizeof message) != sizeof message ||
          write(ends[1], &message, sizeof message) != sizeof message)
        _exit(1);
  });
  const measure::Stopwatch watch;
  models::Message message{};
  for (long i = 0; i < count; ++i) {
    message.number = i;
    if (write(ends[0], &message, sizeof message) != sizeof message ||
        read(ends[0], &message, sizeof message) != sizeof message)
      std::abort();
  }
  watch.print_ns_each("message", count);
  wait_for_all(children);
}

void cpu_bound(long units) {
  const measure::Stopwatch watch;
  std::vector<pid_t> children;
  for (long i = 0; i < units; ++i) {
    start(children, [] {
      if (models::compute() == 0) std::abort();
    });
  }
  wait_for_all(children);
  models::print_ms("cpu_bound", watch);
}

void io_bound(long units) {
  models::Peer peer(units);
  const measure::Stopwatch watch;
  std::vector<pid_t> children;
  for (long i = 0; i < units; ++i) start(children, [fd = peer.fd(i)] { models::answer(fd); });
  peer.start();
  wait_for_all(children);
  peer.join();
  models::print_ms("io_bound", watch);
}

}  // namespace

int main(int argc, char** argv) {
  return measure::run_case(
      argc, argv, {{"switch", hand_over}, {"message", message}, {"cpu_bound", cpu_bound}, {"io_bound", io_bound}});
}
