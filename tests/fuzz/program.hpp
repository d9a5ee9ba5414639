// Random programs of tasks, for asyncio_model.
#pragma once
#include <cstddef>
#include <iterator>
#include <string>
#include <vector>

#include "input.hpp"

namespace coil_fuzz {

enum class Kind : unsigned char {
  sleep,        // for `ms`
  spawn,        // a task that runs `body`
  group_spawn,  // the same in the innermost group
  join,         // a task
  shield,       // a task
  cancel,       // a task
  uncancel,     // a task
  cancelling,   // a task
  wait_task,    // for a task, `ms` at the most
  wait_body,    // wait_for(`body`), `ms` at the most
  timeout,      // around `body`, of `ms`
  group,        // around `body`
  attempt,      // `body`, and if it fails as `catches` says `handler`; then the failure goes on if it `rethrows`
  fail,
  sweep,  // cancels all tasks until they are done; only the last statement of all
};

inline const char* name_of(Kind kind) {
  constexpr const char* names[] = {"sleep",   "spawn",    "group_spawn", "join",      "shield",
                                   "cancel",  "uncancel", "cancelling",  "wait_task", "wait_body",
                                   "timeout", "group",    "attempt",     "fail",      "sweep"};
  return names[static_cast<std::size_t>(kind)];
}

struct Statement {
  Kind kind;
  int number = 0;       // of the statement
  int ms = 0;           // of virtual time
  unsigned target = 0;  // which task, among those that there are
  bool catches_cancel = false, catches_others = false, rethrows = false;
  std::vector<Statement> body = {}, handler = {};
};

constexpr int statements_max = 60;
constexpr int depth_max = 6;

inline std::vector<Statement> read_body(Input& input, int& numbers, int depth) {
  using enum Kind;
  static constexpr Kind kinds[] = {sleep,      sleep,     sleep,     sleep,       sleep,       spawn,       spawn,
                                   spawn,      spawn,     join,      join,        join,        shield,      shield,
                                   cancel,     cancel,    cancel,    cancel,      group,       group,       uncancel,
                                   cancelling, wait_task, wait_task, group_spawn, group_spawn, group_spawn, wait_body,
                                   timeout,    timeout,   attempt,   attempt,     attempt,     fail};
  static constexpr int delays[] = {0, 0, 1, 1, 2, 3, 5, 8};
  std::vector<Statement> body;
  while (!input.empty() && numbers < statements_max) {
    const std::uint8_t byte = input.byte();
    if (byte >= 224) break;  // the body ends
    Statement statement{.kind = kinds[byte % std::size(kinds)], .number = numbers++};
    const std::uint8_t more = input.byte();
    statement.target = more;
    statement.ms = delays[more % 8];
    statement.catches_cancel = more & 1;
    statement.catches_others = more & 2;
    statement.rethrows = more & 4;
    switch (statement.kind) {
      case Kind::spawn:
      case Kind::group_spawn:
      case Kind::wait_body:
      case Kind::timeout:
      case Kind::group:
      case Kind::attempt:
        if (depth < depth_max) statement.body = read_body(input, numbers, depth + 1);
        if (statement.kind == Kind::attempt && depth < depth_max)
          statement.handler = read_body(input, numbers, depth + 1);
        break;
      default:
        break;
    }
    body.push_back(std::move(statement));
  }
  return body;
}

constexpr int first_tasks = 4;

/// Task 0, which starts the others, leaves them time, and ends what has not ended by itself.
inline std::vector<Statement> read_program(Input& input) {
  int numbers = 0;
  std::vector<Statement> main;
  for (int i = 0; i < first_tasks; ++i) {
    main.push_back({.kind = Kind::spawn, .number = numbers++});
    main.back().body = read_body(input, numbers, 0);
  }
  main.push_back({.kind = Kind::sleep, .number = numbers++, .ms = 10'000});
  main.push_back({.kind = Kind::sweep, .number = numbers++});
  return main;
}

inline void print(const std::vector<Statement>& body, std::string& text, std::size_t depth = 0) {
  for (const Statement& statement : body) {
    text += std::string(2 * depth, ' ') + std::to_string(statement.number) + ' ' + name_of(statement.kind);
    text += " target=" + std::to_string(statement.target) + " ms=" + std::to_string(statement.ms);
    if (statement.kind == Kind::attempt) {
      text += statement.catches_cancel ? " catches_cancel" : "";
      text += statement.catches_others ? " catches_others" : "";
      text += statement.rethrows ? " rethrows" : "";
    }
    text += '\n';
    print(statement.body, text, depth + 1);
    if (!statement.handler.empty()) text += std::string(2 * depth, ' ') + "handler\n";
    print(statement.handler, text, depth + 1);
  }
}

/// A line: when, which task, which statement, what.
using Trace = std::vector<std::string>;

inline std::string trace_line(long long ms, int task, const Statement& statement, const std::string& what) {
  return std::to_string(ms) + " task " + std::to_string(task) + ": " + std::to_string(statement.number) + ' ' +
         name_of(statement.kind) + ": " + what;
}

/// A task that `statement` of task `self` may wait for, so that none waits for one that waits for it: -1 if there is none.
inline int awaitable_task(const Statement& statement, int self, std::size_t tasks) {
  const int count = static_cast<int>(tasks) - self - 1;
  return count <= 0 ? -1 : self + 1 + static_cast<int>(statement.target) % count;
}
/// Any task but the main one, the task itself too.
inline std::size_t any_task(const Statement& statement, std::size_t tasks) {
  return 1 + statement.target % (tasks - 1);
}

/// What asyncio makes of it: see model.cpp.
Trace run_model(const std::vector<Statement>& program);

}  // namespace coil_fuzz
