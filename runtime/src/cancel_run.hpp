#pragma once
#include <cstddef>
#include <optional>
#include <source_location>
#include <string>
#include <vector>

#include <coil/as_result.hpp>
#include <coil/cancel_everywhere.hpp>
#include <coil/create_task.hpp>

#include "step_observer.hpp"

namespace coil::detail {

/// Where and when a run is cancelled.
struct CancelPlan {
  enum class Moment : unsigned char { at_once, a_turn_later, about_to_go_on };
  std::size_t suspension = 0;  // from 1; 0: nowhere
  Moment moment = Moment::at_once;
  std::optional<std::size_t> again{};  // a second time, at this suspension after the first time; 0: at once
  std::size_t failing = 0;             // the operation that fails, from 1; 0: none
};

/// One run of what is tested, on a loop of its own.
class CancelRun final : private StepObserver {
public:
  CancelRun(CancelSubject subject, const testing::CancelOptions& options, const CancelPlan& plan) noexcept
      : subject_(subject), options_(options), plan_(plan) {}

  /// Errors: Failure; the exception of what is tested, if that was not cancelled.
  void go();

  std::size_t suspensions() const noexcept { return suspensions_; }
  bool was_cancelled() const noexcept { return cancels_ != 0; }
  bool was_cancelled_again() const noexcept { return cancels_ == 2; }
  bool ended_cancelled() const noexcept { return outcome_->cancelled(); }
  bool threw() const noexcept { return !outcome_->has_value() && !outcome_->cancelled(); }

private:
  static Coro<void> drive(CancelRun& run);
  Coro<void> settle() const;

  void before_step(TaskState& task) noexcept override;
  void after_step(TaskState& task) noexcept override;
  void overdue() noexcept override;
  void arrive(TaskState& task) noexcept;
  void cancel_later() noexcept;
  void cancel() noexcept;
  void end_all_tasks() noexcept;
  bool is_watched(const TaskState& task) const noexcept;

  void judge();
  std::string place() const;

  CancelSubject subject_;
  const testing::CancelOptions& options_;
  CancelPlan plan_;

  TaskRef main_;
  TaskRef subject_task_;
  TaskRef victim_;  // the task that is cancelled
  bool over_ = false;
  bool armed_ = false;  // the victim is to be cancelled before its next step
  std::size_t suspensions_ = 0;
  std::size_t victims_steps_ = 0;
  int cancels_ = 0;
  std::size_t since_cancel_ = 0;
  std::vector<std::source_location> where_;  // the victim stood when it was cancelled, innermost first

  std::optional<Outcome<void>> outcome_;
  std::string left_;      // after the run, in words
  std::string reported_;  // to the exception handler
  std::string stuck_;     // why it did not end
};

}  // namespace coil::detail
