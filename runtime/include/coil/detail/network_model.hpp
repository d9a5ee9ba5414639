#pragma once
#include <chrono>
#include <cstdint>

struct io_uring_sqe;

namespace coil::detail {

class FaultyRing;

/// What a ring asks of a simulated network about the operations that cross it.
class NetworkModel {
public:
  struct Crossing {
    enum class Kind : std::uint8_t { none, connects, receives, sends };
    Kind kind = Kind::none;
    std::uint32_t from = 0;  // hosts: where the data comes from, or the connection goes to
    std::uint32_t to = 0;
    std::uint64_t connection = 0;  // 0: none yet
  };

  virtual ~NetworkModel() = default;

  /// An operation begins. May change it.
  virtual Crossing begin_crossing(io_uring_sqe& submission) = 0;
  virtual bool is_blocked(const Crossing& crossing) const noexcept = 0;
  /// 0, or the errno with which it ends.
  virtual int error_of(const Crossing& crossing) noexcept = 0;
  virtual std::chrono::nanoseconds travel_time(const Crossing& crossing) noexcept = 0;

protected:
  /// The answers are others than before.
  void changed() noexcept;

private:
  friend class FaultyRing;
  FaultyRing* ring_ = nullptr;  // of the loop that runs
};

}  // namespace coil::detail
