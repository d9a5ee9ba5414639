#include <coil/detail/state.hpp>

#include <cxxabi.h>
#include <coil/detail/check.hpp>
#include <coil/detail/loop_core.hpp>
#include <coil/detail/promise.hpp>
#include <coil/detail/state_ref.hpp>
#include <coil/error.hpp>

#include <utility>

#include "exception_trace.hpp"
#include "report.hpp"

namespace coil::detail {

// ---- FutureState -----------------------------------------------------------------------------------------

void FutureState::finish(Phase final) noexcept {
  check(!done(), "a future finishes once");
  phase = final;
  while (Suspension* waiter = waiters.pop_front()) waiter->wake(this);
}

void FutureState::finish_with_error(std::exception_ptr exception) noexcept {
  ::new (static_cast<void*>(&error)) std::exception_ptr(std::move(exception));
  finish(Phase::error);
}

bool FutureState::cancel(std::string_view why) noexcept {
  if (has(is_task)) return static_cast<TaskState*>(this)->cancel(why);
  if (done()) return false;
  if (!why.empty()) extras().message = why;
  finish(Phase::cancelled);
  return true;
}

void FutureState::throw_failure() {
  switch (phase) {
    case Phase::error:
      set(retrieved);
      if (Extras* more = extras_if_any()) resume_trace(error, more->trace);
      note_rethrow(error);
      std::rethrow_exception(error);
    case Phase::cancelled: {
      Extras* more = extras_if_any();
      throw CancelledError(more == nullptr ? std::string() : more->message);
    }
    default:
      throw InvalidStateError(has(is_task) ? "coil: the task is not done yet" : "coil: the future is not done yet");
  }
}

std::exception_ptr FutureState::take_exception() noexcept {
  if (phase == Phase::error) {
    set(retrieved);
    return error;
  }
  if (phase != Phase::cancelled) return nullptr;
  Extras* more = extras_if_any();
  return std::make_exception_ptr(CancelledError(more == nullptr ? std::string() : more->message));
}

void FutureState::set_context(const Context& context) {
  extras().context = context;
  set(has_context);
}

Extras& FutureState::extras() {
  Extras* more = extras_if_any();
  if (more == nullptr) {
    more = new Extras;
    more->number = extras_or_number >> 1;
    extras_or_number = reinterpret_cast<std::uintptr_t>(more);
  }
  return *more;
}

void FutureState::dispose() noexcept {
  check(!has(is_task) || done(), "the loop holds a task until it is done");
  if (phase == Phase::error && !has(retrieved)) {
    ++refs;  // the handler may look at it, and keep it
    set(retrieved);
    report_never_retrieved(*this);
    if (--refs != 0) return;
  }
  // Nobody can set this future any more: whoever hung on it without holding it goes.
  while (Suspension* hook = waiters.pop_front()) hook->abort();
  if (phase == Phase::error)
    error.~exception_ptr();
  else if (destroy_value != nullptr)
    destroy_value(*this);
  delete extras_if_any();
  StatePool::of(*this).release(*this);
}

// ---- TaskState -------------------------------------------------------------------------------------------

namespace {

std::string_view message_of(const FutureState& state) noexcept {
  const Extras* more = state.extras_if_any();
  return more == nullptr ? std::string_view() : std::string_view(more->message);
}

// Counts a request to cancel. True if the wait that the task is in has to be given up for it.
bool request_cancel(TaskState& task, std::string_view why) noexcept {
  if (task.cancels != UINT16_MAX) ++task.cancels;
  if (task.has(Ready::must_cancel | Ready::throw_cancel)) {
    if (task.is_running()) task.unset(Ready::late_cancel);
    return false;
  }
  if (!why.empty() || task.extras_if_any() != nullptr) task.extras().message = why;
  if (task.phase == Phase::waiting) return true;
  task.set(Ready::must_cancel);
  return false;
}

void throw_at(TaskState& task) noexcept {
  task.set(Ready::throw_cancel);
  task.make_ready();
}

}  // namespace

bool TaskState::cancel(std::string_view why) noexcept {
  if (done() || has(returned)) return false;
  if (!request_cancel(*this, why)) return true;
  const LoopScope scope(core());
  abort_wait(*this);
  return true;
}

namespace {

// Asks `task` to give up its wait. Gives the task that the request goes on to, or null.
TaskState* ask(TaskState& task) noexcept {
  task.unset(Ready::must_cancel | Ready::late_cancel);
  task.phase = Phase::asked;
  const Abort found = task.waiting_on->abort();
  if (found == Abort::gone) throw_at(task);
  if (found != Abort::passed_on) return nullptr;
  FutureState& awaited = *task.waiting_on->awaited();
  if (!awaited.has(Ready::is_task)) {
    awaited.cancel(message_of(task));
    return nullptr;
  }
  auto& next = static_cast<TaskState&>(awaited);
  if (next.phase == Phase::asked) {  // the chain bites its own tail, and is cut here
    next.waiters.remove(*task.waiting_on);
    throw_at(task);
    return nullptr;
  }
  if (next.done() || next.has(Ready::returned)) {  // it ends right now: the waiting task is woken, and throws
    task.set(Ready::must_cancel);
    return nullptr;
  }
  return request_cancel(next, message_of(task)) ? &next : nullptr;
}

// The request has gone along the chain: no task of it is being asked any more. Gives the next one.
TaskState* rest(TaskState& task) noexcept {
  if (task.phase != Phase::asked) return nullptr;
  task.phase = Phase::waiting;
  FutureState* next = task.waiting_on->awaited();
  return next != nullptr && next->has(Ready::is_task) ? static_cast<TaskState*>(next) : nullptr;
}

}  // namespace

// Follows a chain of tasks that await each other in a loop: it may be longer than any stack.
void abort_wait(TaskState& first) noexcept {
  for (TaskState* task = &first; task != nullptr;) task = ask(*task);
  for (TaskState* task = &first; task != nullptr;) task = rest(*task);
}

int TaskState::uncancel() noexcept {
  if (cancels != 0 && --cancels == 0) unset(must_cancel | late_cancel);
  return cancels;
}

void TaskState::throw_cancelled() {
  unset(must_cancel | late_cancel | throw_cancel);
  const Extras* more = extras_if_any();
  throw CancelledError(more == nullptr ? std::string() : more->message);
}

void throw_cancelled(TaskState& task, const FutureState& awaited) {
  if (awaited.phase != Phase::cancelled) task.throw_cancelled();
  task.unset(Ready::must_cancel | Ready::late_cancel | Ready::throw_cancel);
  throw CancelledError(std::string(message_of(awaited)));
}

void TaskState::store_current_exception() noexcept {
  const std::type_info* type = abi::__cxa_current_exception_type();
  if (type != nullptr && *type == typeid(CancelledError)) {
    // To throw it again, for nothing but to catch it by its type, would cost as much as the whole way until here.
    static_assert(sizeof(std::exception_ptr) == sizeof(void*));  // to the object, in libstdc++ and libc++
    const std::exception_ptr exception = std::current_exception();
    const auto& cancelled = **reinterpret_cast<const CancelledError* const*>(&exception);
    if (!cancelled.message().empty() || extras_if_any() != nullptr) extras().message = cancelled.message();
    phase = Phase::cancelled;
    return;
  }
  phase = Phase::error;
  ::new (static_cast<void*>(&error)) std::exception_ptr(std::current_exception());
  if (const auto& trace = trace_of(error); !trace.empty()) extras().trace = trace;
}

const std::string& TaskState::name() {
  Extras& more = extras();
  if (more.name.empty()) more.name = "Task-" + std::to_string(more.number);
  return more.name;
}

// ---- Suspension ------------------------------------------------------------------------------------------

void Suspension::wake(FutureState*) noexcept {
  const bool waits = task_->phase == Phase::waiting || task_->phase == Phase::asked;
  check(waits && task_->waiting_on == this, "only the wait that a task is in wakes it");
  task_->make_ready();
}

void check_awaitable(const FutureState* state) {
  if (state == nullptr) throw_logic_error("coil: an empty Task or Future was awaited");
  if (this_loop != nullptr && state == this_loop->current) throw_logic_error("coil: a task cannot await itself");
  if (this_loop != StatePool::core_of(*state)) throw_logic_error("coil: this Task or Future belongs to another loop");
}

// ---- Handles ---------------------------------------------------------------------------------------------

FutureState* checked_state(FutureState* state, const char* call) {
  if (state == nullptr)
    throw std::logic_error("coil: " + std::string(call) +
                           "() of an empty Task or Future; make one with create_task() or create_future()");
  return state;
}

FutureState& checked_pending(FutureState* state, const char* call) {
  checked_state(state, call)->check_thread(call);
  if (state->done()) throw InvalidStateError("coil: Future::" + std::string(call) + "(): the future is already done");
  return *state;
}

FutureState* checked_done(FutureState* state, const char* call) {
  if (checked_state(state, call)->done()) return state;
  const bool is_task = state->has(Ready::is_task);
  throw InvalidStateError("coil: " + std::string(is_task ? "Task::" : "Future::") + call + "(): the " +
                          (is_task ? "task" : "future") + " is not done yet; co_await it first");
}

std::exception_ptr exception_of(FutureState* state) {
  if (state->phase == Phase::cancelled) state->throw_unless_value();
  return state->take_exception();
}

// ---- DoneCallback ----------------------------------------------------------------------------------------

void DoneCallback::hang_on(FutureState& future) noexcept {
  pending_ = &future;
  future.waiters.push_back(*this);
}

void DoneCallback::wake(FutureState* source) noexcept {
  pending_ = nullptr;
  LoopCore* core = StatePool::core_of(*source);
  if (core == nullptr) return unref();  // the loop is closed: nothing runs there any more
  done_ = StateRef<FutureState>(source);
  core->push_ready(*this);
}

// Nobody can set the future any more.
Abort DoneCallback::abort() noexcept {
  pending_ = nullptr;
  unref();
  return Abort::gone;
}

// The handle that asks for it holds a reference meanwhile.
void DoneCallback::drop() noexcept {
  forget();
  done_ = {};
  if (FutureState* future = std::exchange(pending_, nullptr)) {
    future->waiters.remove(*this);
    unref();
  }
}

Handle add_done_callback(FutureState& state, DoneCallback* callback) {
  const Handle handle(callback);
  callback->prepare(current_context());
  if (state.done())
    callback->wake(&state);
  else
    callback->hang_on(state);
  return handle;
}

}  // namespace coil::detail
