#include "inbox.hpp"

#include <utility>

#include "loop_parts.hpp"

namespace coil::detail {

void Inbox::unref() noexcept {
  if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

bool Inbox::post(Posted& item) noexcept {
  const std::lock_guard lock(mutex_);
  if (wake_up_ == nullptr) return false;
  item.next_ = nullptr;
  *end_ = &item;
  end_ = &item.next_;
  signal();
  return true;
}

void Inbox::wake() noexcept {
  const std::lock_guard lock(mutex_);
  if (wake_up_ != nullptr) signal();
}

// Under the lock: a loop that closes meanwhile would take the descriptor away.
void Inbox::signal() noexcept {
  if (!std::exchange(signalled_, true)) wake_up_->signal();
}

Posted* Inbox::take_all(bool for_ever) noexcept {
  const std::lock_guard lock(mutex_);
  if (for_ever) wake_up_ = nullptr;
  signalled_ = false;
  end_ = &first_;
  return std::exchange(first_, nullptr);
}

void Inbox::take() noexcept {
  for (Posted* item = take_all(false); item != nullptr;) {
    Posted* next = item->next_;
    item->arrive();
    item = next;
  }
}

void Inbox::close() noexcept {
  for (Posted* item = take_all(true); item != nullptr;) {
    Posted* next = item->next_;
    item->discard();
    item = next;
  }
}

}  // namespace coil::detail
