// The model's loop, futures, groups and tasks: see model.cpp.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "program.hpp"

namespace coil_fuzz::model {

/// Empty for none.
using Error = std::string;
inline const Error cancelled_error = "CancelledError";

struct Timer {
  std::function<void()> callback;
  std::function<void()> when_due = {};  // called first, when the loop finds that its time has come
  bool cancelled = false;
};

/// The event loop: callbacks in order, timers in order of time and then of arrival.
class Loop {
public:
  long long now = 0;  // ms

  std::shared_ptr<Timer> call_soon(std::function<void()> callback) {
    ready_.push_back(std::make_shared<Timer>(Timer{std::move(callback)}));
    return ready_.back();
  }
  std::shared_ptr<Timer> call_later(int ms, std::function<void()> callback, std::function<void()> when_due = {}) {
    const auto timer = std::make_shared<Timer>(Timer{std::move(callback), std::move(when_due)});
    return timers_.emplace(now + ms, timer)->second;
  }
  /// Until nothing is left to do.
  void run() {
    for (;;) {
      while (!timers_.empty() && timers_.begin()->second->cancelled) timers_.erase(timers_.begin());
      if (ready_.empty() && timers_.empty()) return;
      if (ready_.empty()) now = timers_.begin()->first;
      for (; !timers_.empty() && timers_.begin()->first <= now; timers_.erase(timers_.begin())) {
        const auto timer = timers_.begin()->second;
        if (!timer->cancelled && timer->when_due) timer->when_due();
        ready_.push_back(timer);
      }
      for (std::size_t left = ready_.size(); left != 0; --left) {
        const auto next = ready_.front();
        ready_.pop_front();
        if (!next->cancelled) next->callback();
      }
    }
  }

private:
  std::deque<std::shared_ptr<Timer>> ready_;
  std::multimap<long long, std::shared_ptr<Timer>> timers_;
};

struct Future {
  explicit Future(Loop& its_loop) : loop(its_loop) {}
  virtual ~Future() = default;
  bool cancelled() const { return done && error == cancelled_error; }
  void finish(Error what) {
    done = true;
    error = std::move(what);
    for (auto& callback : callbacks) loop.call_soon(std::move(callback));
    callbacks.clear();
  }
  void when_done(std::function<void()> callback) {
    if (done)
      loop.call_soon(std::move(callback));
    else
      callbacks.push_back(std::move(callback));
  }
  virtual bool cancel() {
    if (done) return false;
    finish(cancelled_error);
    return true;
  }

  Loop& loop;
  bool done = false;
  Error error;
  std::vector<std::function<void()>> callbacks;
};
using FutureRef = std::shared_ptr<Future>;

struct Task;
struct Group {
  std::vector<std::shared_ptr<Task>> tasks;
  std::vector<Error> errors;
  FutureRef empty;  // waited for
  bool exiting = false, aborting = false, parent_cancel_requested = false, cancelled = false;
};

/// A statement that is being carried out, or a body of them: then `statement` is null.
struct Frame {
  const Statement* statement = nullptr;
  const std::vector<Statement>* body = nullptr;
  std::size_t next = 0;  // of the body
  int phase = 0;
  Group* group = nullptr;  // the innermost one
  FutureRef future = {};
  std::shared_ptr<Timer> timer = {};
  std::shared_ptr<Group> own_group = {};
  Error saved = {};
  int cancels_before = 0;  // when a scope began
  bool pending_before = false, expired = false;
};

struct Action {
  enum class What : unsigned char { await, yield, call, leave } what;
  FutureRef future = {};
  const std::vector<Statement>* body = nullptr;
  Error error = {};
};

struct Machine {
  Loop loop;
  std::vector<std::shared_ptr<Task>> tasks;  // that programs know of
  Trace trace;
};

struct Task final : Future, std::enable_shared_from_this<Task> {
  Task(Machine& its_machine, int its_number, const std::vector<Statement>& body)
      : Future(its_machine.loop), machine(its_machine), number(its_number) {
    frames.push_back({.body = &body});
  }
  void start() {
    loop.call_soon([self = shared_from_this()] { self->step({}); });
  }

  bool cancel() override {
    if (done) return false;
    ++cancels;
    if (waits_for && waits_for->cancel()) return true;
    must_cancel = true;
    return true;
  }
  int uncancel() {
    if (cancels > 0 && --cancels == 0) must_cancel = false;
    return cancels;
  }

  /// Goes on, with what the await gave.
  void step(Error error);
  void run(Error value);
  Action act(Frame& frame, Error value);
  Action carry_out(Frame& frame, Error value);
  Action leave(Frame& frame, Error error);

  Action sleep(Frame& frame, Error value);
  Action spawn(Frame& frame);
  Action join(Frame& frame, Error value);
  Action shield(Frame& frame, Error value);
  Action wait_task(Frame& frame, Error value);
  Action wait_body(Frame& frame, Error value);
  Action timeout(Frame& frame, Error value);
  Action cancel_and_wait(Frame& frame);
  Action group(Frame& frame, Error value);
  Action attempt(Frame& frame, Error value);
  Action sweep(Frame& frame, Error value);
  void enter_timeout(Frame& frame);
  Error leave_timeout(Frame& frame, Error value);
  void abort(Group& group);
  void child_done(Group& group, const std::shared_ptr<Task>& child);
  void log(const Frame& frame, const std::string& what) {
    machine.trace.push_back(trace_line(loop.now, number, *frame.statement, what));
  }

  Machine& machine;
  int number;
  std::vector<Frame> frames;
  FutureRef waits_for;
  bool must_cancel = false, started = false;
  int cancels = 0;
};

}  // namespace coil_fuzz::model
