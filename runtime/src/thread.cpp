#include <coil/thread.hpp>

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <string>

#include <coil/detail/check.hpp>

#include "blocked_thread.hpp"
#include "loop_parts.hpp"
#include "started_thread.hpp"
#include "thread_start.hpp"

namespace coil::detail {

// ---- The threads of a loop -------------------------------------------------------------------------------

StartedThreads& LoopParts::started_threads() {
  if (started == nullptr) started = new StartedThreads;
  return *started;
}

void StartedThreads::begin(ThreadFunction& function) noexcept {
  ref();
  const std::lock_guard lock(mutex_);
  running_.push_back(function);
  ++alive_;
}

void StartedThreads::end_function(ThreadFunction& function) noexcept {
  const std::lock_guard lock(mutex_);
  running_.remove(function);
}

void StartedThreads::end() noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (--alive_ == 0 && watcher_.get() != nullptr) watcher_.get()->wake();
  }
  unref();
}

bool StartedThreads::idle() noexcept {
  const std::lock_guard lock(mutex_);
  return alive_ == 0;
}

void StartedThreads::stop_all(Inbox& inbox) {
  std::vector<ThreadFunction*> running;
  {
    const std::lock_guard lock(mutex_);
    watcher_ = InboxRef(inbox);
    running_.for_each([&](ThreadFunction& function) {
      function.ref();
      running.push_back(&function);
    });
  }
  for (ThreadFunction* function : running) {
    function->request_stop();
    function->unref();
  }
}

void StartedThreads::abandon(std::thread thread, ThreadFunction& function) {
  std::vector<Abandoned> ended;
  {
    const std::lock_guard lock(mutex_);
    function.ref();
    abandoned_.push_back({std::move(thread), &function});
    if (abandoned_.size() < look_again_at_) return;
    const auto first_ended = std::partition(abandoned_.begin(), abandoned_.end(),
                                            [](const Abandoned& one) { return !one.function->ended(); });
    ended.assign(std::move_iterator(first_ended), std::move_iterator(abandoned_.end()));
    abandoned_.erase(first_ended, abandoned_.end());
    constexpr std::size_t least = 16;
    look_again_at_ = std::max(least, 2 * abandoned_.size());
  }
  join_all(ended);
}

void StartedThreads::join() noexcept {
  std::vector<Abandoned> ended;
  {
    const std::lock_guard lock(mutex_);
    ended.swap(abandoned_);
  }
  join_all(ended);
}

void StartedThreads::join_all(std::vector<Abandoned>& ended) noexcept {
  for (Abandoned& one : ended) {
    if (one.thread.get_id() == std::this_thread::get_id())
      one.thread.detach();
    else
      one.thread.join();
    one.function->unref();
  }
}

void StartedThreads::add_abandoned(std::vector<ThreadFunction::Description>& found) {
  const std::lock_guard lock(mutex_);
  running_.for_each([&](ThreadFunction& function) {
    if (const ThreadFunction::Description description = function.describe(); !description.awaited)
      found.push_back(description);
  });
}

// ---- One thread ------------------------------------------------------------------------------------------

StartedThread::StartedThread(ThreadFunction& function)
    : function_(function), room_(this_loop == nullptr ? nullptr : &parts_of(*this_loop).started_threads()) {
  try {
    function.prepare();
    function.ref();
    if (room_ != nullptr) {
      room_->ref();
      room_->begin(function);
    }
    const SignalsBlocked blocked;
    thread_ = std::thread([&function, room = room_] { run(function, room); });
    id_ = thread_.get_id();
  } catch (...) {
    if (room_ != nullptr) {
      room_->end_function(function);
      room_->end();
      room_->unref();
    }
    function.unref();
    function.unref();
    throw;
  }
}

void StartedThread::run(ThreadFunction& function, StartedThreads* room) noexcept {
  function.execute();
  if (room != nullptr) room->end_function(function);
  function.end();
  function.unref();  // if there is no handle: destroys the result, reports an exception
  if (room != nullptr) room->end();
}

void StartedThread::unref() noexcept {
  if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

StartedThread::~StartedThread() {
  if (thread_.joinable()) {
    const bool ended = function_.ended();
    if (!ended) function_.request_stop();
    if (is_this_thread() || (!ended && room_ != nullptr)) {
      if (room_ != nullptr)
        room_->abandon(std::move(thread_), function_);
      else
        thread_.detach();
    } else {
      thread_.join();
    }
  }
  function_.unref();
  if (room_ != nullptr) room_->unref();
}

void StartedThread::join() noexcept {
  const std::lock_guard lock(mutex_);
  if (thread_.joinable() && !is_this_thread()) thread_.join();
}

// ---- Handles ---------------------------------------------------------------------------------------------

ThreadRef::ThreadRef(ThreadFunction* function) : thread_(new StartedThread(*function)) {}
ThreadRef::ThreadRef(const ThreadRef& other) noexcept : thread_(other.thread_) {
  if (thread_ != nullptr) thread_->ref();
}
ThreadRef::~ThreadRef() {
  if (thread_ != nullptr) thread_->unref();
}

ThreadFunction& ThreadRef::function(const char* call) const {
  if (thread_ == nullptr) throw std::logic_error("coil: " + std::string(call) + " of an empty Thread");
  return thread_->function();
}

ThreadFunction* ThreadRef::share_function(const char* call) const {
  ThreadFunction& shared = function(call);
  shared.ref();
  return &shared;
}

void ThreadRef::join() const noexcept { thread_->join(); }

void ThreadRef::wait() const {
  ThreadFunction& awaited = function("Thread::join_blocking()");
  if (thread_->is_this_thread()) throw_logic_error("coil: Thread::join_blocking() waits for this very thread");
  if (!awaited.ended()) {
    if (this_loop != nullptr)
      throw_logic_error("coil: Thread::join_blocking() would block the event loop: use co_await");
    BlockedThread waiter;
    if (awaited.add_waiter(waiter)) waiter.block();
    static_cast<void>(awaited.ended());  // takes the lock under which the waiter was woken: it may go now
  }
  thread_->join();
}

// ---- Awaiting --------------------------------------------------------------------------------------------

void ThreadJoin::start() noexcept {
  begin();
  if (begun_ && task_->phase == Phase::waiting) ++parts_of(*this_loop).jobs;
}

void ThreadJoin::arrive() noexcept {
  --parts_of(*this_loop).jobs;
  ThreadWait::arrive();
}

Abort ThreadJoin::abort() noexcept {
  const bool begun = begun_;
  const Abort answer = ThreadWait::abort();
  if (begun && answer == Abort::gone) --parts_of(*this_loop).jobs;
  return answer;
}

void ThreadJoin::finish_join() {
  const bool given_up = task_ != nullptr && task_->has(Ready::throw_cancel);
  if (!given_up) thread_.join();
  finish(Waiters::several);
}

}  // namespace coil::detail
