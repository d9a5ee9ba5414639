// The cases on the minimal runtime: `limit CASE COUNT`.
#include "../measure.hpp"
#include "sync.hpp"

namespace {

using limit::Countdown;
using limit::Job;

constexpr long batch = 1000;

Job nothing() { co_return; }

Job spawn(long count) {
  const measure::Stopwatch watch;
  for (long done = 0; done < count; done += batch) {
    Countdown all;
    for (long i = 0; i < batch; ++i) nothing().start_under(all);
    co_await all;
  }
  watch.print_ns_each("spawn", count);
}

Job await_task(long count) {
  const measure::Stopwatch watch;
  for (long i = 0; i < count; ++i) {
    Countdown one;
    nothing().start_under(one);
    co_await one;
  }
  watch.print_ns_each("await_task", count);
}

Job yield_often(long times) {
  for (long i = 0; i < times; ++i) co_await limit::Yield{};
}

Job yield(long count) {
  const measure::Stopwatch watch;
  Countdown all;
  for (long i = 0; i < batch; ++i) yield_often(count / batch).start_under(all);
  co_await all;
  watch.print_ns_each("yield", count);
}

[[gnu::noinline]] limit::Child<long> same(long value) { co_return value; }

Job chain(long count) {
  const measure::Stopwatch watch;
  long sum = 0;
  for (long i = 0; i < count; ++i) sum += co_await same(i);
  watch.print_ns_each("chain", count);
  if (sum != count * (count - 1) / 2) std::abort();
}

Job sleep_until(std::int64_t when_ns) { co_await limit::SleepUntil{when_ns}; }

Job timers(long count) {
  const measure::Stopwatch watch;
  measure::Delays delays;
  Countdown all;
  std::int64_t last_ns = 0;
  for (long i = 0; i < count; ++i) {
    const std::int64_t when_ns = limit::Loop::now_ns() + delays.next_ms() * 1'000'000;
    if (when_ns > last_ns) last_ns = when_ns;
    sleep_until(when_ns).start_under(all);
  }
  co_await all;
  const std::int64_t end_ns = measure::wall_ns();
  measure::print("timers", static_cast<double>(watch.cpu()) / static_cast<double>(count));
  measure::print("timers_late", static_cast<double>(end_ns - last_ns) / 1e6);
}

Job pass(limit::Gate& gate) { co_await gate.passage(); }

Job idle(long count) {
  const long before = measure::resident_bytes();
  limit::Gate gate;
  Countdown all;
  for (long i = 0; i < count; ++i) pass(gate).start_under(all);
  co_await limit::Yield{};  // all of them wait now
  measure::print("idle", static_cast<double>(measure::resident_bytes() - before) / static_cast<double>(count));
  gate.open();
  co_await all;
}

Job gather(long count) {
  const measure::Stopwatch watch;
  Countdown all;
  for (long i = 0; i < count; ++i) sleep_until(limit::Loop::now_ns() + measure::nap_ns).start_under(all);
  co_await all;
  const std::int64_t wall = watch.wall();
  const std::int64_t cpu = watch.cpu();
  measure::print_gather(wall, cpu, measure::peak_mib());
}

limit::Channel there;
limit::Channel back;

Job answer(long count) {
  for (long i = 0; i < count; ++i) {
    const long value = co_await there.get();
    co_await back.put(value + 1);
  }
}

Job queue(long count) {
  const measure::Stopwatch watch;
  answer(count).start();
  long sum = 0;
  for (long i = 0; i < count; ++i) {
    co_await there.put(i);
    sum += co_await back.get();
  }
  watch.print_ns_each("queue", count);
  if (sum != count * (count + 1) / 2) std::abort();
}

Job lock(long count) {
  static volatile long guarded = 0;
  const measure::Stopwatch watch;
  limit::Mutex mutex;
  for (long i = 0; i < count; ++i) {
    co_await mutex.lock();
    guarded = guarded + 1;
    mutex.unlock();
  }
  watch.print_ns_each("lock", count);
}

template <Job (*body)(long)>
void run(long count) {
  body(count).start();
  limit::loop.run();
}

}  // namespace

int main(int argc, char** argv) {
  return measure::run_case(argc, argv,
                           {{"spawn", run<spawn>},
                            {"await_task", run<await_task>},
                            {"yield", run<yield>},
                            {"chain", run<chain>},
                            {"timers", run<timers>},
                            {"idle", run<idle>},
                            {"gather", run<gather>},
                            {"queue", run<queue>},
                            {"lock", run<lock>}});
}
