#include <coil/detail/child.hpp>

#include <coil/detail/check.hpp>
#include <coil/gather.hpp>

namespace coil::detail {

Child::~Child() {
  if (word_ == 0) return;
  if ((word_ & unstarted) != 0)
    std::coroutine_handle<>::from_address(reinterpret_cast<void*>(word_ & ~flags)).destroy();
  else
    state().unref();
}

void Child::start(LoopCore& core) {
  if ((word_ & unstarted) == 0) return;
  const auto coroutine = std::coroutine_handle<>::from_address(reinterpret_cast<void*>(word_ & ~flags));
  TaskState& task = start_task(core, coroutine, promise_at(coroutine).where_);
  word_ = reinterpret_cast<std::uintptr_t>(static_cast<FutureState*>(&task)) | from_coroutine;
}

void Child::check() const {
  if ((word_ & unstarted) == 0 && !state().done()) check_awaitable(&state());
}

void Child::wake(FutureState*) noexcept { static_cast<MultiWait*>(task_->waiting_on)->child_woken(*this); }

void start_all(std::span<Child> children) {
  LoopCore& core = running_loop();
  for (const Child& child : children) child.check();
  for (Child& child : children) child.start(core);
}

Handle wake_in_two_steps(TaskState& task) noexcept {
  return task.core().loop().call_soon([&task] { task.make_ready(); });
}

// ---- MultiWait -------------------------------------------------------------------------------------------

void MultiWait::hook_all() noexcept {
  left_ = children_.size();
  for (Child& child : children_) {
    child.task_ = task_;
    if (!child.state().done()) child.state().waiters.push_back(child);
  }
  for (Child& child : children_)
    if (child.next_ == nullptr) child_woken(child);
  hooked_ = true;
}

void MultiWait::unhook_all() noexcept {
  for (Child& child : children_)
    if (child.next_ != nullptr) child.state().waiters.remove(child);
}

void MultiWait::child_woken(Child& child) noexcept {
  if (ended_ || (child.word_ & Child::counted) != 0) return;
  child.word_ |= Child::counted;
  --left_;
  if (child_done(child) && !ended_) end();  // what a leaf does there may have ended it
}

void MultiWait::end() noexcept {
  ended_ = true;
  if (left_ != 0) unhook_all();
  waking_ = wake_in_two_steps(*task_);
}

Abort MultiWait::abort() noexcept {
  if (ended_) {  // it goes on by itself on the next step
    task_->set(Ready::must_cancel);
    return Abort::answer_coming;
  }
  cancel_requested_ = true;
  const Extras* more = task_->extras_if_any();
  cancel_children(Which::all, more == nullptr ? std::string_view() : std::string_view(more->message));
  return Abort::answer_coming;
}

void MultiWait::cancel_children(Which which, std::string_view why) noexcept {
  for (Child& child : children_) {
    if (which == Which::owned && !child.owned()) continue;
    if (child.state().phase != Phase::asked) {
      child.state().cancel(why);
    } else if (!child.owned() && child.next_ != nullptr) {  // it waits for us: given up, or neither would ever end
      child.state().waiters.remove(child);
      child_woken(child);
    }
  }
}

void MultiWait::cancel_after(const Child& child, Which which) noexcept {
  if (!hooked_ || child.state().has(Ready::is_task)) return cancel_children(which, {});
  task_->core().loop().call_soon([this, which] {
    if (!cancel_requested_) cancel_children(which, {});
  });
}

// ---- GatherOperation -------------------------------------------------------------------------------------

bool GatherOperation::await_ready() noexcept {
  bool any_left = false;
  bool any_owned_left = false;
  for (const Child& child : children_) {
    FutureState& state = child.state();
    owned_left_ += child.owned();
    if (!state.done()) {
      any_left = true;
      any_owned_left |= child.owned();
    } else if (state.phase != Phase::value) {
      state.set(Ready::retrieved);
      if (!collect_ && failure_ == nullptr) failure_ = &state;
    }
  }
  if (!any_left || (failure_ != nullptr && !any_owned_left)) return true;
  failure_ = nullptr;  // start() finds it again
  return false;
}

bool GatherOperation::child_done(Child& child) noexcept {
  owned_left_ -= child.owned();
  FutureState& state = child.state();
  if (state.done() && state.phase != Phase::value) {
    state.set(Ready::retrieved);
    if (!collect_ && failure_ == nullptr) {
      failure_ = &state;
      if (!cancel_requested_) cancel_after(child, Which::owned);
    }
  }
  if (left_ == 0) return true;
  return failure_ != nullptr && owned_left_ == 0 && !cancel_requested_;
}

void GatherOperation::await_resume() {
  throw_if_cancelled();
  if (failure_ != nullptr) failure_->throw_unless_value();
  if (cancel_requested_) task_->throw_cancelled();
}

}  // namespace coil::detail
