// What the scenarios of locks and of queues share; scenarios.py has the Python halves.
#pragma once
#include "scenarios.hpp"

namespace conformance {

template <class F>
std::exception_ptr failure_in(F call) {
  try {
    call();
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

inline coil::Coro<void> turns(int count) {
  for (int i = 0; i < count; ++i) {
    log("turn", i);
    co_await sleep(0s);
  }
}

using Tasks = std::vector<coil::Task<void>>;

inline std::vector<std::string> done(const Tasks& tasks) {
  std::vector<std::string> all;
  for (const auto& task : tasks) all.push_back(text_of(task.done()));
  return all;
}

/// A task of `party(name)` for each letter of `names`.
template <class Party>
Tasks parties(const std::string& names, Party& party) {
  Tasks tasks;
  for (const char name : names) tasks.push_back(create_task(party(std::string(1, name))));
  return tasks;
}

}  // namespace conformance
