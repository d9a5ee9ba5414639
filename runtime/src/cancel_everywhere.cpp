#include <coil/cancel_everywhere.hpp>

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

}  // namespace coil::detail
