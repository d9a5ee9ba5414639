#pragma once
#include <cstdint>
#include <vector>

namespace coil::detail {

/// The values of context variables at one moment: shared, and copied before it is changed.
struct ContextData {
  struct Value {
    std::uint64_t variable;
    void* object;
    void* (*copy)(const void*);
    void (*destroy)(void*) noexcept;
  };
  std::uint32_t refs = 1;
  std::vector<Value> values;  // few: searched in order
};

/// Null-tolerant.
inline ContextData* retain(ContextData* context) noexcept {
  if (context != nullptr) ++context->refs;
  return context;
}
void release(ContextData* context) noexcept;
/// A copy of its own, value by value, for another thread. Null for null.
ContextData* clone(const ContextData* context);

}  // namespace coil::detail

namespace coil {

/// The values of all context variables at one moment, as `copy_context()` gives them. Copyable.
/// Threads: the one that made it.
class Context {
public:
  Context() noexcept = default;  // no variable is set
  explicit Context(detail::ContextData* data) noexcept : data_(detail::retain(data)) {}
  Context(const Context& other) noexcept : Context(other.data_) {}
  Context& operator=(const Context& other) noexcept {
    detail::retain(other.data_);
    detail::release(data_);
    data_ = other.data_;
    return *this;
  }
  ~Context() { detail::release(data_); }

  detail::ContextData* data() const noexcept { return data_; }

private:
  detail::ContextData* data_ = nullptr;
};

}  // namespace coil
