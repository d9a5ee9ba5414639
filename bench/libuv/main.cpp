// The cases that libuv has something for, with callbacks: `libuv-cases timers|gather COUNT`.
#include <uv.h>

#include <algorithm>
#include <vector>

#include "../measure.hpp"

namespace {

void start_all(std::vector<uv_timer_t>& timers, uv_loop_t* loop, auto delay_ms) {
  for (uv_timer_t& timer : timers) {
    uv_timer_init(loop, &timer);
    uv_update_time(loop);
    uv_timer_start(&timer, [](uv_timer_t*) {}, static_cast<std::uint64_t>(delay_ms()), 0);
  }
}

void timers(long count) {
  const measure::Stopwatch watch;
  measure::Delays delays;
  std::vector<uv_timer_t> all(static_cast<std::size_t>(count));
  std::int64_t last = 0;
  uv_loop_t* const loop = uv_default_loop();
  start_all(all, loop, [&] {
    const std::int64_t delay = delays.next_ms();
    last = std::max(last, measure::wall_ns() + delay * 1'000'000);
    return delay;
  });
  uv_run(loop, UV_RUN_DEFAULT);
  const std::int64_t late = measure::wall_ns() - last;
  measure::print("timers", static_cast<double>(watch.cpu()) / static_cast<double>(count));
  measure::print("timers_late", static_cast<double>(late) / 1e6);
}

void gather(long count) {
  const measure::Stopwatch watch;
  std::vector<uv_timer_t> all(static_cast<std::size_t>(count));
  uv_loop_t* const loop = uv_default_loop();
  start_all(all, loop, [] { return measure::nap_ns / 1'000'000; });
  uv_run(loop, UV_RUN_DEFAULT);
  const std::int64_t wall = watch.wall();
  measure::print_gather(wall, watch.cpu(), measure::peak_mib());
}

}  // namespace

int main(int argc, char** argv) { return measure::run_case(argc, argv, {{"timers", timers}, {"gather", gather}}); }
