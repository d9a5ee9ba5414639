#pragma once
#include <cstdio>
#include <source_location>
#include <string>
#include <vector>

#include <coil/task.hpp>

namespace coil {

/// One coroutine of a task.
struct CallGraphFrame {
  std::string function;        ///< "server(int)"
  std::source_location where;  ///< the `co_await` it stands at; before the first one, its function
};

/// A task and where it stands.
struct CallGraph {
  TaskRef task;
  std::vector<CallGraphFrame> frames;  ///< innermost first; empty while the task runs or once it is done
  std::source_location created_at;
  std::vector<TaskRef> awaited_by;  ///< the tasks that await it directly
};

/// Where `task` stands and who awaits it.
/// Errors: `std::logic_error` for an empty handle.
CallGraph capture_call_graph(const TaskRef& task);
/// That of every task of the running loop. Errors: `std::logic_error` outside a loop.
std::vector<CallGraph> capture_call_graph();

/// The graph in words, one line a coroutine. Ends in a newline.
std::string format_call_graph(const CallGraph& graph);
/// Prints it, by default to stderr.
void print_call_graph(const TaskRef& task, std::FILE* file = stderr);
void print_call_graph(std::FILE* file = stderr);

}  // namespace coil
