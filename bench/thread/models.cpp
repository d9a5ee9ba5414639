// The cases that compare the models, with a thread for each task: `thread-models CASE COUNT`.
#include <semaphore.h>

#include <deque>
#include <system_error>
#include <thread>
#include <vector>

#include "../models.hpp"

namespace {

struct Turn {
  Turn() { sem_init(&semaphore, 0, 0); }
  void wait() {
    while (sem_wait(&semaphore) != 0) continue;
  }
  void post() { sem_post(&semaphore); }
  sem_t semaphore;
};

/// A system that refuses a thread ends the program: there is no figure then.
template <class Body>
void start(std::vector<std::thread>& threads, Body body) {
  try {
    threads.emplace_back(body);
  } catch (const std::system_error& refused) {
    std::fprintf(stderr, "the system allows no more than %zu threads: %s\n", threads.size(), refused.what());
    std::quick_exit(3);
  }
}

void hand_over(long units) {
  const long count = models::hand_overs(units, 20'000);
  long left = count;  // of whoever has the token
  std::deque<Turn> turns(static_cast<std::size_t>(units));
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < turns.size(); ++i) {
    start(threads, [&, i] {
      for (bool last = false; !last;) {
        turns[i].wait();
        last = --left <= 0;
        turns[(i + 1) % turns.size()].post();
      }
    });
  }
  const measure::Stopwatch watch;
  turns[0].post();
  for (std::thread& thread : threads) thread.join();
  watch.print_ns_each("switch", count);
}

void message(long count) {
  models::Message there{};
  models::Message back{};
  Turn asked;
  Turn answered;
  std::thread other([&] {
    for (long i = 0; i < count; ++i) {
      asked.wait();
      back = there;
      answered.post();
    }
  });
  const measure::Stopwatch watch;
  for (long i = 0; i < count; ++i) {
    there.number = i;
    asked.post();
    answered.wait();
    if (back.number != i) std::abort();
  }
  watch.print_ns_each("message", count);
  other.join();
}

void cpu_bound(long units) {
  const measure::Stopwatch watch;
  std::vector<std::thread> threads;
  for (long i = 0; i < units; ++i) {
    start(threads, [] {
      if (models::compute() == 0) std::abort();
    });
  }
  for (std::thread& thread : threads) thread.join();
  models::print_ms("cpu_bound", watch);
}

void io_bound(long units) {
  models::Peer peer(units);
  const measure::Stopwatch watch;
  std::vector<std::thread> threads;
  for (long i = 0; i < units; ++i) start(threads, [fd = peer.fd(i)] { models::answer(fd); });
  peer.start();
  for (std::thread& thread : threads) thread.join();
  peer.join();
  models::print_ms("io_bound", watch);
}

}  // namespace

int main(int argc, char** argv) {
  return measure::run_case(
      argc, argv, {{"switch", hand_over}, {"message", message}, {"cpu_bound", cpu_bound}, {"io_bound", io_bound}});
}
