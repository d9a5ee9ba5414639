#include "report.hpp"

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

#include <coil/coro.hpp>
#include <coil/exception_group.hpp>
#include <coil/loop.hpp>
#include <coil/scope.hpp>

#include "exception_trace.hpp"
#include "loop_parts.hpp"
#include "symbol.hpp"

namespace coil {

void Loop::default_exception_handler(const ErrorContext& error) noexcept {
  try {
    std::string text = "coil: ";
    text += error.message.empty() ? "Unhandled exception in event loop" : error.message;
    text += '\n';
    if (error.exception) text += detail::indented(format_exception(error.exception));
    if (error.task) {
      const std::source_location created_at = detail::HandleAccess::state(*error.task)->created_at;
      text += fmt::format("  in task '{}'", error.task->name());
      if (created_at.line() != 0) text += ", created at " + detail::describe(created_at);
      text += '\n';
    }
    std::fputs(text.c_str(), stderr);
  } catch (...) {
    std::fputs("coil: an error could not be reported for want of memory\n", stderr);
  }
}

void Loop::set_handler(detail::ErrorHandler* handler) noexcept { parts->handler.reset(handler); }
void Loop::set_exception_handler(std::nullptr_t) noexcept { parts->handler.reset(); }

void Loop::call_exception_handler(const ErrorContext& error) noexcept {
  const auto handler = parts->handler;  // it may set another one
  if (handler == nullptr) return default_exception_handler(error);
  try {
    handler->handle(error);
  } catch (...) {
    default_exception_handler(error);  // which it did not get around to
    default_exception_handler(
        {.message = "Unhandled error in exception handler", .exception = std::current_exception()});
  }
}

namespace detail {

namespace {

void report(LoopCore* core, const ErrorContext& error) noexcept {
  if (core != nullptr)
    core->loop().call_exception_handler(error);
  else
    Loop::default_exception_handler(error);
}

ErrorContext about(TaskState& task, std::string message, std::exception_ptr exception) {
  return {.message = std::move(message),
          .exception = std::move(exception),
          .task = HandleAccess::make<TaskRef>(&task),
          .where = task.created_at};
}

std::string queued_at(const Callback& callback) {
  return callback.where.line() == 0 ? std::string() : " queued at " + describe(callback.where);
}

}  // namespace

void report_never_retrieved(FutureState& state) noexcept {
  LoopCore* core = StatePool::core_of(state);
  if (state.has(Ready::is_task)) {
    auto& task = static_cast<TaskState&>(state);
    if (Extras* more = task.extras_if_any()) resume_trace(task.error, more->trace);
    report(core, about(task, "Task exception was never retrieved", state.error));
  } else {
    report(core, {.message = "Future exception was never retrieved", .exception = state.error});
  }
}

void report_callback_failed(Loop& loop, const Callback& callback, std::exception_ptr exception) noexcept {
  loop.call_exception_handler({.message = "Exception in callback" + queued_at(callback),
                               .exception = std::move(exception),
                               .where = callback.where});
}

void report_at_shutdown(TaskState& task, std::exception_ptr exception) noexcept {
  if (Extras* more = task.extras_if_any()) resume_trace(exception, more->trace);
  report(StatePool::core_of(task),
         about(task, "unhandled exception during coil::run() shutdown", std::move(exception)));
}

void report_replaced(const std::exception_ptr& body_error) noexcept {
  report(this_loop, {.message = "this exception was replaced by one of the cleanup after it", .exception = body_error});
}

void report_slow(Loop& loop, Ready& node, std::chrono::nanoseconds took) noexcept {
  const double seconds = static_cast<double>(took.count()) / 1e9;
  if (!node.has(Ready::is_task)) {
    const auto& callback = static_cast<const Callback&>(node);
    loop.call_exception_handler(
        {.message = fmt::format("Executing a callback{} took {:.3f} s", queued_at(callback), seconds),
         .where = callback.where});
    return;
  }
  auto& task = static_cast<TaskState&>(node);
  std::string place;
  if (!task.done() && task.resume) place = ", now at " + describe(promise_at(task.resume).where_);
  loop.call_exception_handler(
      about(task, fmt::format("Executing task '{}' took {:.3f} s{}", task.name(), seconds, place), nullptr));
}

bool debug_in_environment() noexcept {
  const char* debug = std::getenv("COIL_DEBUG");
  return debug != nullptr && std::string_view(debug) == "1";
}

void report_never_awaited(const PromiseBase& promise) noexcept {
  if (this_loop == nullptr && !debug_in_environment()) return;
  if (promise.where_.line() == 0) return;  // it belongs to one that is reported itself
  ErrorContext error{.message = fmt::format("coroutine '{}' ({}:{}) was never awaited", coroutine_name(promise.where_),
                                            promise.where_.file_name(), promise.where_.line()),
                     .where = promise.where_};
  if (this_loop != nullptr && this_loop->current != nullptr)
    error.task = HandleAccess::make<TaskRef>(this_loop->current);
  report(this_loop, error);
}

}  // namespace detail
}  // namespace coil
