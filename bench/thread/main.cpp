// The cases with a thread for each task: `threads CASE COUNT`. Stacks are of the default size.
#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>
#include <vector>

#include "../measure.hpp"

namespace {

constexpr long batch = 1000;

void join_all(std::vector<std::thread>& threads) {
  for (std::thread& thread : threads) thread.join();
  threads.clear();
}

/// Starts `count` threads. A system that refuses one ends the program: there is no figure then.
template <class Body>
void start(std::vector<std::thread>& threads, long count, Body body) {
  try {
    for (long i = 0; i < count; ++i) threads.emplace_back(body);
  } catch (const std::system_error& refused) {
    std::fprintf(stderr, "the system allows no more than %zu threads: %s\n", threads.size(), refused.what());
    std::quick_exit(3);
  }
}

void spawn(long count) {
  std::vector<std::thread> threads;
  threads.reserve(batch);
  const measure::Stopwatch watch;
  for (long done = 0; done < count; done += batch) {
    start(threads, batch, [] {});
    join_all(threads);
  }
  watch.print_ns_each("spawn", count);
}

void idle(long count) {
  std::vector<std::thread> threads;
  threads.reserve(static_cast<std::size_t>(count));
  std::atomic<long> waiting{0};
  std::atomic<bool> open{false};
  const long before = measure::resident_bytes();
  start(threads, count, [&] {
    waiting.fetch_add(1);
    open.wait(false);
  });
  while (waiting.load() < count) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the last of them reach their wait
  measure::print("idle", static_cast<double>(measure::resident_bytes() - before) / static_cast<double>(count));
  open.store(true);
  open.notify_all();
  join_all(threads);
}

void gather(long count) {
  const measure::Stopwatch watch;
  std::vector<std::thread> threads;
  threads.reserve(static_cast<std::size_t>(count));
  start(threads, count, [] { std::this_thread::sleep_for(std::chrono::nanoseconds(measure::nap_ns)); });
  join_all(threads);
  const std::int64_t wall = watch.wall();
  const std::int64_t cpu = watch.cpu();
  measure::print_gather(wall, cpu, measure::peak_mib());
}

}  // namespace

int main(int argc, char** argv) {
  return measure::run_case(argc, argv, {{"spawn", spawn}, {"idle", idle}, {"gather", gather}});
}
