#include <coil/context_var.hpp>

#include <algorithm>
#include <atomic>
#include <memory>
#include <stdexcept>

#include <coil/detail/loop_core.hpp>
#include <coil/error.hpp>

#include "context_data.hpp"

namespace coil::detail {

ContextValue* retain(ContextValue* value) noexcept {
  std::atomic_ref(value->refs).fetch_add(1, std::memory_order_relaxed);
  return value;
}

void release(ContextValue* value) noexcept {
  if (std::atomic_ref(value->refs).fetch_sub(1, std::memory_order_acq_rel) == 1) delete value;
}

namespace {

/// That of a thread, for what runs outside its loops.
struct ThreadContext {
  Context context;
  ~ThreadContext() { context_outside_loops = nullptr; }
};
thread_local ThreadContext thread_context;

/// The context that runs, made if there is none yet.
Context& context_to_set() {
  Context*& running = current_context();
  if (running != nullptr) return *running;
  if (this_loop == nullptr) {
    running = &thread_context.context;
  } else if (TaskState* task = this_loop->current) {
    running = &task->extras().context;
    task->set(Ready::has_context);
  } else {
    return thread_context.context;  // the destructor of something that a loop lets go
  }
  return *running;
}

using ValueRef = std::unique_ptr<ContextValue, decltype([](ContextValue* value) { release(value); })>;

template <class Entries>
auto find_in(Entries& entries, std::uint64_t variable) {
  return std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.variable == variable; });
}

/// Sets the variable, or unsets it, and gives what it was set to.
ContextValue* exchange(Context& context, std::uint64_t variable, ValueRef value) {
  auto& entries = ContextAccess::own_data(context).entries;
  auto entry = find_in(entries, variable);
  if (entry == entries.end()) entry = entries.insert(entry, {variable, nullptr});
  ContextValue* const old = entry->value;
  entry->value = value.release();
  if (entry->value == nullptr) entries.erase(entry);
  if (entries.empty()) ContextAccess::clear(context);
  return old;
}

template <class Error>
[[noreturn]] void refuse(const std::string& name, const char* token) {
  throw Error("coil: ContextVar '" + name + "': reset() with " + token);
}

}  // namespace

ContextVarBase::ContextVarBase(std::string_view name) : name_(name) {
  static std::atomic<std::uint64_t> last{0};
  id_ = last.fetch_add(1, std::memory_order_relaxed) + 1;
}

const ContextValue* ContextVarBase::find() const noexcept {
  const Context* context = current_context();
  if (context == nullptr || context->empty()) return nullptr;
  const auto& entries = ContextAccess::data(*context)->entries;
  const auto entry = find_in(entries, id_);
  return entry == entries.end() ? nullptr : entry->value;
}

ContextToken ContextVarBase::set(ContextValue* value) const {
  Context& context = context_to_set();
  ContextValue* const old = exchange(context, id_, ValueRef(value));
  return {id_, ContextAccess::make_id(context), old};
}

void ContextVarBase::reset(const ContextToken& token) const {
  if (token.used_) refuse<std::logic_error>(name_, "a token that has been used or moved from");
  if (token.variable_ != id_) refuse<std::invalid_argument>(name_, "the token of another variable");
  Context* context = current_context();
  if (context == nullptr || token.context_ != ContextAccess::id(*context))
    refuse<std::invalid_argument>(name_, "a token of another context");
  // What was set is destroyed at the end: its destructor may come back here.
  const ValueRef gone(exchange(*context, id_, ValueRef(token.old_ == nullptr ? nullptr : retain(token.old_))));
  token.used_ = true;
}

void ContextVarBase::throw_unset() const {
  throw std::logic_error("coil: ContextVar '" + name_ + "' is not set in this context and has no default");
}

ContextToken::~ContextToken() {
  if (old_ != nullptr) release(old_);
}

}  // namespace coil::detail
