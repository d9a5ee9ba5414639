// Random programs of tasks, timeouts, groups, shields and cancellations: coil does what the model of asyncio does, step by
// step and in the same order.
#include <coil/coil.hpp>

#include <coil/detail/check.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "input.hpp"
#include "program.hpp"

using coil::Coro;
using coil::detail::check;
using coil_fuzz::Kind;
using coil_fuzz::Statement;

namespace {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// By Python's name, a group with what is in it.
std::string describe(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const coil::CancelledError&) {
    return "CancelledError";
  } catch (const coil::TimeoutError&) {
    return "TimeoutError";
  } catch (const Failure& failure) {
    return failure.what();
  } catch (const coil::ExceptionGroup& group) {
    std::string all;
    for (const std::exception_ptr& inner : group.exceptions()) all += (all.empty() ? "[" : ", ") + describe(inner);
    return all + "]";
  } catch (const std::logic_error&) {
    return "RuntimeError";
  }
}

class Machine {
public:
  coil_fuzz::Trace trace;

  Coro<void> run(int task, const std::vector<Statement>& body, coil::TaskGroup* group) {
    for (const Statement& statement : body) {
      log(task, statement, "begins");
      std::exception_ptr error;
      try {
        co_await carry_out(task, statement, group);
      } catch (...) {
        error = std::current_exception();
      }
      log(task, statement, error ? describe(error) : "ends");
      if (error) std::rethrow_exception(error);
    }
  }
  Coro<void> run_task(int task, const std::vector<Statement>& body) { co_await run(task, body, nullptr); }
  void add_main(const coil::TaskRef& main) { refs_.push_back(main), tasks_.emplace_back(); }

private:
  void log(int task, const Statement& statement, const std::string& what) {
    const auto now = coil::get_running_loop().time() - start_;
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
    trace.push_back(coil_fuzz::trace_line(ms, task, statement, what));
  }

  Coro<void> carry_out(int task, const Statement& statement, coil::TaskGroup* group) {
    const std::chrono::milliseconds time(statement.ms);
    const std::size_t count = refs_.size();
    switch (statement.kind) {
      case Kind::sleep:
        co_await coil::sleep(time);
        break;
      case Kind::spawn:
        spawn(task, statement, nullptr);
        break;
      case Kind::group_spawn:
        spawn(task, statement, group);
        break;
      case Kind::join:
        if (const auto* target = awaitable(statement, task)) co_await coil::Task<void>(*target);
        break;
      case Kind::shield:
        if (const auto* target = awaitable(statement, task)) co_await coil::shield(*target);
        break;
      case Kind::cancel:
        log(task, statement, refs_[coil_fuzz::any_task(statement, count)].cancel() ? "yes" : "no");
        break;
      case Kind::uncancel:
        log(task, statement, std::to_string(refs_[coil_fuzz::any_task(statement, count)].uncancel()));
        break;
      case Kind::cancelling:
        log(task, statement, std::to_string(refs_[coil_fuzz::any_task(statement, count)].cancelling()));
        break;
      case Kind::wait_task:
        if (const auto* target = awaitable(statement, task)) co_await coil::wait_for(coil::Task<void>(*target), time);
        break;
      case Kind::wait_body:
        co_await coil::wait_for(run(task, statement.body, group), time);
        break;
      case Kind::timeout:
        co_await coil::timeout(time, run(task, statement.body, group));
        break;
      case Kind::group: {
        const auto body = [&](coil::TaskGroup& own) { return run(task, statement.body, &own); };
        co_await coil::task_group(body);
        break;
      }
      case Kind::attempt:
        co_await attempt(task, statement, group);
        break;
      case Kind::fail:
        throw Failure("Failure " + std::to_string(statement.number));
      case Kind::sweep:
        co_await sweep();
        break;
    }
  }

  void spawn(int task, const Statement& statement, coil::TaskGroup* group) {
    const int number = static_cast<int>(refs_.size());
    Coro<void> coro = run_task(number, statement.body);
    tasks_.push_back(group != nullptr ? group->create_task(std::move(coro)) : coil::create_task(std::move(coro)));
    refs_.push_back(tasks_.back());
    log(task, statement, std::to_string(number));
  }

  Coro<void> attempt(int task, const Statement& statement, coil::TaskGroup* group) {
    std::exception_ptr error;
    bool caught = false;
    try {
      co_await run(task, statement.body, group);
    } catch (const coil::CancelledError&) {
      error = std::current_exception();
      caught = statement.catches_cancel;
    } catch (...) {
      error = std::current_exception();
      caught = statement.catches_others;
    }
    if (!error) co_return;
    if (caught) {
      log(task, statement, "catches " + describe(error));
      co_await run(task, statement.handler, group);
    }
    if (!caught || statement.rethrows) std::rethrow_exception(error);
  }

  Coro<void> sweep() {
    const auto rest = [&] { return std::span(refs_).subspan(1); };
    while (!std::ranges::all_of(rest(), [](const coil::TaskRef& task) { return task.done(); })) {
      for (const coil::TaskRef& task : rest()) task.cancel();
      co_await coil::sleep(std::chrono::seconds(0));
    }
  }

  const coil::Task<void>* awaitable(const Statement& statement, int task) const {
    const int target = coil_fuzz::awaitable_task(statement, task, refs_.size());
    return target < 0 ? nullptr : &tasks_[static_cast<std::size_t>(target)];
  }

  std::vector<coil::TaskRef> refs_;      // task 0 is the main one
  std::vector<coil::Task<void>> tasks_;  // the same; the first is empty
  coil::time_point start_ = coil::get_running_loop().time();
};

Coro<coil_fuzz::Trace> run_in_coil(const std::vector<Statement>& program) {
  Machine machine;
  machine.add_main(coil::current_task());
  co_await machine.run(0, program, nullptr);
  check(coil::all_tasks().size() == 1, "no task is left");
  co_return std::move(machine.trace);
}

[[noreturn]] void explain(const std::vector<Statement>& program, const coil_fuzz::Trace& model,
                          const coil_fuzz::Trace& coil) {
  std::string text;
  coil_fuzz::print(program, text);
  std::fprintf(stderr, "%s\n%-60s | coil\n", text.c_str(), "asyncio's model");
  for (std::size_t i = 0; i < std::max(model.size(), coil.size()); ++i) {
    const std::string left = i < model.size() ? model[i] : "", right = i < coil.size() ? coil[i] : "";
    std::fprintf(stderr, "%-60s %c %s\n", left.c_str(), left == right ? ' ' : '|', left == right ? "" : right.c_str());
  }
  coil::detail::fail("coil does what asyncio does", std::source_location::current());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static coil::Runner runner({.clock = coil::Clock::virtual_});
  runner.loop().set_exception_handler([](const coil::ErrorContext&) {});  // tasks that nobody awaits may fail
  coil_fuzz::Input input(data, size);
  const std::vector<Statement> program = coil_fuzz::read_program(input);
  const coil_fuzz::Trace model = coil_fuzz::run_model(program);
  const coil_fuzz::Trace coil = runner.run(run_in_coil(program));
  if (model != coil) explain(program, model, coil);
  return 0;
}
