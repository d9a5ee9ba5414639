// Which awaits an exception came through.
#include <coil/exception_group.hpp>

#include "../support/loop_test.hpp"

#include <algorithm>
#include <source_location>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Whether a trace goes through these two lines of this file, in this order.
bool passes(const std::vector<std::source_location>& trace, unsigned first, unsigned second) {
  const auto at = [](unsigned line) {
    return [line](const std::source_location& place) {
      return place.line() == line && contains(place.file_name(), "exception_trace_test.cpp");
    };
  };
  const auto inner = std::find_if(trace.begin(), trace.end(), at(first));
  return inner != trace.end() && std::find_if(inner, trace.end(), at(second)) != trace.end();
}

coil::Coro<int> parse() {
  co_await coil::sleep(1s);
  throw std::runtime_error("unexpected end");
}

constexpr unsigned load_at = __LINE__ + 2;
coil::Coro<int> load() {
  const int value = co_await parse();
  co_return value;
}

constexpr unsigned start_at = __LINE__ + 2;
coil::Coro<int> start() {
  const int value = co_await load();
  co_return value;
}

}  // namespace

TEST_CASE("exception trace: of an exception that left run names the awaits that it came through, the innermost first") {
  std::vector<std::source_location> trace;
  std::string text;
  try {
    coil::run(start(), coil_test::virtual_time);
  } catch (...) {
    trace = coil::exception_trace(std::current_exception());
    text = coil::format_exception(std::current_exception());
  }
  CHECK(passes(trace, load_at, start_at));
  CHECK(contains(text, "unexpected end"));
  CHECK(contains(text, "exception_trace_test.cpp:" + std::to_string(load_at)));
  CHECK(contains(text, "exception_trace_test.cpp:" + std::to_string(start_at)));
}

LOOP_TEST("exception trace: goes on through the task that awaited the failed one") {
  auto task = coil::create_task(load());
  const unsigned line = __LINE__ + 1;
  auto wait = [&]() -> coil::Coro<int> { co_return co_await task; };
  std::vector<std::source_location> trace;
  try {
    co_await wait();
  } catch (...) {
    trace = coil::exception_trace(std::current_exception());
  }
  CHECK(passes(trace, load_at, line));
}

LOOP_TEST("exception trace: of an exception that no coroutine threw is empty, also where one was before that is gone") {
  CHECK_AWAIT_FAILS_WITH(load(), "unexpected end");
  const auto error = std::make_exception_ptr(std::runtime_error("elsewhere"));
  CHECK(coil::exception_trace(error).empty());
  CHECK(contains(coil::format_exception(error), "elsewhere"));
  CHECK(contains(coil::format_exception(std::make_exception_ptr(coil::CancelledError("why"))), "why"));
  co_await coil::yield();
}

LOOP_TEST("exception trace: two failures, looked at one after the other, are not mixed up") {
  auto a = co_await coil::as_result(load());
  const auto trace_of_a = coil::exception_trace(a.exception());
  auto b = co_await coil::as_result(coil_test::fail_after(1s, "other"));
  CHECK(trace_of_a.size() >= 1);
  for (const auto& place : coil::exception_trace(b.exception())) CHECK(place.line() != load_at);
}
