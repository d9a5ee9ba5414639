#pragma once
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace coil_ps {

/// Why another process cannot be looked into, in one sentence.
class Failure : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

using Address = std::uint64_t;

/// Memory of another process, of the same architecture. It stands still meanwhile: what is read belongs together.
/// Errors: Failure.
class Remote {
public:
  /// Stops all of its threads.
  explicit Remote(pid_t pid);
  Remote(const Remote&) = delete;
  Remote& operator=(const Remote&) = delete;
  /// Lets them go on.
  ~Remote();

  /// Where sections of that name lie, of all programs and libraries that are loaded there.
  std::vector<Address> sections(const std::string& name) const;

  void read(Address from, void* to, std::size_t size) const;
  template <class T>
  T read(Address from) const {
    T value;
    read(from, &value, sizeof value);
    return value;
  }
  Address pointer(Address from) const { return read<Address>(from); }
  /// A text that ends with a zero byte.
  std::string text(Address from) const;

private:
  void stop_threads();
  void release() noexcept;

  pid_t pid_;
  std::vector<pid_t> stopped_;
};

}  // namespace coil_ps
