#include <coil/as_completed.hpp>

#include <deque>
#include <memory>
#include <unordered_set>

#include <coil/loop.hpp>

namespace coil::detail {

/// Hangs on a future until that is done.
class CompletionQueue::Entry final : public Suspension {
public:
  Entry(Parts& queue, FutureState& state) noexcept : queue_(queue), state_(&state) {}
  Entry(Entry&&) = delete;
  ~Entry() { detach(); }

  void attach() {
    if (state_->done())
      wake(state_.get());
    else
      state_->waiters.push_back(*this);
  }
  void detach() noexcept {
    if (next_ != nullptr) state_->waiters.remove(*this);
    queued_.cancel();
  }
  StateRef<FutureState> take() noexcept { return std::move(state_); }

  /// asyncio learns of the end of a task by a callback on the next turn; taking as many turns keeps the order of
  /// events the same.
  void wake(FutureState* source) noexcept override;

private:
  Abort abort() noexcept override { return Abort::gone; }  // never waited on itself

  Parts& queue_;
  StateRef<FutureState> state_;
  Handle queued_;
};

struct CompletionQueue::Parts {
  std::deque<Entry> entries;
  std::vector<Entry*> ended;  // in this order
  std::size_t given = 0;      // of them
  bool timed_out = false;
  GetOperation* waiting = nullptr;
  TimerHandle timer;

  ~Parts() { timer.cancel(); }
  void entry_ended(Entry& entry) {
    ended.push_back(&entry);
    if (ended.size() == entries.size()) timer.cancel();
    wake_up();
  }
  void time_out() {
    timed_out = true;
    for (Entry& entry : entries) entry.detach();
    wake_up();
  }

private:
  void wake_up() {
    if (waiting != nullptr) std::exchange(waiting, nullptr)->wake(nullptr);
  }
};

void CompletionQueue::Entry::wake(FutureState* source) noexcept {
  queued_ = StatePool::core_of(*source)->loop().call_soon([this] { queue_.entry_ended(*this); });
}

CompletionQueue::CompletionQueue(std::vector<Child> children, TimeLimit timeout) {
  LoopCore& core = running_loop();
  auto parts = std::make_unique<Parts>();
  std::unordered_set<const FutureState*> seen;
  for (Child& child : children) {
    child.start(core);
    check_awaitable(&child.state());
    if (seen.insert(&child.state()).second) parts->entries.emplace_back(*parts, child.state());
  }
  for (Entry& entry : parts->entries) entry.attach();
  if (timeout && !parts->entries.empty())
    parts->timer = core.loop().call_later(*timeout, [queue = parts.get()] { queue->time_out(); });
  parts_ = parts.release();
}

CompletionQueue::~CompletionQueue() { delete parts_; }

std::size_t CompletionQueue::left() const noexcept { return parts_->entries.size() - parts_->given; }
CompletionQueue::GetOperation CompletionQueue::get() noexcept { return GetOperation(*parts_); }

bool CompletionQueue::GetOperation::await_ready() const noexcept {
  return queue_.given != queue_.ended.size() || queue_.timed_out;
}

void CompletionQueue::GetOperation::start() noexcept { queue_.waiting = this; }

Abort CompletionQueue::GetOperation::abort() noexcept {
  queue_.waiting = nullptr;
  return Abort::gone;
}

StateRef<FutureState> CompletionQueue::GetOperation::await_resume() {
  throw_if_cancelled();
  if (queue_.given == queue_.ended.size()) throw_timeout();
  return queue_.ended[queue_.given++]->take();
}

}  // namespace coil::detail
