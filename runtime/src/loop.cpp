#include <coil/loop.hpp>

#include <atomic>
#include <utility>
#include <vector>

#include <coil/detail/check.hpp>

#include "exception_trace.hpp"
#include "faults.hpp"
#include "faulty_ring.hpp"
#include "inspect.hpp"
#include "loop_parts.hpp"
#include "report.hpp"
#include "ring_cache.hpp"
#include "started_thread.hpp"
#include "step_observer.hpp"
#include "task_step.hpp"
#include "thread_report.hpp"
#include "uring_ring.hpp"
#include "workers.hpp"

namespace coil {

using detail::Callback;
using detail::LoopParts;
using detail::Ready;
using detail::TaskState;
using std::chrono::nanoseconds;

namespace detail {

namespace {

std::unique_ptr<Ring> make_ring(LoopParts& parts) {
  testing::FaultPlan* const plan = parts.options.faults;
  if (plan != nullptr) Faults::restart(*plan);
  std::unique_ptr<Ring> ring;
  if (plan == nullptr || !Faults::concern_setup(*plan)) ring = RingCache::take(parts.options.ring_entries);
  if (ring == nullptr) ring = std::make_unique<UringRing>(parts.options.ring_entries, plan);
  if (parts.options.faults != nullptr || parts.options.network != nullptr)
    ring = std::make_unique<FaultyRing>(std::move(ring), parts.options.faults, parts.options.network, parts);
  return ring;
}

}  // namespace

LoopParts::LoopParts(const RunOptions& run_options)
    : options(run_options),
      ring(make_ring(*this)),
      is_virtual(run_options.clock == Clock::virtual_),
      timers(now()),
      shuffler(static_cast<std::minstd_rand::result_type>(run_options.shuffle_seed.value_or(0) * 2654435761U + 1)) {}

Loop& LoopCore::loop() noexcept { return static_cast<Loop&>(*this); }

void LoopCore::refuse_other_threads(const char* call) const {
  if (::pthread_equal(::pthread_self(), parts->thread) == 0)
    throw std::logic_error("coil: " + std::string(call) +
                           "() from a thread that does not run the loop; pass a function to call_soon_threadsafe()");
}

}  // namespace detail

Loop& get_running_loop() { return detail::running_loop().loop(); }

Loop::Loop(const RunOptions& options) {
  static constinit std::atomic<std::uint64_t> loops_made{0};
  number = loops_made.fetch_add(1, std::memory_order_relaxed) + 1;
  if (options.busy_poll < nanoseconds::zero() || options.busy_poll > std::chrono::seconds(1))
    detail::throw_invalid_argument("coil: RunOptions::busy_poll: 0 to 1 s");
  parts = new LoopParts(options);
  inbox = new detail::Inbox(parts->wake_up);
  states = new detail::StatePool(this);
  debug = options.debug || detail::debug_in_environment();
  detail::begin_inspection(*this);
}

Loop::~Loop() {
  close();
  inbox->unref();
}

// ---- One turn of the loop, in call order -----------------------------------------------------------------

[[gnu::always_inline]] inline void Loop::turn() noexcept {
  if (!has_ready() || notable.any() || !parts->is_quiet()) look_around();
  run_ready();
}

// All that a turn does before it runs what is ready; nothing of it where the loop is quiet.
void Loop::look_around() noexcept {
  if (std::exchange(notable.traces, false)) detail::forget_trace();
  if (notable.observed && time_point::clock::now() > parts->observer->deadline) [[unlikely]]
    parts->observer->overdue();
  poll_kernel();
  if (parts->signalled.load(std::memory_order_relaxed)) queue_signal_handlers();
  if (notable.ending) [[unlikely]]
    detail::report_stuck_functions(*this);
  fire_timers();
}

void Loop::poll_kernel() noexcept {
  detail::Ring& ring = *parts->ring;
  if (std::exchange(notable.flushes, false)) parts->flush_residents();
  if (has_ready() || notable.stopping) {
    if (ring.has_work()) ring.poll(nanoseconds::zero());
  } else {
    const nanoseconds wait = notable.ending || notable.observed ? parts->until_naming(time_to_wait()) : time_to_wait();
    if (wait.count() != 0) return wait_for_something(wait);
    ring.poll(wait);
  }
  take_inbox();
}

// Looks for something a little before it sleeps, if it was told to, or while functions run in the pool's threads that
// lately have ended soon.
void Loop::wait_for_something(nanoseconds wait) noexcept {
  const time_point began = time_point::clock::now();
  parts->note_time(began, debug);
  const std::size_t jobs = parts->jobs;
  const bool looks = jobs != 0 && parts->patience.pays();
  nanoseconds longest = parts->is_virtual ? nanoseconds::zero() : parts->options.busy_poll;
  if (looks) longest = std::max<nanoseconds>(longest, detail::Patience::looks_for);
  if (longest.count() != 0) wait = look(began, wait, longest);
  if (wait.count() != 0) {
    detail::check(parts->wake_up.is_armed(), "a loop that sleeps can be woken");
    ++parts->wakeups;
  }
  parts->ring->poll(wait);
  parts->time_known = time_point::clock::now();
  take_inbox();
  if (jobs != 0) parts->patience.learn(parts->jobs < jobs, parts->time_known - began, looks);
}

// Gives what is left to wait: nothing if something has come.
nanoseconds Loop::look(time_point began, nanoseconds wait, nanoseconds longest) noexcept {
  if (take_what_is_there()) return nanoseconds::zero();
  const auto something_there = [this] {
    return inbox->saw_something() || parts->ring->has_work() || parts->signalled.load(std::memory_order_relaxed);
  };
  bool came = !inbox->begin_watch();
  if (!came) {
    came = detail::Patience::look(began + (wait.count() < 0 ? longest : std::min(wait, longest)), something_there);
    if (!inbox->end_watch()) came = true;
  }
  notable.looked = true;
  if (came) return nanoseconds::zero();
  return wait.count() < 0 ? wait : std::max(wait - (time_point::clock::now() - began), nanoseconds::zero());
}

// What the kernel has completed and other threads have posted. True if something is ready by that, or a signal came.
bool Loop::take_what_is_there() noexcept {
  do {
    if (std::exchange(notable.flushes, false)) parts->flush_residents();  // what completions have written
    parts->ring->poll(nanoseconds::zero());
    take_inbox();
    if (has_ready() || parts->signalled.load(std::memory_order_relaxed)) return true;
  } while (notable.flushes ||
           parts->ring->has_work());  // or operations went back to the kernel, for the rest of what they do
  return false;
}

// How long the kernel may put us to sleep: zero for not at all, negative for no end. Nothing is ready.
nanoseconds Loop::time_to_wait() noexcept {
  constexpr nanoseconds no_end{-1};
  // Timers closer together than this share a wake-up, which costs the kernel several microseconds. It is the slack
  // that Linux gives all timers of a thread by default; here one that stands alone has none, and a crowd little.
  constexpr nanoseconds timer_slack = std::chrono::microseconds(50);
  constexpr std::size_t timer_crowd = 64;
  if (parts->is_virtual) {
    if (take_what_is_there()) return nanoseconds::zero();
    if (parts->jobs == 0 && parts->ring->self_finishing() == 0 && !parts->timers.empty()) {
      parts->note_time(time_point::clock::now(), debug);
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

void Loop::take_inbox() noexcept {
  const bool looked = std::exchange(notable.looked, false);
  if (parts->wake_up.take_fired())
    parts->wake_up.arm(*parts->ring);
  else if (!looked)
    return;
  inbox->take();
}

void Loop::fire_timers() noexcept {
  if (parts->timers.empty() || parts->timers_are_far()) return;
  const time_point now = parts->now();
  if (!parts->is_virtual) parts->note_time(now, debug);
  while (detail::TimedSuspension* timer = parts->timers.pop_due(now)) timer->wake(nullptr);
}

[[gnu::always_inline]] inline void Loop::run_ready() noexcept {
  Ready* first = take_ready();
  if (parts->options.shuffle_seed) [[unlikely]]
    first = shuffle(first);
  if (notable.observed) [[unlikely]]
    return run_ready_observed(first);
  if (debug) [[unlikely]]
    return run_ready_timed(first);
  while (first != nullptr) {
    Ready& node = *first;
    left_of_turn = first = node.next;
    if (!node.has(Ready::must_cancel | Ready::has_context)) [[likely]]
      detail::resume_task(*this, static_cast<TaskState&>(node));
    else if (node.has(Ready::is_task))
      detail::run_careful_step(*this, static_cast<TaskState&>(node));
    else
      run_callback(static_cast<Callback&>(node));
  }
  current = nullptr;
}

void Loop::run_ready_observed(Ready* first) noexcept {
  while (first != nullptr) {
    Ready& node = *first;
    left_of_turn = first = node.next;
    if (!node.has(Ready::is_task)) {
      run_callback(static_cast<Callback&>(node));
      continue;
    }
    auto& task = static_cast<TaskState&>(node);
    task.ref();
    parts->observer->before_step(task);
    detail::run_step(*this, task);
    current = nullptr;
    parts->observer->after_step(task);
    task.unref();
  }
}

void Loop::run_ready_timed(Ready* first) noexcept {
  while (first != nullptr) {
    Ready& node = *first;
    left_of_turn = first = node.next;
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
    if (took >= parts->options.slow_callback_duration) detail::report_slow(*this, node, took);
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
    context = &callback.context;
    try {
      callback.call();
    } catch (...) {
      detail::report_callback_failed(*this, callback, std::current_exception());
    }
    context = nullptr;
    if (callback.phase == detail::Phase::running) callback.phase = detail::Phase::value;
  }
  callback.unref();
}

// ---- Running and closing ---------------------------------------------------------------------------------

// False if it was stopped before.
bool Loop::run_until_done(const detail::FutureState& main) noexcept {
  parts->running = true;
  notable.traces = true;  // one that was thrown outside
  parts->time_known = time_point::clock::now();
  parts->wake_up.arm(*parts->ring);
  while (!main.done()) {
    turn();
    if (notable.stopping) break;
  }
  notable.stopping = false;
  parts->running = false;
  parts->note_time(time_point::clock::now(), debug);
  return main.done();
}

// What tasks left behind in threads is waited for, and may still post and even start tasks.
void Loop::end_default_threads() noexcept {
  detail::Workers* workers = parts->workers;
  if (workers == nullptr && parts->started == nullptr) return;
  if (workers != nullptr) workers->shut_down(*inbox);
  parts->running = true;
  ++parts->jobs;  // a virtual clock stands still meanwhile
  for (bool last = false; !last;) {
    if (parts->started != nullptr) parts->started->stop_all(*inbox);  // also what was started meanwhile
    last = (workers == nullptr || workers->idle()) && (parts->started == nullptr || parts->started->idle());
    notable.stopping = last;  // one turn more, without waiting, for what was posted last
    turn();
  }
  --parts->jobs;
  notable.stopping = false;
  parts->running = false;
  if (workers != nullptr) workers->join();
  if (parts->started != nullptr) parts->started->join();
}

void Loop::close() noexcept {
  if (parts == nullptr) return;
  parts->closing = true;
  detail::end_inspection(*this);
  inbox->close();
  remove_signal_handlers();
  // What was written last goes out as far as the kernel takes it at once.
  parts->flush_residents();
  parts->ring->poll(nanoseconds::zero());
  parts->close_residents();
  parts->wake_up.disarm(*parts->ring);
  while (!parts->ring->idle()) parts->ring->poll(nanoseconds(-1));
  drop_callbacks();
  detail::check(tasks_alive == 0, "no task is left when a loop closes");
  delete std::exchange(parts, nullptr);
  states->orphan();
  if (!detail::RingCache::is_active()) detail::frame_pool.trim();
}

void Loop::stop() noexcept { notable.stopping = true; }
bool Loop::is_running() const noexcept { return parts != nullptr && parts->running; }
time_point Loop::time() const noexcept { return parts->now(); }

void Loop::set_debug(bool on) noexcept {
  if (parts->running) parts->note_time(time_point::clock::now(), debug);
  debug = on;
}

Metrics Loop::metrics() const noexcept {
  const detail::Ring& ring = *parts->ring;
  if (parts->running) parts->note_time(time_point::clock::now(), debug);
  Metrics metrics{};
  metrics.tasks = tasks_alive;
  const auto count = [&](const Ready& node) { metrics.ready += node.phase != detail::Phase::cancelled; };
  for (const Ready* node = left_of_turn; node != nullptr; node = node->next) count(*node);
  for (Ready* const* link = &ready_first; link != ready_end; link = &(*link)->next) count(**link);
  metrics.timers = parts->timer_count();
  metrics.operations_in_flight = ring.in_kernel() - ring.internal();
  metrics.submissions = ring.counters().submissions - parts->wake_up.submissions();
  metrics.completions = ring.counters().completions - parts->wake_up.completions();
  metrics.wakeups = parts->wakeups;
  metrics.longest_callback = parts->longest_callback;
  return metrics;
}

}  // namespace coil
