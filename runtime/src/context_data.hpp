#pragma once
#include <atomic>
#include <cstdint>
#include <vector>

#include <coil/context.hpp>

namespace coil::detail {

struct ContextValue;

/// What variables are set to: shared by contexts, and copied before it is changed.
struct ContextData {
  struct Entry {
    std::uint64_t variable;
    ContextValue* value;
  };
  std::atomic<std::uint32_t> refs = 1;
  std::vector<Entry> entries;  // few: searched in order
};

/// For ContextVar.
struct ContextAccess {
  static const ContextData* data(const Context& context) noexcept { return context.data_; }
  static std::uint64_t id(const Context& context) noexcept { return context.id_; }
  /// The id, a new one at the first call.
  static std::uint64_t make_id(Context& context) noexcept;
  /// The values for writing: not shared.
  static ContextData& own_data(Context& context);
  static void clear(Context& context) noexcept { context.replace(nullptr); }
};

ContextValue* retain(ContextValue* value) noexcept;
void release(ContextValue* value) noexcept;

}  // namespace coil::detail
