// What the server and the clients of bench/soak share: what a connection says first, and chance from a seed.
#pragma once
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace soak {

/// The first line of a connection: `KIND ID GOOD ROOM`.
struct Hello {
  char kind = '\0';      ///< 'e'cho, 's'ubscribe, 'p'ublish, 'w'ork, 't'hrow; none: it has not said yet
  std::uint64_t id = 0;  ///< of the connection, among those of one process of clients
  bool is_good = false;  ///< keeps to what is agreed: it ends in order, or because the server was told to cancel it
  unsigned room = 0;
};

inline std::string to_line(const Hello& hello) {
  return std::string(1, hello.kind) + " " + std::to_string(hello.id) + (hello.is_good ? " 1 " : " 0 ") +
         std::to_string(hello.room) + "\n";
}

/// False if that is no first line.
inline bool parse(const std::string& line, Hello& hello) {
  int good = 0;
  unsigned long id = 0;
  if (std::sscanf(line.c_str(), "%c %lu %d %u", &hello.kind, &id, &good, &hello.room) != 4) return false;
  hello.id = id;
  hello.is_good = good == 1;
  return true;
}

/// All chance of a program, from one seed.
class Random {
public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t below(std::uint64_t end) { return std::uniform_int_distribution<std::uint64_t>(0, end - 1)(engine_); }
  bool chance(double probability) { return unit() < probability; }
  /// With that mean, as between independent events; at most ten times as long.
  std::chrono::nanoseconds pause(std::chrono::duration<double> mean) {
    const double factor = std::min(-std::log(1 - unit()), 10.0);
    return std::chrono::duration_cast<std::chrono::nanoseconds>(mean * factor);
  }
  /// From 1 to `max`; small ones as often as large ones, by their number of digits.
  std::size_t size(std::size_t max) {
    const double exponent = unit() * std::log(static_cast<double>(max));
    return static_cast<std::size_t>(std::exp(exponent));
  }

private:
  double unit() { return std::uniform_real_distribution<double>(0, 1)(engine_); }

  std::mt19937_64 engine_;
};

/// Text as JSON has it.
inline std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return result + '"';
}

template <class T, class F>
std::string json_array(const std::vector<T>& items, F to_json) {
  std::string result = "[";
  for (const T& item : items) {
    if (result.size() > 1) result += ',';
    result += to_json(item);
  }
  return result + ']';
}

/// What is told to the driver: one JSON object a line.
class Report {
public:
  void add(const char* name, std::uint64_t value) { add_raw(name, std::to_string(value)); }
  void add_raw(const char* name, const std::string& json) {
    text_ += (text_.empty() ? "{\"" : ",\"") + std::string(name) + "\":" + json;
  }
  std::string line() const { return text_ + "}\n"; }

private:
  std::string text_;
};

}  // namespace soak
