#pragma once
#include <utility>

namespace coil {

class Handle;
class Loop;

namespace detail {
struct Callback;
class DoneCallback;
struct FutureState;
Handle add_done_callback(FutureState& state, DoneCallback* callback);
}  // namespace detail

/// A callback that was queued by `call_soon`, or added by `add_done_callback`. Copyable; dropping it does not cancel.
/// Threads: loop thread.
class Handle {
public:
  Handle() noexcept = default;
  /// The callback will not run, unless it did already, and is destroyed unless it runs now. Idempotent.
  void cancel() const noexcept;
  /// Whether it was cancelled, be it in vain.
  bool cancelled() const noexcept;

  Handle(const Handle& other) noexcept;
  Handle(Handle&& other) noexcept : callback_(std::exchange(other.callback_, nullptr)) {}
  Handle& operator=(Handle other) noexcept {
    std::swap(callback_, other.callback_);
    return *this;
  }
  ~Handle();

protected:
  friend class Loop;
  friend Handle detail::add_done_callback(detail::FutureState&, detail::DoneCallback*);
  explicit Handle(detail::Callback* callback) noexcept;
  detail::Callback* callback_ = nullptr;
};

}  // namespace coil
