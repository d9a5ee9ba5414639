// What can run: a list threaded through the frames themselves.
#pragma once
#include <coroutine>
#include <utility>

namespace limit {

/// A coroutine that waits. It is a part of the frame it resumes.
struct Waiter {
  Waiter* next;
  std::coroutine_handle<> frame;
};

/// First in, first out.
class ReadyList {
public:
  constexpr ReadyList() noexcept = default;
  ReadyList(const ReadyList&) = delete;
  ReadyList& operator=(const ReadyList&) = delete;

  bool empty() const noexcept { return first_ == nullptr; }

  void push(Waiter& waiter) noexcept {
    waiter.next = nullptr;
    *last_ = &waiter;
    last_ = &waiter.next;
  }

  Waiter* pop() noexcept {
    Waiter* waiter = first_;
    if (waiter != nullptr && (first_ = waiter->next) == nullptr) last_ = &first_;
    return waiter;
  }

  Waiter* take_all() noexcept {
    last_ = &first_;
    return std::exchange(first_, nullptr);
  }

private:
  Waiter* first_ = nullptr;
  Waiter** last_ = &first_;  // where the next one is linked
};

}  // namespace limit
