#include <coil/detail/context_data.hpp>

#include <memory>

namespace coil::detail {

void release(ContextData* context) noexcept {
  if (context == nullptr || --context->refs != 0) return;
  for (ContextData::Value& value : context->values) value.destroy(value.object);
  delete context;
}

ContextData* clone(const ContextData* context) {
  if (context == nullptr) return nullptr;
  std::unique_ptr<ContextData, void (*)(ContextData*) noexcept> copy(new ContextData, release);
  copy->values.reserve(context->values.size());
  for (ContextData::Value value : context->values) {
    value.object = value.copy(value.object);
    copy->values.push_back(value);  // there is room
  }
  return copy.release();
}

}  // namespace coil::detail
