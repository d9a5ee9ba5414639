#include <coil/call_graph.hpp>

#include "../support/loop_test.hpp"

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

constexpr unsigned read_line_at = __LINE__ + 2;
coil::Coro<int> read_line() {
  co_await coil::sleep(1h);
  co_return 1;
}

constexpr unsigned serve_at = __LINE__ + 2;
coil::Coro<int> serve() {
  const int line = co_await read_line();
  co_return line;
}

// What print_call_graph writes.
template <class Print>
std::string printed_by(Print print) {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  print(file);
  std::rewind(file);
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

}  // namespace

LOOP_TEST("call graph: shows the chain of coroutines of a task, the innermost first, with function, file and line") {
  auto task = coil::create_task(serve(), {.name = "server"});
  co_await coil::yield();
  const coil::CallGraph graph = coil::capture_call_graph(task);
  CHECK(graph.task == coil::TaskRef(task));
  REQUIRE(graph.frames.size() == 2);
  CHECK(contains(graph.frames[0].function, "read_line"));
  CHECK(contains(graph.frames[0].where.file_name(), "call_graph_test.cpp"));
  CHECK(graph.frames[0].where.line() == read_line_at);
  CHECK(contains(graph.frames[1].function, "serve"));
  CHECK(graph.frames[1].where.line() == serve_at);
  task.cancel();
}

LOOP_TEST("call graph: follows the task as it goes from await to await") {
  unsigned first = 0;
  unsigned second = 0;
  auto work = [&]() -> coil::Coro<void> {
    first = __LINE__ + 1;
    co_await coil::sleep(1s);
    second = __LINE__ + 1;
    co_await coil::sleep(1s);
  };
  auto task = coil::create_task(work());
  co_await coil::sleep(500ms);
  CHECK(coil::capture_call_graph(task).frames.at(0).where.line() == first);
  co_await coil::sleep(1s);
  CHECK(coil::capture_call_graph(task).frames.at(0).where.line() == second);
  co_await task;
}

LOOP_TEST("call graph: a chain that has shrunk shows what is left of it") {
  auto child = [&]() -> coil::Coro<void> { co_await coil::sleep(1s); };
  auto work = [&]() -> coil::Coro<void> {
    co_await child();
    co_await coil::sleep(1s);
  };
  auto task = coil::create_task(work());
  co_await coil::sleep(500ms);
  CHECK(coil::capture_call_graph(task).frames.size() == 2);
  co_await coil::sleep(1s);
  CHECK(coil::capture_call_graph(task).frames.size() == 1);
  co_await task;
}

LOOP_TEST("call graph: a task that has not started yet stands at its function") {
  auto task = coil::create_task(serve());
  const coil::CallGraph graph = coil::capture_call_graph(task);
  REQUIRE(graph.frames.size() == 1);
  CHECK(contains(graph.frames[0].function, "serve"));
  CHECK(contains(graph.frames[0].where.file_name(), "call_graph_test.cpp"));
  task.cancel();
  co_await coil::yield();
}

LOOP_TEST("call graph: knows where the task was created") {
  const unsigned line = __LINE__ + 1;
  auto task = coil::create_task(serve());
  co_await coil::yield();
  const coil::CallGraph graph = coil::capture_call_graph(task);
  CHECK(contains(graph.created_at.file_name(), "call_graph_test.cpp"));
  CHECK(graph.created_at.line() == line);
  task.cancel();
}

LOOP_TEST("call graph: shows who awaits a task") {
  auto awaited = coil::create_task(serve(), {.name = "awaited"});
  auto wait = [&]() -> coil::Coro<void> { co_await awaited; };
  auto a = coil::create_task(wait(), {.name = "a"});
  auto b = coil::create_task(wait(), {.name = "b"});
  co_await coil::yield();
  co_await coil::yield();
  const coil::CallGraph graph = coil::capture_call_graph(awaited);
  REQUIRE(graph.awaited_by.size() == 2);
  CHECK(graph.awaited_by[0] == coil::TaskRef(a));
  CHECK(graph.awaited_by[1] == coil::TaskRef(b));
  CHECK(coil::capture_call_graph(a).awaited_by.empty());
  awaited.cancel();
  co_await coil::sleep(1s);
}

LOOP_TEST("call graph: the children of a gather and of a task group are awaited by the task that runs it") {
  std::vector<coil::TaskRef> children;
  auto child = [&]() -> coil::Coro<void> {
    children.push_back(coil::current_task());
    co_await coil::sleep(1h);
  };
  auto gathers = [&]() -> coil::Coro<void> { co_await coil::gather(child(), child()); };
  auto groups = [&]() -> coil::Coro<void> {
    auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
      group.create_task(child());
      co_return;
    };
    co_await coil::task_group(body);
  };
  auto gathering = coil::create_task(gathers());
  auto grouping = coil::create_task(groups());
  co_await coil::sleep(1s);
  REQUIRE(children.size() == 3);
  int by_gather = 0;
  int by_group = 0;
  for (const coil::TaskRef& each : children) {
    for (const coil::TaskRef& waiter : coil::capture_call_graph(each).awaited_by) {
      by_gather += waiter == coil::TaskRef(gathering) ? 1 : 0;
      by_group += waiter == coil::TaskRef(grouping) ? 1 : 0;
    }
  }
  CHECK(by_gather == 2);
  CHECK(by_group == 1);
  gathering.cancel();
  grouping.cancel();
  co_await coil::sleep(1s);
}

LOOP_TEST("call graph: names coil's own functions as they are called") {
  auto group = [](coil::TaskGroup&) -> coil::Coro<void> { co_await coil::gather(coil::sleep(1h)); };
  auto call = [&]() -> coil::Coro<void> { co_await coil::task_group(group); };
  auto task = coil::create_task(coil::wait_for(coil::timeout(1h, call), 1h));
  co_await coil::yield();
  std::string names;
  for (const coil::CallGraphFrame& frame : coil::capture_call_graph(task).frames)
    if (frame.function.starts_with("coil::")) names += frame.function + ";";
  CHECK(names == "coil::gather;coil::task_group;coil::timeout;coil::timeout;coil::wait_for;");
  auto waiting = coil::create_task(coil::wait_for(task, 1h));
  co_await coil::yield();
  const auto frames = coil::capture_call_graph(waiting).frames;
  REQUIRE(!frames.empty());
  CHECK(frames.front().function == "coil::wait_for");
  task.cancel();
}

LOOP_TEST("call graph: of the running task and of a done one has no frames") {
  auto done = coil::create_task(coil_test::value_after(1s, 0));
  co_await done;
  CHECK(coil::capture_call_graph(done).frames.empty());
  CHECK(coil::capture_call_graph(coil::current_task()).frames.empty());
}

LOOP_TEST("call graph: of a task that runs has no frames, also while it starts an eager one") {
  const coil::TaskRef outer = coil::current_task();
  bool looked = false;
  auto look = [&]() -> coil::Coro<void> {
    CHECK(coil::capture_call_graph(outer).frames.empty());
    CHECK(coil::capture_call_graph(coil::current_task()).frames.empty());
    looked = true;
    co_return;
  };
  co_await coil::yield();
  auto task = coil::create_task(look(), {.eager = true});
  CHECK(looked);
  co_await task;
}

LOOP_TEST("call graph: without a task it is that of every task of the loop") {
  auto a = coil::create_task(serve(), {.name = "a"});
  auto b = coil::create_task(serve(), {.name = "b"});
  co_await coil::yield();
  const auto graphs = coil::capture_call_graph();
  CHECK(graphs.size() == 3);
  const auto has = [&](const coil::TaskRef& wanted) {
    return std::count_if(graphs.begin(), graphs.end(), [&](const auto& graph) { return graph.task == wanted; }) == 1;
  };
  CHECK(has(a));
  CHECK(has(b));
  CHECK(has(coil::current_task()));
  a.cancel();
  b.cancel();
}

LOOP_TEST("call graph: is printed with task names, functions, files, lines and waiters") {
  auto awaited = coil::create_task(serve(), {.name = "server 1"});
  auto wait = [&]() -> coil::Coro<void> { co_await awaited; };
  auto waiting = coil::create_task(wait(), {.name = "client 2"});
  co_await coil::yield();
  co_await coil::yield();
  const std::string one = printed_by([&](std::FILE* file) { coil::print_call_graph(awaited, file); });
  CAPTURE(one);
  CHECK(contains(one, "server 1"));
  CHECK(contains(one, "read_line"));
  CHECK(contains(one, "call_graph_test.cpp:" + std::to_string(read_line_at)));
  CHECK(contains(one, "call_graph_test.cpp:" + std::to_string(serve_at)));
  CHECK(contains(one, "client 2"));
  const std::string all = printed_by([&](std::FILE* file) { coil::print_call_graph(file); });
  CHECK(contains(all, "server 1"));
  CHECK(contains(all, "task 'client 2'"));
  awaited.cancel();
  co_await coil::sleep(1s);
}

TEST_CASE("call graph: outside a loop, or of an empty handle, is a logic_error") {
  CHECK_THROWS_AS(coil::capture_call_graph(), std::logic_error);
  CHECK_THROWS_AS(coil::capture_call_graph(coil::TaskRef()), std::logic_error);
}
