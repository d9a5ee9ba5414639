#include <coil/cancel_everywhere.hpp>
#include <coil/fail_everywhere.hpp>
#include <coil/fault_plan.hpp>

#include "cancel_run.hpp"
#include "ring_cache.hpp"

namespace coil::detail {

namespace {

class Sweep {
public:
  Sweep(CancelSubject subject, const testing::CancelOptions& options) noexcept : subject_(subject), options_(options) {}

  testing::CancelResult go() {
    if (this_loop != nullptr) throw_logic_error("coil: cancel_everywhere() cannot be called from a running event loop");
    static_cast<void>(Runner(options_.run).loop());  // leaves its ring, which is nothing that was left behind then
    result_.suspensions = run({}).suspensions();
    for (std::size_t suspension = 1; try_suspension(suspension);) ++suspension;
    return result_;
  }

private:
  using Moment = CancelPlan::Moment;

  CancelRun run(const CancelPlan& plan) {
    CancelRun run(subject_, options_, plan);
    run.go();
    result_.cancelled += run.ended_cancelled();
    return run;
  }

  // False if the run ends before it.
  bool try_suspension(std::size_t suspension) {
    bool reached = false;
    for (const Moment moment : {Moment::at_once, Moment::a_turn_later, Moment::about_to_go_on}) {
      const CancelRun once = run({suspension, moment});
      reached = reached || once.suspensions() >= suspension;
      if (!once.was_cancelled()) continue;
      ++result_.points;
      if (options_.pairs) try_pairs({suspension, moment});
    }
    return reached;
  }

  void try_pairs(CancelPlan plan) {
    for (std::size_t again = 0;; ++again) {
      plan.again = again;
      if (run(plan).was_cancelled_again())
        ++result_.pairs;
      else if (again != 0)
        return;
    }
  }

  CancelSubject subject_;
  const testing::CancelOptions& options_;
  testing::CancelResult result_;
};

}  // namespace

testing::CancelResult cancel_everywhere(CancelSubject subject, const testing::CancelOptions& options) {
  const RingCache cache;
  return Sweep(subject, options).go();
}

testing::FailResult fail_everywhere(CancelSubject subject, int error, const testing::CancelOptions& options) {
  if (this_loop != nullptr) throw_logic_error("coil: fail_everywhere() cannot be called from a running event loop");
  const RingCache cache;
  static_cast<void>(Runner(options.run).loop());
  testing::FailResult result;
  for (std::size_t operation = 1;; ++operation) {
    testing::FaultPlan plan;
    const testing::FaultRule& rule = plan.on(testing::Op::any).nth(operation).fail(error);
    testing::CancelOptions with_plan = options;
    with_plan.run.faults = &plan;
    CancelRun run(subject, with_plan, {.failing = operation});
    run.go();
    if (rule.fired() == 0) return result;
    ++result.operations;
    result.thrown += run.threw();
  }
}

}  // namespace coil::detail
