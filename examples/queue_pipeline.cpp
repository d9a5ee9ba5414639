// A pipeline: a producer, a queue with room for four jobs, three workers of different speed. The full queue slows the
// producer down to the pace of the workers; shutting it down tells them that nothing more will come.
//
//   sh examples/run queue_pipeline
#include <cstdio>

#include "support.hpp"

using std::chrono::milliseconds;

constexpr int jobs_in_all = 12;

coil::Coro<void> produce(coil::Queue<int>& jobs) {
  for (int job = 1; job <= jobs_in_all; ++job) {
    if (jobs.full()) std::printf("producer: the queue is full, job %d waits\n", job);
    co_await jobs.put(job);
  }
  jobs.shutdown();  // what is in it will still be done
  std::puts("producer: that was all, the queue is shut down");
}

coil::Coro<int> work(int worker, coil::Queue<int>& jobs, milliseconds pace) {
  int done = 0;
  try {
    for (;;) {
      const int job = co_await jobs.get();
      co_await coil::sleep(pace);
      std::printf("worker %d: job %d is done\n", worker, job);
      jobs.task_done();
      ++done;
    }
  } catch (const coil::QueueShutDown&) {
    // shut down, and empty
  }
  co_return done;
}

coil::Coro<int> pipeline() {
  coil::Queue<int> jobs(4);
  coil::Task<int> workers[3];
  const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    workers[0] = group.create_task(work(1, jobs, milliseconds(10)));
    workers[1] = group.create_task(work(2, jobs, milliseconds(17)));
    workers[2] = group.create_task(work(3, jobs, milliseconds(29)));
    co_await produce(jobs);
    co_await jobs.join();
    std::puts("all jobs are done");
  };
  co_await coil::task_group(body);
  for (int i = 0; i < 3; ++i) std::printf("worker %d did %d jobs\n", i + 1, workers[i].result());
  co_return 0;
}

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 0, "queue_pipeline");
  return example::run(pipeline());
}
