// What udp_dns has to know of DNS messages, RFC 1035 section 4. A message that is cut short is a std::out_of_range.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>

#include <coil/coil.hpp>

namespace dns {

inline constexpr std::size_t header_size = 12;
inline constexpr char server_failure = 2;
inline constexpr char no_such_name = 3;

inline unsigned byte_at(std::string_view message, std::size_t at) { return static_cast<unsigned char>(message.at(at)); }
inline unsigned word_at(std::string_view message, std::size_t at) {
  return byte_at(message, at) << 8 | byte_at(message, at + 1);
}

inline std::size_t behind_name(std::string_view message, std::size_t at) {
  for (;;) {
    const unsigned size = byte_at(message, at);
    if (size >= 64) return at + 2;  // the rest of it stands elsewhere
    at += 1 + size;
    if (size == 0) return at;
  }
}

/// Name, type and class of what is asked, from the header to its end.
inline std::string_view question_of(std::string_view message) {
  const std::size_t end = behind_name(message, header_size) + 4;
  if (end > message.size() || word_at(message, 4) != 1) throw std::out_of_range("not one question");
  return message.substr(header_size, end - header_size);
}

inline std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return result;
}

/// Calls `visit(time to live, where it stands)` for each record.
template <class F>
void visit_times(std::string_view message, F visit) {
  std::size_t at = header_size + question_of(message).size();
  for (unsigned left = word_at(message, 6) + word_at(message, 8) + word_at(message, 10); left != 0; --left) {
    at = behind_name(message, at);
    visit(std::chrono::seconds(word_at(message, at + 4) << 16 | word_at(message, at + 6)), at + 4);
    at += 10 + word_at(message, at + 8);
    if (at > message.size()) throw std::out_of_range("a record is cut short");
  }
}

/// Whether it is a whole message, and answers what was asked.
inline bool is_answer(std::string_view message, std::string_view query) try {
  visit_times(message, [](std::chrono::seconds, std::size_t) {});
  return message.substr(0, 2) == query.substr(0, 2) && (message[2] & 0x80) != 0 &&
         lower(question_of(message)) == lower(question_of(query));
} catch (const std::out_of_range&) {
  return false;
}

/// Answers, for as long as they say that they hold. Used in a loop.
class Cache {
public:
  /// What is known; its records hold for as long as is left.
  std::optional<std::string> find(const std::string& key) const {
    const auto found = answers_.find(key);
    if (found == answers_.end()) return std::nullopt;
    std::string message = found->second.message;
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(now() - found->second.received);
    if (age >= found->second.lasts) return std::nullopt;
    visit_times(found->second.message, [&](std::chrono::seconds time, std::size_t at) {
      for (std::size_t i = 0; i < 4; ++i) message[at + i] = static_cast<char>((time - age).count() >> (24 - 8 * i));
    });
    return message;
  }

  void keep(const std::string& key, const std::string& message) {
    const unsigned code = byte_at(message, 3) & 0x0f;
    const bool cut = (byte_at(message, 2) & 0x02) != 0;
    if (cut || (code != 0 && code != no_such_name)) return;
    std::optional<std::chrono::seconds> lasts;  // as its shortest record; without any it does not say
    visit_times(message,
                [&](std::chrono::seconds time, std::size_t) { lasts = std::min(lasts.value_or(age_max), time); });
    if (!lasts) return;
    if (answers_.size() >= answers_max) answers_.erase(answers_.begin());
    answers_[key] = {message, now(), *lasts};
  }

private:
  static constexpr std::size_t answers_max = 10'000;
  static constexpr std::chrono::seconds age_max{3600};
  struct Answer {
    std::string message;
    coil::time_point received;
    std::chrono::seconds lasts;
  };
  static coil::time_point now() { return coil::get_running_loop().time(); }
  std::unordered_map<std::string, Answer> answers_;
};

/// An address with a port, or without: then it is 53.
inline std::optional<coil::Endpoint> parse_server(std::string_view text) {
  if (const auto endpoint = coil::Endpoint::numeric(text, 53)) return endpoint;
  try {
    const coil::Endpoint endpoint = coil::Endpoint::parse(text);
    if (endpoint.port() != 0) return endpoint;
  } catch (const std::invalid_argument&) {
    // no address
  }
  return std::nullopt;
}

inline std::string first_name_server() {
  std::ifstream file("/etc/resolv.conf");
  for (std::string word; file >> word;) {
    if (word == "nameserver" && file >> word) return word;
  }
  return "127.0.0.1";  // as the resolver of the C library does
}

}  // namespace dns
