// The cases on Boost.Asio with coroutines: `asio-cases CASE COUNT`.
#include <chrono>
#include <vector>

#include "../measure.hpp"
#include "asio.hpp"

namespace {

using Timer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;
using Channel = asio::experimental::basic_channel<Executor, asio::experimental::channel_traits<>,
                                                  void(boost::system::error_code, long)>;

constexpr long batch = 1000;
asio::io_context* context = nullptr;

template <class T>
void start(Awaitable<T> work) {
  asio::co_spawn(context->get_executor(), std::move(work), asio::detached);
}

/// Waits until `count` others have ended. A timer that never ends is what asio has for it.
class Latch {
public:
  explicit Latch(long count) : left_(count), timer_(context->get_executor(), Timer::time_point::max()) {}
  void one_ended() {
    if (--left_ == 0) timer_.cancel();
  }
  Awaitable<void> wait() {
    boost::system::error_code cancelled;
    if (left_ > 0) co_await timer_.async_wait(asio::redirect_error(use_awaitable, cancelled));
  }

private:
  long left_;
  Timer timer_;
};

Awaitable<void> nothing(Latch& latch) {
  latch.one_ended();
  co_return;
}

Awaitable<void> spawn(long count) {
  const measure::Stopwatch watch;
  for (long done = 0; done < count; done += batch) {
    Latch latch(batch);
    for (long i = 0; i < batch; ++i) start(nothing(latch));
    co_await latch.wait();
  }
  watch.print_ns_each("spawn", count);
}

Awaitable<void> trivial() { co_return; }

Awaitable<void> await_task(long count) {
  const measure::Stopwatch watch;
  for (long i = 0; i < count; ++i) co_await asio::co_spawn(context->get_executor(), trivial(), use_awaitable);
  watch.print_ns_each("await_task", count);
}

Awaitable<void> yield_often(long times, Latch& latch) {
  for (long i = 0; i < times; ++i) co_await asio::post(context->get_executor(), use_awaitable);
  latch.one_ended();
}

Awaitable<void> yield(long count) {
  const measure::Stopwatch watch;
  Latch latch(batch);
  for (long i = 0; i < batch; ++i) start(yield_often(count / batch, latch));
  co_await latch.wait();
  watch.print_ns_each("yield", count);
}

[[gnu::noinline]] Awaitable<long> same(long value) { co_return value; }

Awaitable<void> chain(long count) {
  const measure::Stopwatch watch;
  long sum = 0;
  for (long i = 0; i < count; ++i) sum += co_await same(i);
  watch.print_ns_each("chain", count);
  if (sum != count * (count - 1) / 2) std::abort();
}

Awaitable<void> sleep_until(Timer::time_point when, Latch& latch) {
  Timer timer(context->get_executor(), when);
  co_await timer.async_wait(use_awaitable);
  latch.one_ended();
}

Awaitable<void> timers(long count) {
  const measure::Stopwatch watch;
  measure::Delays delays;
  Latch latch(count);
  Timer::time_point last{};
  for (long i = 0; i < count; ++i) {
    const auto when = std::chrono::steady_clock::now() + std::chrono::milliseconds(delays.next_ms());
    if (when > last) last = when;
    start(sleep_until(when, latch));
  }
  co_await latch.wait();
  const std::chrono::nanoseconds late = std::chrono::steady_clock::now() - last;
  measure::print("timers", static_cast<double>(watch.cpu()) / static_cast<double>(count));
  measure::print("timers_late", static_cast<double>(late.count()) / 1e6);
}

/// All of the crowd waits for one timer.
Awaitable<void> pass(Timer& gate) {
  boost::system::error_code cancelled;
  co_await gate.async_wait(asio::redirect_error(use_awaitable, cancelled));
}

Awaitable<void> idle(long count) {
  const long before = measure::resident_bytes();
  Timer gate(context->get_executor(), Timer::time_point::max());
  for (long i = 0; i < count; ++i) start(pass(gate));
  co_await asio::post(context->get_executor(), use_awaitable);  // all of them wait now
  measure::print("idle", static_cast<double>(measure::resident_bytes() - before) / static_cast<double>(count));
  std::exit(0);
}

Awaitable<void> gather(long count) {
  const measure::Stopwatch watch;
  Latch latch(count);
  for (long i = 0; i < count; ++i)
    start(sleep_until(std::chrono::steady_clock::now() + std::chrono::nanoseconds(measure::nap_ns), latch));
  co_await latch.wait();
  const std::int64_t wall = watch.wall();
  measure::print_gather(wall, watch.cpu(), measure::peak_mib());
}

Awaitable<void> answer(Channel& there, Channel& back, long count) {
  for (long i = 0; i < count; ++i) {
    const long value = co_await there.async_receive(use_awaitable);
    co_await back.async_send({}, value + 1, use_awaitable);
  }
}

Awaitable<void> queue(long count) {
  const measure::Stopwatch watch;
  Channel there(context->get_executor(), 1);
  Channel back(context->get_executor(), 1);
  start(answer(there, back, count));
  long sum = 0;
  for (long i = 0; i < count; ++i) {
    co_await there.async_send({}, i, use_awaitable);
    sum += co_await back.async_receive(use_awaitable);
  }
  watch.print_ns_each("queue", count);
  if (sum != count * (count + 1) / 2) std::abort();
}

template <Awaitable<void> (*body)(long)>
void run(long count) {
  asio::io_context loop(1);
  context = &loop;
  start(body(count));
  loop.run();
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
                            {"queue", run<queue>}});
}
