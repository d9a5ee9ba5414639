#pragma once

namespace coil::detail {

struct LoopCore;

/// Something of a loop that is no task and may have operations in the kernel: an acceptor, a stream. It is told when
/// the loop closes, so that nothing is left in the kernel then, and, if it asks, when the loop is about to enter the
/// kernel: what was gathered in many steps goes out as one operation.
class Resident {
public:
  Resident() noexcept = default;
  Resident(const Resident&) = delete;
  Resident& operator=(const Resident&) = delete;

  /// All tasks have ended. Stops its operations; the loop waits for them.
  virtual void loop_closes() noexcept = 0;
  /// See `flush_later()`.
  virtual void flush() noexcept {}
  /// See `tidy_later()`. True if it wants to be asked again.
  virtual bool tidy() noexcept { return false; }

protected:
  ~Resident() { move_out(); }

  /// Belongs to the running loop from now on.
  void move_in() noexcept;
  void move_out() noexcept;
  bool lives_in_loop() const noexcept { return home_ != nullptr; }
  LoopCore& home() const noexcept { return *home_; }
  /// `flush()` is called once, before the loop enters the kernel next.
  void flush_later() noexcept;
  /// `tidy()` is called in 300 ms: it gives back what it keeps and has not used for a while. Not where the clock
  /// is virtual, which would jump there.
  void tidy_later() noexcept;

private:
  friend struct LoopParts;
  LoopCore* home_ = nullptr;
  Resident* before_ = nullptr;
  Resident* after_ = nullptr;
  Resident* next_to_flush_ = nullptr;
  bool is_to_flush_ = false;
};

}  // namespace coil::detail
