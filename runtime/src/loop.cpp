#include <coil/loop.hpp>

#include <cstdlib>
#include <string_view>
#include <utility>

#include <coil/detail/check.hpp>

#include "exception_trace.hpp"
#include "interrupt.hpp"
#include "loop_parts.hpp"
#include "report.hpp"
#include "task_step.hpp"
#include "uring_ring.hpp"

namespace coil {

using detail::Callback;
using detail::LoopParts;
using detail::Ready;
using detail::TaskState;
using std::chrono::nanoseconds;

namespace detail {

LoopParts::LoopParts(const RunOptions& run_options)
    : options(run_options),
      ring(std::make_unique<UringRing>(run_options.ring_entries)),
      is_virtual(run_options.clock == Clock::virtual_),
      timers(now()),
      shuffler(static_cast<std::minstd_rand::result_type>(run_options.shuffle_seed.value_or(0) * 2654435761U + 1)) {}

void LoopParts::fall_asleep() noexcept {
  ++wakeups;
  if (!options.debug)
    longest_callback = std::max(longest_callback, nanoseconds(time_point::clock::now() - awake_since));
}

Loop& LoopCore::loop() noexcept { return static_cast<Loop&>(*this); }

}  // namespace detail

Loop& get_running_loop() { return detail::running_loop().loop(); }

Loop::Loop(const RunOptions& options) {
  parts = new LoopParts(options);
  states = new detail::StatePool(this);
  const char* environment = std::getenv("COIL_DEBUG");
  debug = options.debug || (environment != nullptr && std::string_view(environment) == "1");
}

Loop::~Loop() {
  close();
  delete parts;
  states->orphan();
  detail::frame_pool.trim();
}

// ---- One turn of the loop, in call order -----------------------------------------------------------------

void Loop::turn() noexcept {
  if (detail::trace_is_held) [[unlikely]]
    detail::forget_trace();
  poll_kernel();
  if (detail::interrupt_pending(*parts)) detail::deliver_interrupt(*parts);
  fire_timers();
  run_ready();
}

void Loop::poll_kernel() noexcept {
  detail::Ring& ring = *parts->ring;
  if (has_ready() || parts->stopping) {
    if (ring.has_work()) ring.poll(nanoseconds::zero());
  } else {
    const nanoseconds wait = time_to_wait();
    if (wait.count() != 0) parts->fall_asleep();
    ring.poll(wait);
    if (wait.count() != 0) parts->awake_since = time_point::clock::now();
  }
  take_threadsafe_callbacks();
}

// How long the kernel may put us to sleep: zero for not at all, negative for no end. Nothing is ready.
nanoseconds Loop::time_to_wait() noexcept {
  constexpr nanoseconds no_end{-1};
  // Timers closer together than this share a wake-up, which costs the kernel several microseconds. It is the slack
  // that Linux gives all timers of a thread by default; here one that stands alone has none, and a crowd little.
  constexpr nanoseconds timer_slack = std::chrono::microseconds(50);
  constexpr std::size_t timer_crowd = 64;
  if (parts->is_virtual) {
    detail::Ring& ring = *parts->ring;
    do {
      ring.poll(nanoseconds::zero());
      take_threadsafe_callbacks();
      if (has_ready()) return nanoseconds::zero();
    } while (ring.has_work());  // operations that went back to the kernel, for the rest of what they do
    if (parts->jobs == 0 && ring.self_finishing() == 0 && !parts->timers.empty()) {
      parts->virtual_now = std::max(parts->virtual_now, parts->timers.next());
      return nanoseconds::zero();
    }
    return no_end;
  }
  nanoseconds wait = no_end;
  if (!parts->timers.empty()) {
    const time_point next = parts->timers.next();
    const time_point now = parts->now();
    if (next <= now) return nanoseconds::zero();  // the difference may be more than fits
    wait = parts->timers.next_batch(timer_slack, timer_crowd) - now;
  }
  constexpr nanoseconds long_enough_to_tidy = std::chrono::milliseconds(100);
  if (wait == no_end || wait >= long_enough_to_tidy) detail::frame_pool.trim_if_idle();
  return wait;
}

void Loop::take_threadsafe_callbacks() noexcept {
  if (!parts->wake_up.take_fired()) return;
  parts->wake_up.arm(*parts->ring);
  std::vector<Callback*> callbacks;
  {
    const std::lock_guard lock(parts->mutex);
    callbacks.swap(parts->from_threads);
    parts->wake_up_signalled = false;
  }
  for (Callback* callback : callbacks) push_ready(*callback);
}

void Loop::fire_timers() noexcept {
  if (parts->timers.empty()) return;
  const time_point now = parts->now();
  while (detail::TimedSuspension* timer = parts->timers.pop_due(now)) {
    if (timer->waiting_task() != nullptr)
      timer->wake_in(*this);
    else
      timer->wake(nullptr);
  }
}

void Loop::run_ready() noexcept {
  Ready* first = take_ready();
  if (parts->options.shuffle_seed) [[unlikely]]
    first = shuffle(first);
  if (debug) [[unlikely]]
    return run_ready_timed(first);
  while (first != nullptr) {
    Ready& node = *first;
    first = node.next;
    if (!node.has(Ready::must_cancel | Ready::has_context)) [[likely]]
      detail::resume_task(*this, static_cast<TaskState&>(node));
    else if (node.has(Ready::is_task))
      detail::run_careful_step(*this, static_cast<TaskState&>(node));
    else
      run_callback(static_cast<Callback&>(node));
  }
  current = nullptr;
}

void Loop::run_ready_timed(Ready* first) noexcept {
  while (first != nullptr) {
    Ready& node = *first;
    first = node.next;
    ++node.refs;  // a report may name it afterwards
    const time_point start = time_point::clock::now();
    const bool is_task = node.has(Ready::is_task);
    if (is_task)
      detail::run_step(*this, static_cast<TaskState&>(node));
    else
      run_callback(static_cast<Callback&>(node));
    current = nullptr;
    const nanoseconds took = time_point::clock::now() - start;
    parts->longest_callback = std::max(parts->longest_callback, took);
    if (took >= parts->options.slow_callback_duration)
      detail::report_slow(*this, is_task ? &static_cast<TaskState&>(node) : nullptr, took);
    if (is_task)
      static_cast<TaskState&>(node).unref();
    else
      static_cast<Callback&>(node).unref();
  }
}

Ready* Loop::shuffle(Ready* first) noexcept {
  std::vector<Ready*> nodes;
  for (Ready* node = first; node != nullptr; node = node->next) nodes.push_back(node);
  for (std::size_t left = nodes.size(); left > 1; --left) std::swap(nodes[left - 1], nodes[parts->shuffler() % left]);
  Ready** end = &first;
  for (Ready* node : nodes) {
    *end = node;
    end = &node->next;
  }
  *end = nullptr;
  return first;
}

void Loop::run_callback(Callback& callback) noexcept {
  if (callback.phase == detail::Phase::ready) {
    callback.phase = detail::Phase::running;
    current = nullptr;
    context = callback.context;
    detail::retain(context);
    try {
      callback.call();
    } catch (...) {
      detail::report_callback_failed(*this, std::current_exception());
    }
    detail::release(std::exchange(context, nullptr));
    callback.phase = detail::Phase::value;
  }
  callback.unref();
}

// ---- Running and closing ---------------------------------------------------------------------------------

void Loop::run_until_done(const detail::FutureState& main) {
  parts->running = true;
  parts->awake_since = time_point::clock::now();
  parts->stopping = false;
  parts->wake_up.arm(*parts->ring);
  while (!main.done() && !parts->stopping) turn();
  parts->running = false;
  if (!main.done()) throw std::logic_error("coil: the event loop was stopped before the main coroutine was done");
}

void Loop::close() noexcept {
  std::vector<Callback*> left;
  {
    const std::lock_guard lock(parts->mutex);
    if (parts->closed) return;
    parts->closed = true;
    left.swap(parts->from_threads);
  }
  parts->wake_up.disarm(*parts->ring);
  while (!parts->ring->idle()) parts->ring->poll(nanoseconds(-1));
  for (Callback* callback : left) callback->unref();
  drop_ready();
  constexpr time_point end_of_time = time_point::max();
  while (detail::TimedSuspension* timer = parts->timers.pop_due(end_of_time)) timer->wake(nullptr);
  drop_ready();
}

void Loop::drop_ready() noexcept {
  for (Ready* node = take_ready(); node != nullptr;) {
    detail::check(!node->has(Ready::is_task), "no task is left when a loop closes");
    static_cast<Callback*>(std::exchange(node, node->next))->unref();
  }
}

void Loop::stop() noexcept { parts->stopping = true; }
bool Loop::is_running() const noexcept { return parts->running; }
time_point Loop::time() const noexcept { return parts->now(); }

Metrics Loop::metrics() const noexcept {
  const detail::Ring& ring = *parts->ring;
  Metrics metrics{};
  metrics.tasks = tasks_alive;
  for (Ready* const* link = &ready_first; link != ready_end; link = &(*link)->next) ++metrics.ready;
  metrics.timers = parts->timers.size();
  metrics.operations_in_flight = ring.in_kernel() - ring.internal();
  metrics.submissions = ring.counters().submissions - parts->wake_up.submissions();
  metrics.completions = ring.counters().completions - parts->wake_up.completions();
  metrics.wakeups = parts->wakeups;
  metrics.longest_callback = parts->longest_callback;
  return metrics;
}

}  // namespace coil
