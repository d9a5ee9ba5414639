#include <coil/call_graph.hpp>

#include <fmt/format.h>

#include <coil/coro.hpp>
#include <coil/create_task.hpp>

#include "symbol.hpp"

namespace coil {

using detail::PromiseBase;
using detail::Suspension;
using detail::TaskState;

CallGraph capture_call_graph(const TaskRef& task) {
  TaskState* state = detail::HandleAccess::state(task);
  detail::checked_state(state, "capture_call_graph");
  CallGraph graph{.task = task, .frames = {}, .created_at = state->created_at, .awaited_by = {}};
  if (state->done()) return graph;
  if (!state->is_running()) {
    std::coroutine_handle<> coroutine = state->resume;
    for (;;) {
      const PromiseBase& promise = detail::promise_at(coroutine);
      if (promise.where_.line() != 0 && !detail::only_keeps_a_callable(promise.where_))
        graph.frames.push_back({detail::function_name(promise.where_), promise.where_});
      if (promise.receiver_.is_task()) break;
      coroutine = promise.receiver_.slot().continuation;
    }
  }
  for (Suspension* waiter = state->waiters.front(); waiter != nullptr; waiter = state->waiters.after(*waiter))
    if (waiter->waiting_task() != nullptr)
      graph.awaited_by.push_back(detail::HandleAccess::make<TaskRef>(waiter->waiting_task()));
  return graph;
}

std::vector<CallGraph> capture_call_graph() {
  std::vector<CallGraph> graphs;
  for (const TaskRef& task : all_tasks()) graphs.push_back(capture_call_graph(task));
  return graphs;
}

std::string format_call_graph(const CallGraph& graph) {
  std::string text = fmt::format("task '{}'", graph.task.name());
  if (graph.created_at.line() != 0) text += " created at " + detail::describe(graph.created_at);
  text += '\n';
  if (graph.task.done()) text += "  done\n";
  for (const CallGraphFrame& frame : graph.frames)
    text += fmt::format("  at {} ({}:{})\n", frame.function, frame.where.file_name(), frame.where.line());
  for (const TaskRef& waiter : graph.awaited_by) text += fmt::format("  awaited by task '{}'\n", waiter.name());
  return text;
}

void print_call_graph(const TaskRef& task, std::FILE* file) {
  std::fputs(format_call_graph(capture_call_graph(task)).c_str(), file);
}

void print_call_graph(std::FILE* file) {
  for (const CallGraph& graph : capture_call_graph()) std::fputs(format_call_graph(graph).c_str(), file);
}

}  // namespace coil
