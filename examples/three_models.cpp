// The same worker as three threads, as three processes and as three tasks, all awaited in the same way; and what each
// costs. Tasks share one thread and are the lightest; threads and processes also compute at the same time, and a
// process that crashes takes nobody along.
//
//   sh examples/run three_models
#include <algorithm>
#include <thread>

#include <fmt/core.h>

#include "cost.hpp"
#include "support.hpp"

constexpr auto nap = std::chrono::milliseconds(200);

void say(int number, const char* what) {
  fmt::print("worker {}: {}\n", number, what);
  std::fflush(stdout);
}

void blocking_worker(int number) {
  say(number, "started");
  std::this_thread::sleep_for(nap);
  say(number, "finished");
}

coil::Coro<void> worker(int number) {
  say(number, "started");
  co_await coil::sleep(nap);
  say(number, "finished");
}

using example::Pids;

coil::Coro<void> three_threads(Pids&) {
  coil::Thread a = coil::start_thread(blocking_worker, 1);
  coil::Thread b = coil::start_thread(blocking_worker, 2);
  coil::Thread c = coil::start_thread(blocking_worker, 3);
  co_await coil::gather(a, b, c);
}

coil::Coro<void> three_processes(Pids& pids) {
  const auto body = [](coil::MessagePipe&, int number) -> coil::Coro<void> { co_await worker(number); };
  coil::ForkedProcess children[] = {coil::fork_process(body, 1), coil::fork_process(body, 2),
                                    coil::fork_process(body, 3)};
  for (coil::ForkedProcess& child : children) pids.push_back(child.process().pid());
  co_await coil::gather(children[0].process().wait(), children[1].process().wait(), children[2].process().wait());
}

coil::Coro<void> three_tasks(Pids&) { co_await coil::gather(worker(1), worker(2), worker(3)); }

coil::Coro<std::string> measure(const char* name, coil::Coro<void> (*model)(Pids&)) {
  Pids pids;
  const long memory_before = example::memory_in_use({});
  long memory = 0;
  const double cpu = example::cpu_ms();
  const coil::time_point start = coil::get_running_loop().time();
  auto look = [&]() -> coil::Coro<void> {
    co_await coil::sleep(nap / 2);
    memory = std::max(0L, example::memory_in_use(pids) - memory_before);
  };
  co_await coil::gather(model(pids), look());
  const std::chrono::duration<double> took = coil::get_running_loop().time() - start;
  co_return fmt::format("{:<10} {:>6.2f} s {:>6.1f} ms {:>6} KiB\n", name, took.count(), example::cpu_ms() - cpu,
                        memory);
}

coil::Coro<int> three_models() {
  std::string table = fmt::format("{:<10} {:>8} {:>9} {:>10}\n", "model", "wall", "CPU", "memory");
  table += co_await measure("threads", three_threads);
  table += co_await measure("processes", three_processes);
  table += co_await measure("tasks", three_tasks);
  fmt::print("\n{}", table);
  co_return 0;
}

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 0, "three_models");
  return example::run(three_models());
}
