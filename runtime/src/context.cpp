#include <coil/context.hpp>

#include <memory>
#include <utility>

#include <coil/detail/loop_core.hpp>
#include <coil/error.hpp>

#include "context_data.hpp"

namespace coil {

namespace detail {

ContextData* retain(ContextData* data) noexcept {
  data->refs.fetch_add(1, std::memory_order_relaxed);
  return data;
}

void release(ContextData* data) noexcept {
  if (data->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  for (const ContextData::Entry& entry : data->entries) release(entry.value);
  delete data;
}

std::uint64_t ContextAccess::make_id(Context& context) noexcept {
  static std::atomic<std::uint64_t> last{0};
  if (context.id_ == 0) context.id_ = (last.fetch_add(1, std::memory_order_relaxed) + 1) & (~std::uint64_t{0} >> 1);
  return context.id_;
}

ContextData& ContextAccess::own_data(Context& context) {
  if (context.data_ != nullptr && context.data_->refs.load(std::memory_order_acquire) == 1) return *context.data_;
  auto own = std::make_unique<ContextData>();
  if (context.data_ != nullptr) {
    own->entries.reserve(context.data_->entries.size() + 1);
    for (const ContextData::Entry& entry : context.data_->entries)
      own->entries.push_back({entry.variable, retain(entry.value)});
  }
  context.replace(own.get());
  return *own.release();
}

}  // namespace detail

Context copy_context() noexcept {
  const Context* running = detail::current_context();
  return running == nullptr ? Context() : Context(*running);
}

Context::Entered::Entered(Context& context) : context_(context) {
  if (context.entered_ != 0) detail::throw_logic_error("coil: Context::run() of a context that is entered already");
  context.entered_ = 1;
  outer_ = std::exchange(detail::current_context(), &context);
}

Context::Entered::~Entered() {
  context_.entered_ = 0;
  detail::current_context() = outer_;
}

}  // namespace coil
