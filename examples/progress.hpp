// A progress bar on stderr, if that is a terminal.
#pragma once
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

#include <coil/coil.hpp>

namespace example {

class Progress {
public:
  Progress(std::size_t total, const char* unit) : total_(total), unit_(unit) { draw(); }
  Progress(const Progress&) = delete;
  ~Progress() {
    if (shown_) std::fputs(erase_line, stderr);
  }

  /// One more is done.
  void advance() {
    ++done_;
    draw();
  }
  /// What a line of output begins with, so that it takes the bar's place where both go to one terminal.
  std::string_view line_start() const { return shown_ && output_is_terminal_ ? erase_line : ""; }

private:
  static constexpr const char* erase_line = "\r\033[K";
  static constexpr auto interval = std::chrono::milliseconds(50);
  static constexpr std::size_t width = 40;

  void draw() {
    const coil::time_point now = coil::get_running_loop().time();
    if (!shown_ || now < next_) return;
    next_ = now + interval;
    const std::size_t full = total_ == 0 ? width : std::min(width, done_ * width / total_);
    const std::string bar = std::string(full, '#') + std::string(width - full, '.');
    std::fprintf(stderr, "%s[%s] %zu of %zu %s", erase_line, bar.c_str(), done_, total_, unit_);
  }

  const bool shown_ = ::isatty(STDERR_FILENO) != 0;
  const bool output_is_terminal_ = ::isatty(STDOUT_FILENO) != 0;
  coil::time_point next_{};
  std::size_t done_ = 0;
  std::size_t total_;
  const char* unit_;
};

}  // namespace example
