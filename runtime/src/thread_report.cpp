#include "thread_report.hpp"

#include <fmt/format.h>

#include <chrono>
#include <utility>
#include <vector>

#include <coil/detail/thread_wait.hpp>
#include <coil/loop.hpp>

#include "loop_parts.hpp"
#include "report.hpp"
#include "started_thread.hpp"
#include "symbol.hpp"
#include "workers.hpp"

namespace coil::detail {

namespace {

std::string describe_function(const ThreadFunction::Description& function) {
  std::string text = template_argument(function.name);
  if (function.where.line() != 0) text += " from " + describe(function.where);
  return text;
}

struct Report {
  ErrorContext error;
  void operator()() const { this_loop->loop().call_exception_handler(error); }
};

}  // namespace

void report_thread_failed(Inbox* home, const ThreadFunction::Description& function,
                          std::exception_ptr exception) noexcept {
  Report report{{.message = "nobody took the exception of a function in another thread: " + describe_function(function),
                 .exception = std::move(exception),
                 .where = function.where}};
  if (this_loop != nullptr && this_loop->inbox == home) return report();
  auto* callback = new CallbackOf<Report, ThreadsafeCallback>(std::move(report));
  callback->prepare(nullptr);
  if (home != nullptr && home->post(*callback)) return;
  Loop::default_exception_handler(callback->function->error);
  callback->unref();
}

void report_stuck_functions(LoopCore& core) noexcept {
  LoopParts& parts = parts_of(core);
  const time_point now = time_point::clock::now();
  if (now < parts.ending_since + parts.naming_after) return;
  parts.naming_after *= 2;
  std::vector<ThreadFunction::Description> stuck;
  if (parts.workers != nullptr) stuck = parts.workers->abandoned();
  if (parts.started != nullptr) parts.started->add_abandoned(stuck);
  core.states->for_each_task([&](TaskState& task) {
    if (task.phase != Phase::waiting) return;
    if (const auto* wait = dynamic_cast<const ThreadWait*>(task.waiting_on))
      stuck.push_back(wait->function()->describe());
  });
  for (const ThreadFunction::Description& function : stuck) {
    if (function.begun == time_point{}) continue;
    const double seconds = std::chrono::duration<double>(now - function.begun).count();
    core.loop().call_exception_handler(
        {.message = fmt::format("coil::run() waits for a function in another thread, which has run for {:.1f} s: {}",
                                seconds, describe_function(function)),
         .where = function.where});
  }
}

}  // namespace coil::detail
