// Three workers run concurrently on one thread: together they take as long as the longest, not the sum.
//
//   sh examples/run gather_three_workers [MS]     each sleeps MS milliseconds, 1000 by default
#include <fmt/core.h>

#include "support.hpp"

using std::chrono::milliseconds;

coil::Coro<void> worker(int number, milliseconds nap) {
  fmt::print("worker {}: started\n", number);
  co_await coil::sleep(nap);
  fmt::print("worker {}: finished\n", number);
}

coil::Coro<int> three_workers(milliseconds nap) {
  const coil::time_point start = coil::get_running_loop().time();
  co_await coil::gather(worker(1, nap), worker(2, nap), worker(3, nap));
  const std::chrono::duration<double> took = coil::get_running_loop().time() - start;
  fmt::print("3 workers in {:.2f} s\n", took.count());
  co_return 0;
}

int main(int argc, char** argv) {
  const char* usage = "gather_three_workers [MS], MS from 0 to 1000000000";
  example::check_arguments(argc, argv, 0, 1, usage);
  const long ms = argc > 1 ? example::parse_number(argv[1], 1'000'000'000, usage) : 1000;
  return example::run(three_workers(milliseconds(ms)));
}
