// Handles of callbacks.
#include <coil/loop.hpp>

#include "../support/loop_test.hpp"

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

LOOP_TEST("handle: cancel() of a callback that is queued in the same turn keeps it from running") {
  auto& loop = coil::get_running_loop();
  std::string log;
  coil::Handle last;
  loop.call_soon([&] {
    log += "first;";
    last.cancel();
  });
  loop.call_soon([&] { log += "second;"; });
  last = loop.call_soon([&] { log += "last;"; });
  co_await coil::yield();
  CHECK(log == "first;second;");
  CHECK(last.cancelled());
}

LOOP_TEST("handle: cancel() destroys the callback at once") {
  auto& loop = coil::get_running_loop();
  auto shared = std::make_shared<int>(1);
  auto soon = loop.call_soon([shared] { static_cast<void>(shared); });
  auto later = loop.call_later(1h, [shared] { static_cast<void>(shared); });
  CHECK(shared.use_count() == 3);
  soon.cancel();
  later.cancel();
  CHECK(shared.use_count() == 1);
  co_await coil::yield();
}

LOOP_TEST("handle: a callback is destroyed when it has run, though its handle is kept") {
  auto& loop = coil::get_running_loop();
  auto shared = std::make_shared<int>(1);
  auto handle = loop.call_soon([shared] { static_cast<void>(shared); });
  auto failing = loop.call_soon([shared] { throw std::runtime_error("all the same"); });
  co_await coil::yield();
  CHECK(shared.use_count() == 1);
  CHECK(reports.take().error == "all the same");
}

LOOP_TEST("handle: a callback that cancels itself runs to its end, and what it holds lives as long") {
  auto& loop = coil::get_running_loop();
  std::string log;
  coil::Handle self;
  self = loop.call_soon([&, word = std::make_unique<std::string>("a word that is kept on the heap, for sure")] {
    self.cancel();
    log += *word;
  });
  co_await coil::yield();
  CHECK(log == "a word that is kept on the heap, for sure");
  CHECK(self.cancelled());
}

LOOP_TEST("handle: cancelled() says whether cancel() was called, be it in vain, as in asyncio") {
  auto& loop = coil::get_running_loop();
  auto handle = loop.call_soon([] {});
  CHECK(!handle.cancelled());
  co_await coil::yield();
  CHECK(!handle.cancelled());
  handle.cancel();
  CHECK(handle.cancelled());
  auto timer = loop.call_later(1s, [] {});
  timer.cancel();
  CHECK(timer.cancelled());
}

LOOP_TEST("handle: copies speak of the same callback; an empty one can be cancelled and is never cancelled") {
  auto& loop = coil::get_running_loop();
  bool called = false;
  coil::Handle empty;
  empty.cancel();
  CHECK(!empty.cancelled());
  coil::Handle handle = loop.call_soon([&] { called = true; });
  coil::Handle copy = handle;
  coil::Handle moved = std::move(handle);
  handle.cancel();  // moved from: empty
  CHECK(!copy.cancelled());
  copy.cancel();
  CHECK(moved.cancelled());
  co_await coil::yield();
  CHECK(!called);
}

LOOP_TEST("handle: when() of a timer that was cancelled or has fired is still its deadline, of an empty one an error") {
  auto& loop = coil::get_running_loop();
  auto fired = loop.call_later(1s, [] {});
  auto cancelled = loop.call_later(2s, [] {});
  cancelled.cancel();
  co_await coil::sleep(3s);
  CHECK(fired.when() == coil::time_point{} + 1s);
  CHECK(cancelled.when() == coil::time_point{} + 2s);
  CHECK_THROWS_AS(coil::TimerHandle().when(), std::logic_error);
}

LOOP_TEST("handle: a callback whose destruction cancels another one") {
  auto& loop = coil::get_running_loop();
  struct CancelOnDestruction {
    explicit CancelOnDestruction(coil::Handle& handle) : other(&handle) {}
    CancelOnDestruction(CancelOnDestruction&& from) noexcept : other(std::exchange(from.other, nullptr)) {}
    ~CancelOnDestruction() {
      if (other != nullptr) other->cancel();
    }
    coil::Handle* other;
  };
  bool called = false;
  coil::Handle other;
  auto first = loop.call_soon([cancels = CancelOnDestruction(other)] { static_cast<void>(cancels); });
  other = loop.call_soon([&] { called = true; });
  co_await coil::yield();
  CHECK(!called);
  other = loop.call_soon([&] { called = true; });
  auto never = loop.call_later(1h, [cancels = CancelOnDestruction(other)] { static_cast<void>(cancels); });
  never.cancel();
  co_await coil::yield();
  CHECK(!called);
}

LOOP_TEST("handle: hundreds of thousands of timers that are made and cancelled leave nothing behind") {
  auto& loop = coil::get_running_loop();
  constexpr int rounds = coil_test::sanitized ? 20 : 200;
  const auto frames = coil::detail::live_frames();
  bool fired = false;
  for (int round = 0; round < rounds; ++round) {
    std::vector<coil::TimerHandle> handles;
    for (int i = 0; i < 1'000; ++i) handles.push_back(loop.call_later(1h + i * 1ms, [&] { fired = true; }));
    for (auto& handle : handles) handle.cancel();
    CHECK(loop.metrics().timers == 0);
    co_await coil::sleep(1s);
  }
  CHECK(coil::detail::live_frames() == frames);
  CHECK(!fired);
}
