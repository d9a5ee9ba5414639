#pragma once
#include <cstdint>

#include <coil/detail/loop_core.hpp>

namespace coil::detail {

/// Base of what tasks meet at: belongs to the loop in which a task first had to wait for it, as in asyncio.
class LoopBound {
public:
  LoopBound(const LoopBound&) = delete;
  LoopBound& operator=(const LoopBound&) = delete;

protected:
  LoopBound() noexcept = default;
  ~LoopBound() = default;

  /// Before a task waits. Errors: `std::logic_error` that names the call, in another loop.
  void bind(const char* call) {
    const LoopCore& loop = running_loop();
    if (loop_ == loop.number) [[likely]]
      return;
    if (loop_ != 0) throw_other_loop(call);
    loop_ = loop.number;
    thread_ = &this_loop;
  }
  /// Before waiting tasks are woken. Errors: `std::logic_error` that names the call, in another thread.
  void check_thread(const char* call) const {
    if (thread_ != &this_loop) [[unlikely]]
      throw_other_thread(call);
  }

private:
  [[noreturn]] static void throw_other_loop(const char* call);
  [[noreturn]] static void throw_other_thread(const char* call);

  std::uint64_t loop_ = 0;             // its number; 0 until a task waits
  LoopCore* const* thread_ = nullptr;  // a variable of that loop's thread: no other has one at this address
};

}  // namespace coil::detail
