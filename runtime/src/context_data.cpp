#include <coil/detail/context_data.hpp>

namespace coil::detail {

void release(ContextData* context) noexcept {
  if (context == nullptr || --context->refs != 0) return;
  for (ContextData::Value& value : context->values) value.destroy(value.object);
  delete context;
}

}  // namespace coil::detail
