#include <coil/wait.hpp>

#include <unordered_set>

#include <coil/sleep.hpp>

namespace coil::detail {

std::vector<Child> each_once(std::vector<Child> children) {
  std::unordered_set<const FutureState*> seen;
  std::vector<Child> once;
  once.reserve(children.size());
  for (Child& child : children)
    if (seen.insert(&child.state()).second) once.push_back(std::move(child));
  return once;
}

// To wait for oneself makes sense only if something else may end it.
bool WaitOperation::await_ready() const {
  if (children_.empty()) throw_invalid_argument("coil: wait() for nothing: the range is empty");
  const bool for_all = options_.return_when == ReturnWhen::all_completed && !options_.timeout;
  for (const Child& child : children_)
    if (for_all || &child.state() != running_loop().current) child.check();
  return false;
}

void WaitOperation::start() noexcept {
  hook_all();
  if (options_.timeout && !ended_) start_timer(*this, *options_.timeout);
}

bool WaitOperation::child_done(Child& child) noexcept {
  FutureState& state = child.state();
  bool enough = left_ == 0 || options_.return_when == ReturnWhen::first_completed;
  if (options_.return_when == ReturnWhen::first_exception && state.phase == Phase::error) {
    state.set(Ready::retrieved);
    enough = true;
  }
  if (enough) stop_timer(*this);
  return enough;
}

void WaitOperation::wake(FutureState*) noexcept {
  if (options_.timeout && (*options_.timeout).count() <= 0) return end();  // as many steps as in asyncio
  ended_ = true;
  unhook_all();
  MultiWait::wake(nullptr);
}

Abort WaitOperation::abort() noexcept {
  stop_timer(*this);
  unhook_all();
  waking_.cancel();
  return Abort::gone;
}

}  // namespace coil::detail
