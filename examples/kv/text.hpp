// Words and numbers as Redis reads them.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kv {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

/// `word` is given in lower case.
constexpr bool is_word(std::string_view text, std::string_view word) {
  if (text.size() != word.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (lower(text[i]) != word[i]) return false;
  return true;
}

inline std::string lowered(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = lower(c);
  return result;
}

/// A whole number as Redis takes it: no blank, no plus sign, no leading zero.
constexpr std::optional<std::int64_t> parse_integer(std::string_view text) {
  if (text == "0") return 0;
  const bool negative = !text.empty() && text[0] == '-';
  if (negative) text.remove_prefix(1);
  if (text.empty() || text.size() > 19 || text[0] < '1' || text[0] > '9') return std::nullopt;
  std::uint64_t value = 0;  // 19 digits do not overflow it
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (value > std::uint64_t{INT64_MAX} + negative) return std::nullopt;
  return static_cast<std::int64_t>(negative ? ~value + 1 : value);
}

/// Room for a number in decimal.
class Decimal {
public:
  explicit Decimal(std::int64_t value) : end_(std::to_chars(room_, room_ + sizeof room_, value).ptr) {}
  operator std::string_view() const { return {room_, static_cast<std::size_t>(end_ - room_)}; }

private:
  char room_[24];
  const char* end_;
};

/// What of `text` a C function would print with `%.*s`.
constexpr std::string_view up_to_nul(std::string_view text, std::size_t max) {
  return text.substr(0, std::min({max, text.size(), text.find('\0')}));
}

namespace detail {

constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

constexpr bool ends_word(char c) { return is_space(c) && c != '\v' && c != '\f'; }

constexpr int hexadecimal(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char small = lower(c);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

constexpr char escaped(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

/// Takes what stands between quotes off the front of `text`, the second quote too.
inline bool take_quoted(std::string_view& text, char quote, std::string& word) {
  while (!text.empty()) {
    const char c = text[0];
    if (c == quote) {
      text.remove_prefix(1);
      return text.empty() || is_space(text[0]);  // a word ends with its quote
    }
    if (c == '\\' && quote == '"' && text.size() >= 4 && text[1] == 'x' && hexadecimal(text[2]) >= 0 &&
        hexadecimal(text[3]) >= 0) {
      word += static_cast<char>(hexadecimal(text[2]) * 16 + hexadecimal(text[3]));
      text.remove_prefix(4);
    } else if (c == '\\' && text.size() >= 2 && (quote == '"' || text[1] == '\'')) {
      word += quote == '"' ? escaped(text[1]) : '\'';
      text.remove_prefix(2);
    } else {
      word += c;
      text.remove_prefix(1);
    }
  }
  return false;
}

}  // namespace detail

/// Splits a line as a shell would: blanks, 'single' and "double" quotes with escapes. Nothing if quotes are unbalanced.
inline std::optional<std::vector<std::string>> split_words(std::string_view line) {
  std::vector<std::string> words;
  line = line.substr(0, line.find('\0'));
  for (;;) {
    while (!line.empty() && detail::is_space(line[0])) line.remove_prefix(1);
    if (line.empty()) return words;
    std::string& word = words.emplace_back();
    while (!line.empty() && !detail::ends_word(line[0])) {
      const char c = line[0];
      line.remove_prefix(1);
      if (c != '"' && c != '\'') {
        word += c;
      } else if (!detail::take_quoted(line, c, word)) {
        return std::nullopt;
      } else {
        break;
      }
    }
  }
}

}  // namespace kv
