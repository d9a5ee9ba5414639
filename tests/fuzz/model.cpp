// asyncio's semantics as CPython 3.13 has them (Lib/asyncio: tasks.py, futures.py, timeouts.py, taskgroups.py), written
// once more as an interpreter of its own: no coroutines, no exceptions, nothing of coil's. Where coil's documents promise
// something else than asyncio does, this does as they say, marked "coil:".
#include "model.hpp"

#include <cstdlib>

namespace coil_fuzz {
namespace model {

void Task::step(Error error) {
  if (must_cancel) {
    error = cancelled_error;
    must_cancel = false;
  }
  waits_for = nullptr;
  if (!started && !error.empty()) frames.clear();  // cancelled before it began
  started = true;
  run(std::move(error));
}

void Task::run(Error value) {
  while (!frames.empty()) {
    Action action = act(frames.back(), std::move(value));
    value = {};
    switch (action.what) {
      case Action::What::call: {
        Group* const group = frames.back().own_group ? frames.back().own_group.get() : frames.back().group;
        frames.push_back({.body = action.body, .group = group});
        break;
      }
      case Action::What::leave:
        frames.pop_back();
        value = std::move(action.error);
        break;
      case Action::What::yield:
        loop.call_soon([self = shared_from_this()] { self->step({}); });
        return;
      case Action::What::await:
        if (action.future->done) {
          value = action.future->error;
          break;
        }
        waits_for = action.future;
        waits_for->when_done([self = shared_from_this(), future = waits_for] { self->step(future->error); });
        if (must_cancel && waits_for->cancel()) must_cancel = false;
        return;
    }
  }
  if (must_cancel && value.empty()) value = cancelled_error;
  must_cancel = false;
  finish(std::move(value));
}

namespace {

Action await(FutureRef future) { return {.what = Action::What::await, .future = std::move(future)}; }
Action call(const std::vector<Statement>& body) { return {.what = Action::What::call, .body = &body}; }

}  // namespace

Action Task::leave(Frame& frame, Error error) {
  log(frame, error.empty() ? "ends" : error);
  return {.what = Action::What::leave, .error = std::move(error)};
}

/// What a frame does next; `value` is what came of its last action.
Action Task::act(Frame& frame, Error value) {
  if (frame.statement != nullptr) return carry_out(frame, std::move(value));
  if (!value.empty() || frame.next == frame.body->size())
    return {.what = Action::What::leave, .error = std::move(value)};
  Frame next{.statement = &(*frame.body)[frame.next++], .group = frame.group};
  log(next, "begins");
  frames.push_back(std::move(next));
  return carry_out(frames.back(), {});
}

Action Task::carry_out(Frame& frame, Error value) {
  const Statement& statement = *frame.statement;
  switch (statement.kind) {
    case Kind::sleep:
      return sleep(frame, std::move(value));
    case Kind::spawn:
    case Kind::group_spawn:
      return spawn(frame);
    case Kind::join:
      return join(frame, std::move(value));
    case Kind::shield:
      return shield(frame, std::move(value));
    case Kind::cancel:
      log(frame, machine.tasks[any_task(statement, machine.tasks.size())]->cancel() ? "yes" : "no");
      return leave(frame, {});
    case Kind::uncancel:
      log(frame, std::to_string(machine.tasks[any_task(statement, machine.tasks.size())]->uncancel()));
      return leave(frame, {});
    case Kind::cancelling:
      log(frame, std::to_string(machine.tasks[any_task(statement, machine.tasks.size())]->cancels));
      return leave(frame, {});
    case Kind::wait_task:
      return wait_task(frame, std::move(value));
    case Kind::wait_body:
      return wait_body(frame, std::move(value));
    case Kind::timeout:
      return timeout(frame, std::move(value));
    case Kind::group:
      return group(frame, std::move(value));
    case Kind::attempt:
      return attempt(frame, std::move(value));
    case Kind::fail:
      return leave(frame, "Failure " + std::to_string(statement.number));
    case Kind::sweep:
      return sweep(frame, std::move(value));
  }
  std::abort();
}

Action Task::sleep(Frame& frame, Error value) {
  if (frame.phase++ != 0) {
    if (frame.timer) frame.timer->cancelled = true;
    return leave(frame, std::move(value));
  }
  if (frame.statement->ms == 0) return {.what = Action::What::yield};
  const auto future = std::make_shared<Future>(loop);
  // coil: the task goes on in the turn in which its time comes. In asyncio a callback sets the future then, and the task
  // goes on one turn later, behind what other timers of the same time have woken.
  frame.timer = loop.call_later(
      frame.statement->ms,
      [self = shared_from_this(), future] {
        if (!future->cancelled()) self->step({});
      },
      [future] {
        if (future->done) return;
        future->callbacks.clear();
        future->finish({});
      });
  return await(future);
}

Action Task::spawn(Frame& frame) {
  Group* const group = frame.statement->kind == Kind::group_spawn ? frame.group : nullptr;
  if (group != nullptr && group->aborting) return leave(frame, "RuntimeError");
  const auto child = std::make_shared<Task>(machine, static_cast<int>(machine.tasks.size()), frame.statement->body);
  child->start();
  machine.tasks.push_back(child);
  if (group != nullptr) {
    group->tasks.push_back(child);
    const auto owner = shared_from_this();
    child->when_done([owner, group, child] { owner->child_done(*group, child); });
  }
  log(frame, std::to_string(child->number));
  return leave(frame, {});
}

Action Task::join(Frame& frame, Error value) {
  if (frame.phase++ != 0) return leave(frame, std::move(value));
  const int target = awaitable_task(*frame.statement, number, machine.tasks.size());
  if (target < 0) return leave(frame, {});
  return await(machine.tasks[static_cast<std::size_t>(target)]);
}

Action Task::shield(Frame& frame, Error value) {
  if (frame.phase++ != 0) return leave(frame, std::move(value));
  const int target = awaitable_task(*frame.statement, number, machine.tasks.size());
  if (target < 0) return leave(frame, {});
  const auto inner = machine.tasks[static_cast<std::size_t>(target)];
  if (inner->done) return await(inner);
  const auto outer = std::make_shared<Future>(loop);
  inner->when_done([inner, outer] {
    if (!outer->done) outer->finish(inner->error);
  });
  return await(outer);
}

// ---- Timeouts --------------------------------------------------------------------------------------------

void Task::enter_timeout(Frame& frame) {
  frame.cancels_before = cancels;
  frame.pending_before = must_cancel;
  const auto expire = [self = shared_from_this(), at = frames.size() - 1] {
    self->frames[at].expired = true;
    self->cancel();
  };
  frame.timer = frame.statement->ms <= 0 ? loop.call_soon(expire) : loop.call_later(frame.statement->ms, expire);
}

Error Task::leave_timeout(Frame& frame, Error value) {
  frame.timer->cancelled = true;
  if (!frame.expired) return value;
  if (uncancel() > frame.cancels_before) return value;
  if (!frame.pending_before) must_cancel = false;  // coil: a scope takes back what it asked for, and nobody has seen
  return value == cancelled_error ? "TimeoutError" : value;
}

Action Task::timeout(Frame& frame, Error value) {
  if (frame.phase++ != 0) return leave(frame, leave_timeout(frame, std::move(value)));
  enter_timeout(frame);
  return call(frame.statement->body);
}

/// Phase 10, and 11 after it.
Action Task::cancel_and_wait(Frame& frame) {
  const auto waiter = std::make_shared<Future>(loop);
  frame.phase = 11;
  frame.future->when_done([waiter] {
    if (!waiter->done) waiter->finish({});
  });
  frame.future->cancel();
  return await(waiter);
}

Action Task::wait_task(Frame& frame, Error value) {
  if (frame.phase == 11) {
    if (!value.empty()) return leave(frame, std::move(value));
    return leave(frame, frame.future->cancelled() ? "TimeoutError" : frame.future->error);
  }
  if (frame.phase == 1) {
    Error error = leave_timeout(frame, std::move(value));
    // coil: what has come in the turn of the deadline is not lost
    if (error == "TimeoutError" && frame.expired && frame.future->done && !frame.future->cancelled())
      error = frame.future->error;
    return leave(frame, std::move(error));
  }
  const int target = awaitable_task(*frame.statement, number, machine.tasks.size());
  if (target < 0) return leave(frame, {});
  frame.future = machine.tasks[static_cast<std::size_t>(target)];
  if (frame.statement->ms > 0) {
    enter_timeout(frame);
    frame.phase = 1;
    return await(frame.future);
  }
  if (frame.future->done) return leave(frame, frame.future->cancelled() ? cancelled_error : frame.future->error);
  return cancel_and_wait(frame);
}

Action Task::wait_body(Frame& frame, Error value) {
  if (frame.statement->ms > 0) return timeout(frame, std::move(value));
  if (frame.phase == 11) return leave(frame, value.empty() ? "TimeoutError" : std::move(value));
  const auto child = std::make_shared<Task>(machine, -1, frame.statement->body);  // never begins
  child->start();
  frame.future = child;
  return cancel_and_wait(frame);
}

// ---- Groups ----------------------------------------------------------------------------------------------

void Task::abort(Group& group) {
  group.aborting = true;
  for (const auto& task : std::vector(group.tasks)) task->cancel();
}

void Task::child_done(Group& group, const std::shared_ptr<Task>& child) {
  std::erase(group.tasks, child);
  if (group.empty && group.tasks.empty() && !group.empty->done) group.empty->finish({});
  if (child->cancelled() || child->error.empty()) return;
  group.errors.push_back(child->error);
  if (group.aborting || group.parent_cancel_requested) return;
  abort(group);
  group.parent_cancel_requested = true;
  cancel();
}

Action Task::group(Frame& frame, Error value) {
  if (frame.phase == 0) {
    frame.phase = 1;
    frame.own_group = std::make_shared<Group>();
    frame.cancels_before = cancels;
    frame.pending_before = must_cancel;
    return call(frame.statement->body);
  }
  Group& group = *frame.own_group;
  if (frame.phase == 1) {  // the body has ended
    frame.phase = 2;
    group.exiting = true;
    group.cancelled = value == cancelled_error;
    // coil: the body's failure takes its place in time among the children's
    if (!value.empty() && !group.cancelled) group.errors.push_back(value);
    if (!value.empty() && !group.aborting) abort(group);
  } else if (value == cancelled_error && !group.aborting) {
    group.cancelled = true;
    abort(group);
  }
  group.empty = nullptr;
  if (!group.tasks.empty()) {
    group.empty = std::make_shared<Future>(loop);
    return await(group.empty);
  }
  if (group.parent_cancel_requested && uncancel() <= frame.cancels_before) {  // coil: requests from before do not count
    group.cancelled = false;
    if (!frame.pending_before) must_cancel = false;
  }
  if (group.errors.empty()) return leave(frame, group.cancelled ? cancelled_error : Error());
  if (cancels > frame.cancels_before) {
    uncancel();
    cancel();
  }
  Error all;
  for (const Error& error : group.errors) all += (all.empty() ? "[" : ", ") + error;
  return leave(frame, all + "]");
}

// ---- The rest --------------------------------------------------------------------------------------------

Action Task::attempt(Frame& frame, Error value) {
  const Statement& statement = *frame.statement;
  switch (frame.phase++) {
    case 0:
      return call(statement.body);
    case 1:
      if (value.empty() || !(value == cancelled_error ? statement.catches_cancel : statement.catches_others))
        return leave(frame, std::move(value));
      log(frame, "catches " + value);
      frame.saved = std::move(value);
      return call(statement.handler);
    default:
      if (!value.empty()) return leave(frame, std::move(value));
      return leave(frame, statement.rethrows ? frame.saved : Error());
  }
}

Action Task::sweep(Frame& frame, Error value) {
  bool all_done = true;
  for (std::size_t i = 1; i < machine.tasks.size(); ++i) all_done = all_done && machine.tasks[i]->done;
  if (all_done || !value.empty()) return leave(frame, std::move(value));
  for (std::size_t i = 1; i < machine.tasks.size(); ++i) machine.tasks[i]->cancel();
  return {.what = Action::What::yield};
}

}  // namespace model

Trace run_model(const std::vector<Statement>& program) {
  model::Machine machine;
  machine.tasks.push_back(std::make_shared<model::Task>(machine, 0, program));
  machine.tasks[0]->start();
  machine.loop.run();
  for (const auto& task : machine.tasks) task->frames.clear();
  return std::move(machine.trace);
}

}  // namespace coil_fuzz
