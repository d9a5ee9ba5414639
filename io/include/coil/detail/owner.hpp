#pragma once
#include <utility>

namespace coil::detail {

/// A std::unique_ptr without the eleven thousand lines of <memory>.
template <class T>
class Owner {
public:
  Owner() noexcept = default;
  explicit Owner(T* object) noexcept : object_(object) {}
  Owner(Owner&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Owner& operator=(Owner other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Owner() { delete object_; }

  T* get() const noexcept { return object_; }
  T* operator->() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }

private:
  T* object_ = nullptr;
};

}  // namespace coil::detail
