// The cases on coil, written as a user would write them: `coil-cases CASE COUNT`.
#include <chrono>
#include <vector>

#include <coil/coil.hpp>

#include "../measure.hpp"

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using Tasks = std::vector<coil::Task<void>>;

constexpr long batch = 1000;

coil::Coro<void> nothing() { co_return; }

coil::Coro<void> spawn(long count) {
  Tasks tasks;
  tasks.reserve(batch);
  const measure::Stopwatch watch;
  for (long done = 0; done < count; done += batch) {
    for (long i = 0; i < batch; ++i) tasks.push_back(coil::create_task(nothing()));
    for (const auto& task : tasks) co_await task;
    tasks.clear();
  }
  watch.print_ns_each("spawn", count);
}

coil::Coro<void> await_task(long count) {
  const measure::Stopwatch watch;
  for (long i = 0; i < count; ++i) {
    const auto task = coil::create_task(nothing());
    co_await task;
  }
  watch.print_ns_each("await_task", count);
}

coil::Coro<void> wait_for(long count) {
  const measure::Stopwatch watch;
  for (long i = 0; i < count; ++i) {
    const auto task = coil::create_task(nothing());
    co_await coil::wait_for(task, std::chrono::seconds(10));
  }
  watch.print_ns_each("wait_for", count);
}

coil::Coro<void> yield_often(long times) {
  for (long i = 0; i < times; ++i) co_await coil::yield();
}

coil::Coro<void> yield(long count) {
  Tasks tasks;
  const measure::Stopwatch watch;
  for (long i = 0; i < batch; ++i) tasks.push_back(coil::create_task(yield_often(count / batch)));
  for (const auto& task : tasks) co_await task;
  watch.print_ns_each("yield", count);
}

[[gnu::noinline]] coil::Coro<long> same(long value) { co_return value; }

coil::Coro<void> chain(long count) {
  const measure::Stopwatch watch;
  long sum = 0;
  for (long i = 0; i < count; ++i) sum += co_await same(i);
  watch.print_ns_each("chain", count);
  if (sum != count * (count - 1) / 2) std::abort();
}

/// Starts `count` tasks that nobody awaits; they count themselves and set a future when all have ended.
class Crowd {
public:
  explicit Crowd(long count) : running_(count), ended_(coil::get_running_loop().create_future<void>()) {}
  void one_ended() {
    if (--running_ == 0) ended_.set_result();
  }
  coil::Future<void>& ended() { return ended_; }

private:
  long running_;
  coil::Future<void> ended_;
};

coil::Coro<void> sleep_until(coil::time_point when, Crowd& crowd) {
  co_await coil::sleep_until(when);
  crowd.one_ended();
}

coil::Coro<void> timers(long count) {
  const measure::Stopwatch watch;
  measure::Delays delays;
  Crowd crowd(count);
  const coil::Loop& loop = coil::get_running_loop();
  coil::time_point last{};
  for (long i = 0; i < count; ++i) {
    const coil::time_point when = loop.time() + milliseconds(delays.next_ms());
    if (when > last) last = when;
    static_cast<void>(coil::create_task(sleep_until(when, crowd)));
  }
  co_await crowd.ended();
  const auto late = nanoseconds(measure::wall_ns()) - last.time_since_epoch();
  measure::print("timers", static_cast<double>(watch.cpu()) / static_cast<double>(count));
  measure::print("timers_late", static_cast<double>(nanoseconds(late).count()) / 1e6);
}

coil::Future<void> gate;  // outlives the tasks, whose end `run` waits for

coil::Coro<void> pass() { co_await gate; }

coil::Coro<void> idle(long count) {
  const long before = measure::resident_bytes();
  gate = coil::get_running_loop().create_future<void>();
  for (long i = 0; i < count; ++i) static_cast<void>(coil::create_task(pass()));
  co_await coil::yield();  // all of them wait now
  measure::print("idle", static_cast<double>(measure::resident_bytes() - before) / static_cast<double>(count));
  gate.set_result();
}

coil::Coro<void> nap() { co_await coil::sleep(nanoseconds(measure::nap_ns)); }

coil::Coro<void> gather(long count) {
  const measure::Stopwatch watch;
  std::vector<coil::Coro<void>> naps;
  for (long i = 0; i < count; ++i) naps.push_back(nap());
  co_await coil::gather(std::move(naps));
  const std::int64_t wall = watch.wall();
  const std::int64_t cpu = watch.cpu();
  measure::print_gather(wall, cpu, measure::peak_mib());
}

coil::Coro<void> sleep_long() { co_await coil::sleep(std::chrono::hours(1)); }

coil::Coro<void> cancel(long count) {
  Tasks tasks;
  for (long i = 0; i < count; ++i) tasks.push_back(coil::create_task(sleep_long()));
  co_await coil::yield();  // all of them sleep now
  const measure::Stopwatch watch;
  for (const auto& task : tasks) task.cancel();
  const auto ended = co_await coil::wait(tasks);
  watch.print_ns_each("cancel", count);
  for (const auto& task : ended.done)
    if (!task.cancelled()) std::abort();
}

coil::Coro<void> answer(coil::Queue<long>& there, coil::Queue<long>& back, long count) {
  for (long i = 0; i < count; ++i) {
    const long value = co_await there.get();
    co_await back.put(value + 1);
  }
}

coil::Coro<void> queue(long count) {
  const measure::Stopwatch watch;
  coil::Queue<long> there(1);
  coil::Queue<long> back(1);
  const auto answering = coil::create_task(answer(there, back, count));
  long sum = 0;
  for (long i = 0; i < count; ++i) {
    co_await there.put(i);
    sum += co_await back.get();
  }
  watch.print_ns_each("queue", count);
  if (sum != count * (count + 1) / 2) std::abort();
  co_await answering;
}

coil::Coro<void> lock(long count) {
  static volatile long guarded = 0;
  const measure::Stopwatch watch;
  coil::Lock lock;
  for (long i = 0; i < count; ++i) {
    co_await lock.acquire();
    guarded = guarded + 1;
    lock.release();
  }
  watch.print_ns_each("lock", count);
}

template <coil::Coro<void> (*body)(long)>
void run(long count) {
  coil::run(body(count));
}

/// For counting instructions: the sleepers share wake-ups in the same way each time.
void gather_virtual(long count) { coil::run(gather(count), {.clock = coil::Clock::virtual_}); }

}  // namespace

int main(int argc, char** argv) {
  return measure::run_case(argc, argv,
                           {{"spawn", run<spawn>},
                            {"await_task", run<await_task>},
                            {"wait_for", run<wait_for>},
                            {"yield", run<yield>},
                            {"chain", run<chain>},
                            {"timers", run<timers>},
                            {"idle", run<idle>},
                            {"gather", run<gather>},
                            {"gather_virtual", gather_virtual},
                            {"cancel", run<cancel>},
                            {"queue", run<queue>},
                            {"lock", run<lock>}});
}
