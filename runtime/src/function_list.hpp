#pragma once
#include <coil/detail/thread_function.hpp>

namespace coil::detail {

/// Functions that wait for a thread, or run in one: a list through their own members.
class FunctionList {
public:
  ThreadFunction* first() const noexcept { return first_; }
  void push_back(ThreadFunction& function) noexcept {
    function.prev_ = last_;
    function.next_ = nullptr;
    (last_ == nullptr ? first_ : last_->next_) = &function;
    last_ = &function;
  }
  void remove(ThreadFunction& function) noexcept {
    (function.prev_ == nullptr ? first_ : function.prev_->next_) = function.next_;
    (function.next_ == nullptr ? last_ : function.next_->prev_) = function.prev_;
    function.prev_ = function.next_ = nullptr;
  }
  template <class F>
  void for_each(F f) const {
    for (ThreadFunction* function = first_; function != nullptr; function = function->next_) f(*function);
  }

private:
  ThreadFunction* first_ = nullptr;
  ThreadFunction* last_ = nullptr;
};

}  // namespace coil::detail
