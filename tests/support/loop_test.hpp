// LOOP_TEST("sentence about behaviour") { body }
//
// The body is a coroutine: it may `co_await`, and it needs to, at least once. It runs in `coil::run` with virtual time,
// so no test ever waits. Afterwards the test fails if
//   - a file descriptor is open that was not open before,
//   - a coroutine frame is still alive on this thread,
//   - the exception handler got a report that the body did not take (`reports.take()`).
//
// CHECK and REQUIRE work inside, but not around a `co_await`: bind its result first.
#pragma once
#include <doctest/doctest.h>
#include <coil/as_result.hpp>
#include <coil/gather.hpp>
#include <coil/run.hpp>
#include <coil/sleep.hpp>
#include <coil/task_group.hpp>
#include <coil/timeout.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

// A body without a co_await is no coroutine but a function that returns nothing.
#pragma GCC diagnostic error "-Wreturn-type"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COIL_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COIL_TEST_SANITIZED 1
#endif
#endif

namespace coil_test {

using namespace std::chrono_literals;

#ifdef COIL_TEST_SANITIZED
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

/// The text of an exception: `what()`, or the name of one that is no std::exception; "" for none.
inline std::string text_of(const std::exception_ptr& error) {
  if (!error) return "";
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return e.what();
  } catch (const coil::CancelledError&) {
    return "CancelledError";
  } catch (...) {
    return "unknown exception";
  }
}

/// What an exception handler was told.
struct Report {
  std::string message;
  std::string error;  // text of the exception, "" without one
  std::string task;   // name of the task, "" without one
  std::string file;
  unsigned line = 0;
};

/// Collects what goes to a loop's exception handler. A report that nobody takes fails the test.
class Reports {
public:
  Reports() = default;
  Reports(const Reports&) = delete;
  Reports& operator=(const Reports&) = delete;
  ~Reports() {
    for (const Report& report : reports_) FAIL_CHECK("unexpected report: ", report.message, ": ", report.error);
  }

  /// Makes this the destination of the reports of `loop`.
  void collect_from(coil::Loop& loop) {
    loop.set_exception_handler([this](const coil::ErrorContext& context) { add(context); });
  }

  void add(const coil::ErrorContext& context) {
    Report report{context.message, text_of(context.exception), "", context.where.file_name(), context.where.line()};
    if (context.task) report.task = context.task->name();
    reports_.push_back(std::move(report));
  }

  std::size_t size() const { return reports_.size(); }

  /// Removes and returns the oldest report; fails the test if there is none.
  Report take() {
    REQUIRE_MESSAGE(!reports_.empty(), "no report reached the exception handler");
    Report first = std::move(reports_.front());
    reports_.pop_front();
    return first;
  }

private:
  std::deque<Report> reports_;
};

/// The open descriptors and what they are.
inline std::map<std::string, std::string> open_descriptors() {
  std::map<std::string, std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // the descriptor of this very listing
    std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (!gone && target.find("/proc/") != 0) found[entry.path().filename().string()] = target;
  }
  return found;
}

/// Checks at its end that what was open and alive on this thread is what was so at its beginning.
class LeakCheck {
public:
  LeakCheck() = default;
  LeakCheck(const LeakCheck&) = delete;
  LeakCheck& operator=(const LeakCheck&) = delete;
  ~LeakCheck() {
    for (const auto& [number, target] : open_descriptors()) {
      if (descriptors_.count(number) == 0) FAIL_CHECK("left open: descriptor ", number, " to ", target);
    }
    const auto frames = coil::detail::live_frames();
    if (frames != frames_) FAIL_CHECK("coroutine frames alive: ", frames, ", before: ", frames_);
  }

private:
  std::map<std::string, std::string> descriptors_ = open_descriptors();
  decltype(coil::detail::live_frames()) frames_ = coil::detail::live_frames();
};

inline constexpr coil::RunOptions virtual_time{.clock = coil::Clock::virtual_};

inline void run_loop_test(coil::Coro<void> (*body)(Reports&)) {
  LeakCheck leaks;
  Reports reports;
  auto main = [&]() -> coil::Coro<void> {
    reports.collect_from(coil::get_running_loop());
    co_await body(reports);
  };
  coil::run(main, virtual_time);
}

/// Time since the loop's clock stood at 0; in a LOOP_TEST, since its beginning.
inline std::chrono::nanoseconds elapsed() { return coil::get_running_loop().time() - coil::time_point{}; }

/// Counts the turns of the loop. Keeps the loop busy, so virtual time stands still meanwhile.
class TurnCounter {
public:
  TurnCounter() { queue(); }
  TurnCounter(const TurnCounter&) = delete;
  TurnCounter& operator=(const TurnCounter&) = delete;
  ~TurnCounter() { *stopped_ = true; }
  int count() const { return *count_; }

private:
  void queue() { next(count_, stopped_); }
  static void next(std::shared_ptr<int> count, std::shared_ptr<bool> stopped) {
    coil::get_running_loop().call_soon([count, stopped] {
      if (*stopped) return;
      ++*count;
      next(count, stopped);
    });
  }
  std::shared_ptr<int> count_ = std::make_shared<int>(0);
  std::shared_ptr<bool> stopped_ = std::make_shared<bool>(false);
};

/// Longer than any test's other sleeps; in virtual time it costs nothing.
inline constexpr auto ages = std::chrono::hours(24 * 365);

/// Sleeps, then returns `value`.
inline coil::Coro<int> value_after(std::chrono::nanoseconds delay, int value) {
  co_await coil::sleep(delay);
  co_return value;
}

/// Sleeps, then throws std::runtime_error(what).
inline coil::Coro<int> fail_after(std::chrono::nanoseconds delay, std::string what) {
  co_await coil::sleep(delay);
  throw std::runtime_error(what);
}

/// Sleeps for ages; writes into `log` how that ended ("name cancelled"). Needs `log` to outlive it.
inline coil::Coro<int> park(std::string& log, std::string name) {
  try {
    co_await coil::sleep(ages);
  } catch (const coil::CancelledError&) {
    log += name + " cancelled;";
    throw;
  }
  log += name + " finished;";
  co_return 0;
}

/// As `park`, but its cleanup takes time as well ("name cancelled;name cleaned;").
inline coil::Coro<int> park_and_clean(std::string& log, std::string name, std::chrono::nanoseconds cleaning) {
  auto outcome = co_await coil::as_result(coil::sleep(ages));
  if (outcome.cancelled()) log += name + " cancelled;";
  co_await coil::sleep(cleaning);
  log += name + " cleaned;";
  outcome.value();
  co_return 0;
}

/// Sleeps for ages, but ignores the first cancellation and returns `value`.
inline coil::Coro<int> return_when_cancelled(int value) {
  try {
    co_await coil::sleep(ages);
  } catch (const coil::CancelledError&) {
  }
  co_return value;
}

}  // namespace coil_test

namespace doctest {
template <class Rep, class Period>
struct StringMaker<std::chrono::duration<Rep, Period>> {
  static String convert(const std::chrono::duration<Rep, Period>& value) {
    const auto count = std::chrono::duration_cast<std::chrono::nanoseconds>(value).count();
    return String((std::to_string(count) + " ns").c_str());
  }
};
}  // namespace doctest

#define COIL_TEST_LOOP_TEST(body, sentence)                  \
  static coil::Coro<void> body(coil_test::Reports& reports); \
  TEST_CASE(sentence) { coil_test::run_loop_test(body); }    \
  static coil::Coro<void> body([[maybe_unused]] coil_test::Reports& reports)
#define LOOP_TEST(sentence) COIL_TEST_LOOP_TEST(DOCTEST_ANONYMOUS(loop_test_body_), sentence)

/// Inside a coroutine: checks that awaiting throws `Type`. Other exceptions leave the test.
#define CHECK_AWAIT_THROWS(awaitable, Type)                                \
  do {                                                                     \
    bool thrown_as_expected = false;                                       \
    try {                                                                  \
      static_cast<void>(co_await awaitable);                               \
    } catch (const Type&) {                                                \
      thrown_as_expected = true;                                           \
    }                                                                      \
    CHECK_MESSAGE(thrown_as_expected, #awaitable " did not throw " #Type); \
  } while (false)

/// Inside a coroutine: checks that awaiting throws a std::exception whose text is `text`.
#define CHECK_AWAIT_FAILS_WITH(awaitable, text)    \
  do {                                             \
    std::string failure_text = "(nothing thrown)"; \
    try {                                          \
      static_cast<void>(co_await awaitable);       \
    } catch (const std::exception& failure) {      \
      failure_text = failure.what();               \
    }                                              \
    CHECK(failure_text == (text));                 \
  } while (false)
