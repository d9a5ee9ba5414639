// The queue of timers against std::multimap: what is due comes in order of time, and in order of arrival among equals.
#include <coil/detail/timer_queue.hpp>

#include <coil/detail/check.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "input.hpp"

using coil::time_point;
using coil::detail::check;
using coil::detail::TimerQueue;

namespace {

class Timer final : public coil::detail::TimedSuspension {
public:
  void wake(coil::detail::FutureState*) noexcept override {}
  std::multimap<time_point, Timer*>::iterator place;

private:
  coil::detail::Abort abort() noexcept override { return coil::detail::Abort::gone; }
};

// Times near and far, of all the sizes that the queue has levels for.
std::chrono::nanoseconds any_delay(coil_fuzz::Input& input) {
  const unsigned bits = input.byte() % 62;
  return std::chrono::nanoseconds(static_cast<std::int64_t>(input.number() & ((std::uint64_t{1} << bits) - 1)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  coil_fuzz::Input input(data, size);
  time_point now{};
  TimerQueue queue(now);
  std::multimap<time_point, Timer*> model;
  std::vector<Timer> timers(64);
  std::vector<Timer*> free;
  for (Timer& timer : timers) free.push_back(&timer);

  while (!input.empty()) {
    switch (input.byte() % 3) {
      case 0: {
        if (free.empty()) break;
        Timer& timer = *free.back();
        free.pop_back();
        const time_point when = now + any_delay(input) / 2;
        queue.add(timer, when);
        timer.place = model.emplace(when, &timer);
        break;
      }
      case 1: {
        Timer& timer = timers[input.byte() % timers.size()];
        if (!timer.queued()) break;
        queue.remove(timer);
        model.erase(timer.place);
        free.push_back(&timer);
        break;
      }
      default:
        now += any_delay(input);
        while (auto* due = static_cast<Timer*>(queue.pop_due(now))) {
          check(!model.empty() && model.begin()->second == due, "the first of those that are due comes");
          model.erase(model.begin());
          free.push_back(due);
        }
        check(model.empty() || model.begin()->first > now, "all that are due have come");
    }
    check(queue.size() == model.size(), "as many are left");
    check(model.empty() || queue.next() == model.begin()->first, "the next time is known");
    if (now.time_since_epoch().count() > INT64_MAX / 4) break;  // the clock goes for 70 years
  }
  for (Timer& timer : timers)
    if (timer.queued()) queue.remove(timer);
  return 0;
}
