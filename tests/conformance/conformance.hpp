// What the C++ halves of the pairs share. A scenario logs what happens, and when, in milliseconds of virtual time; its
// Python half (the same name, conformance.py) is to log the same, line by line; compare.py runs both.
//
//   SCENARIO("gather: results come in the order of the arguments") { log("got", co_await …); co_return; }
#pragma once
#include <coil/coil.hpp>

#include <chrono>
#include <exception>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace conformance {

using namespace std::chrono_literals;

/// What scenarios throw.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The kind of an exception, by Python's name, and its text where the text is the scenario's own.
std::string describe(const std::exception_ptr& error);

/// Words of a log line as Python's half writes them.
inline std::string text_of(std::string_view word) { return std::string(word); }
inline std::string text_of(const char* word) { return word; }
inline std::string text_of(bool word) { return word ? "true" : "false"; }
inline std::string text_of(const std::exception_ptr& error) { return describe(error); }
template <class T>
  requires std::is_arithmetic_v<T>
std::string text_of(T word) {
  std::ostringstream text;
  text << word;
  return text.str();
}
template <class T>
std::string text_of(const std::vector<T>& words) {
  std::string text;
  for (const T& word : words) text += (text.empty() ? "" : ", ") + text_of(word);
  return "[" + text + "]";
}

void print_line(const std::string& line);

/// Prints the time and the words.
template <class... T>
void log(const T&... words) {
  std::string line;
  ((line += " " + text_of(words)), ...);
  print_line(line);
}

/// What `co_await`ing ended with: as `describe()`, "none" for a result.
template <class A>
coil::Coro<std::string> failure_of(A awaitable) {
  std::exception_ptr error;
  try {
    static_cast<void>(co_await std::move(awaitable));
  } catch (...) {
    error = std::current_exception();
  }
  co_return describe(error);
}

/// The same of an Outcome, where being cancelled is no exception.
template <class T>
std::string failure_in(const coil::Outcome<T>& outcome) {
  return outcome.cancelled() ? "CancelledError()" : describe(outcome.exception());
}

using Body = coil::Coro<void> (*)();
struct Registration {
  Registration(const char* file, const char* name, Body body);
};

}  // namespace conformance

#define CONFORMANCE_JOIN(a, b) a##b
#define CONFORMANCE_NAME(a, b) CONFORMANCE_JOIN(a, b)
#define CONFORMANCE_SCENARIO(body, name)                                                          \
  static coil::Coro<void> body();                                                                 \
  static const conformance::Registration CONFORMANCE_JOIN(register_, body)(__FILE__, name, body); \
  static coil::Coro<void> body()
#define SCENARIO(name) CONFORMANCE_SCENARIO(CONFORMANCE_NAME(scenario_, __LINE__), name)
