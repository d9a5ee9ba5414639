#pragma once

namespace coil::detail {

class Inbox;

/// What another thread leaves in a loop's inbox. It stays where it is until it has arrived.
class Posted {
public:
  Posted() noexcept = default;
  Posted(const Posted&) noexcept {}  // a copy is not posted
  Posted& operator=(const Posted&) = delete;

  /// Called in the loop's thread: makes ready what is to run. No user code.
  virtual void arrive() noexcept = 0;
  /// Called instead if the loop closes first.
  virtual void discard() noexcept {}

protected:
  ~Posted() = default;

private:
  friend class Inbox;
  Posted* next_ = nullptr;
};

}  // namespace coil::detail
