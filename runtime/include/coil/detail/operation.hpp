#pragma once
#include <coroutine>
#include <source_location>

#include <coil/detail/loop_core.hpp>

namespace coil::detail {

/// Base of the awaitables that suspend. `Leaf` says when it is ready (`await_ready`), what starts the wait
/// (`start`, noexcept), what it returns (`await_resume`) and how it is given up (`abort`).
template <class Leaf, class Base = Suspension>
class Operation : public Base {
public:
  using Base::Base;

  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> coroutine,
                     std::source_location where = std::source_location::current()) noexcept {
    this->park(coroutine, where);
    static_cast<Leaf*>(this)->start();
    this->settle();
  }
};

}  // namespace coil::detail
