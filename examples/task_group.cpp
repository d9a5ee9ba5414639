// A task group: one task fails, its siblings are cancelled, their cleanup runs, and all failures arrive as one
// ExceptionGroup.
//
//   sh examples/run task_group
#include <cstdio>
#include <stdexcept>

#include "support.hpp"

using namespace std::chrono_literals;

coil::Coro<void> steady(int number) {
  const auto work = [&]() -> coil::Coro<void> {
    std::printf("worker %d: works\n", number);
    co_await coil::sleep(10s);
    std::printf("worker %d: done\n", number);  // never: the group is cancelled long before
  };
  // May await, and runs however the work ended.
  const auto cleanup = [&]() -> coil::Coro<void> {
    co_await coil::sleep(10ms);
    std::printf("worker %d: cancelled, cleaned up\n", number);
  };
  co_await coil::try_finally(work, cleanup);
}

coil::Coro<void> failing() {
  co_await coil::sleep(50ms);
  std::puts("worker 3: fails");
  throw std::runtime_error("worker 3 has failed");
}

coil::Coro<int> three_workers() {
  const auto body = [](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task(steady(1));
    group.create_task(steady(2));
    group.create_task(failing());
    co_return;  // the group waits for its tasks
  };
  try {
    co_await coil::task_group(body);
  } catch (const coil::ExceptionGroup& group) {
    std::puts(group.what());
    group.visit(
        [](const std::exception_ptr& failure) { std::printf("  %s", coil::format_exception(failure).c_str()); });
  }
  co_return 0;
}

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 0, "task_group");
  return example::run(three_workers());
}
