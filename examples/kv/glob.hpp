// The patterns of KEYS and PSUBSCRIBE.
#pragma once
#include <algorithm>
#include <string_view>
#include <utility>

namespace kv {
namespace detail {

/// A pattern that is read on. Past its end it reads as NUL, as the C string of Redis does.
class Pattern {
public:
  explicit Pattern(std::string_view text) : text_(text) {}
  std::size_t left() const { return text_.size(); }
  char at(std::size_t i) const { return i < text_.size() ? text_[i] : '\0'; }
  void skip(std::size_t count) { text_.remove_prefix(std::min(count, text_.size())); }

private:
  std::string_view text_;
};

/// Whether `c` is in the class at the front, after its '['. Leaves the pattern behind the ']', or at the end without one.
inline bool in_class(Pattern& pattern, char c) {
  const bool inverted = pattern.at(0) == '^';
  if (inverted) pattern.skip(1);
  bool found = false;
  for (;; pattern.skip(1)) {
    if (pattern.left() >= 2 && pattern.at(0) == '\\') {
      pattern.skip(1);
      found = found || pattern.at(0) == c;
    } else if (pattern.at(0) == ']') {
      pattern.skip(1);
      break;
    } else if (pattern.left() == 0) {
      break;
    } else if (pattern.left() >= 3 && pattern.at(1) == '-') {
      const auto [from, to] = std::minmax({pattern.at(0), pattern.at(2)});
      found = found || (c >= from && c <= to);
      pattern.skip(2);
    } else {
      found = found || pattern.at(0) == c;
    }
  }
  return found != inverted;
}

/// Whether the pattern's first item, no '*', takes `c`. It is skipped.
inline bool take_item(Pattern& pattern, char c) {
  const char item = pattern.at(0);
  if (item == '\\' && pattern.left() >= 2) pattern.skip(1);
  const char literal = pattern.at(0);
  pattern.skip(1);
  if (item == '?') return true;
  if (item == '[') return in_class(pattern, c);
  return literal == c;
}

}  // namespace detail

/// Whether all of `text` matches: `*`, `?`, `[a-z]`, `[^a]`, `\` before a literal. As in Redis, only "*" itself is asked
/// whether it matches nothing. Takes at most the product of both lengths: of all stars only the last one is tried again.
inline bool matches(std::string_view glob, std::string_view text) {
  if (glob == "*") return true;
  if (text.empty()) return glob.empty();
  detail::Pattern pattern(glob);
  std::size_t at = 0;
  bool starred = false;
  detail::Pattern after_star(glob);
  std::size_t star_at = 0;  // where `after_star` was tried last
  while (at < text.size()) {
    if (pattern.left() != 0 && pattern.at(0) == '*') {
      while (pattern.at(0) == '*') pattern.skip(1);
      if (pattern.left() == 0) return true;
      starred = true;
      after_star = pattern;
      star_at = at;
    } else if (pattern.left() != 0 && detail::take_item(pattern, text[at])) {
      ++at;
    } else if (starred) {
      pattern = after_star;
      at = ++star_at;
    } else {
      return false;
    }
  }
  if (starred && star_at == text.size()) return false;  // what follows a star has something to take
  while (pattern.at(0) == '*') pattern.skip(1);
  return pattern.left() == 0;
}

}  // namespace kv
