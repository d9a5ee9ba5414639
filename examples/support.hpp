// What the examples share: how arguments are refused and how a program ends.
#pragma once
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>

#include <coil/coil.hpp>

namespace example {

/// Ends the program with status 2 and one line on stderr.
[[noreturn]] inline void usage(const char* line) {
  std::fprintf(stderr, "usage: %s\n", line);
  std::exit(2);
}

/// Refuses empty arguments, options, and other counts of arguments than from `min` to `max`.
inline void check_arguments(int argc, char** argv, int min, int max, const char* line) {
  if (argc - 1 < min || argc - 1 > max) usage(line);
  for (int i = 1; i < argc; ++i)
    if (argv[i][0] == '\0' || argv[i][0] == '-') usage(line);
}

/// A decimal number from 0 to `max`.
inline long parse_number(std::string_view text, long max, const char* line) {
  long number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0 || number > max) usage(line);
  return number;
}

/// A descriptor that is closed in any case.
struct Open {
  explicit Open(int number) : fd(number) {}
  Open(const Open&) = delete;
  ~Open() { ::close(fd); }
  int fd;
};

[[noreturn]] inline void refuse(const std::string& path, int error) {
  throw std::system_error(error, std::system_category(), path);
}

/// What went wrong; of a group of failures the first one.
inline std::string text_of(const std::exception& error) {
  const auto* group = dynamic_cast<const coil::ExceptionGroup*>(&error);
  if (group == nullptr) return error.what();
  try {
    std::rethrow_exception(group->exceptions().front());
  } catch (const std::exception& first) {
    return text_of(first);
  }
}

/// Runs `main_coroutine` and turns how it ends into an exit status: Ctrl-C gives 130, an error 1 and its text,
/// after `prefix`.
template <class F>
int run(F main_coroutine, std::string_view prefix = "", const coil::RunOptions& options = {}) {
  try {
    return coil::run(std::move(main_coroutine), options);
  } catch (const coil::KeyboardInterrupt&) {
    return 130;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%.*s%s\n", static_cast<int>(prefix.size()), prefix.data(), text_of(error).c_str());
  }
  return 1;
}

}  // namespace example
