#include "inbox.hpp"

#include <utility>

#include "loop_parts.hpp"

namespace coil::detail {

void Inbox::unref() noexcept {
  if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

// A child has neither the loop nor its descriptor, and may have another one of that number.
bool Inbox::post(Posted& item) noexcept {
  if (is_parents()) return false;
  Posted* last = last_.load(std::memory_order_relaxed);
  for (;;) {
    if (last == is_closed) return false;
    item.next_ = last == is_watched ? nullptr : last;
    if (last != nullptr) {
      if (push(last, item)) return true;
    } else {
      const InboxRef stay(*this);  // once the item is there, the loop may take it and end
      if (!push(last, item)) continue;
      signal();
      return true;
    }
  }
}

bool Inbox::push(Posted*& last, Posted& item) noexcept {
  return last_.compare_exchange_weak(last, &item, std::memory_order_acq_rel, std::memory_order_relaxed);
}

void Inbox::wake() noexcept {
  if (!is_parents()) signal();
}

// Under the lock: a loop that closes meanwhile would take the descriptor away.
void Inbox::signal() noexcept {
  const std::lock_guard lock(mutex_);
  if (wake_up_ != nullptr) wake_up_->signal();
}

Posted* Inbox::in_order(Posted* last) noexcept {
  if (last == is_watched) return nullptr;
  Posted* first = nullptr;
  while (last != nullptr) first = std::exchange(last, std::exchange(last->next_, first));
  return first;
}

void Inbox::take() noexcept {
  for (Posted* item = in_order(last_.exchange(nullptr, std::memory_order_acq_rel)); item != nullptr;) {
    Posted* next = item->next_;
    item->arrive();
    item = next;
  }
}

void Inbox::close() noexcept {
  Posted* last = last_.exchange(is_closed, std::memory_order_acq_rel);
  {
    const std::lock_guard lock(mutex_);
    wake_up_ = nullptr;
  }
  for (Posted* item = in_order(last); item != nullptr;) {
    Posted* next = item->next_;
    item->discard();
    item = next;
  }
}

}  // namespace coil::detail
