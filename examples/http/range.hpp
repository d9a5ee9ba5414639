// Which part of a file is asked for, and whether it is needed at all: RFC 9110, sections 13 and 14.
#pragma once
#include <sys/stat.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "request.hpp"
#include "response.hpp"

namespace http {

/// What is known of a file besides its content.
struct Meta {
  std::uint64_t size = 0;
  std::time_t modified = 0;
  std::string etag;
  std::string_view type;
};

/// Bytes from `first` to before `end`.
struct Part {
  std::uint64_t first = 0, end = 0;
};

enum class RangeAnswer : unsigned char { whole, part, unsatisfiable };

/// A single range is answered with that part. What is malformed, of another unit, or several ranges, which a server may
/// ignore, with the whole.
inline RangeAnswer parse_range(std::string_view text, std::uint64_t size, Part& part) noexcept {
  if (text.size() < 6 || !same_word(text.substr(0, 6), "bytes=")) return RangeAnswer::whole;
  text.remove_prefix(6);
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return RangeAnswer::whole;
  const auto number = [](std::string_view digits, std::uint64_t& value) {
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) return false;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec != std::errc()) value = UINT64_MAX;
    return true;
  };
  const std::string_view first = text.substr(0, dash), last = text.substr(dash + 1);
  std::uint64_t from = 0, to = UINT64_MAX;
  if (first.empty()) {  // the last so many
    if (!number(last, to)) return RangeAnswer::whole;
    if (to == 0 || size == 0) return RangeAnswer::unsatisfiable;
    part = {size - std::min(to, size), size};
    return RangeAnswer::part;
  }
  if (!number(first, from) || (!last.empty() && !number(last, to)) || to < from) return RangeAnswer::whole;
  if (from >= size) return RangeAnswer::unsatisfiable;
  part = {from, to >= size - 1 ? size : to + 1};
  return RangeAnswer::part;
}

/// Whether one of the entity tags in `list` is `etag`, weak or not.
inline bool names_etag(std::string_view list, std::string_view etag) noexcept {
  if (list == "*") return true;
  for (std::size_t at = list.find(etag); at != std::string_view::npos; at = list.find(etag, at + 1)) {
    const std::size_t end = at + etag.size();
    if ((at == 0 || list[at - 1] == ' ' || list[at - 1] == ',' || list[at - 1] == '/') &&
        (end == list.size() || list[end] == ' ' || list[end] == ','))
      return true;
  }
  return false;
}

/// 200, 206 with `part`, 304 or 416.
inline int answer_status(const Request& request, const Meta& meta, Part& part) {
  part = {0, meta.size};
  if (!request.if_none_match.empty()) {
    if (names_etag(request.if_none_match, meta.etag)) return 304;
  } else if (!request.if_modified_since.empty()) {
    const std::optional<std::time_t> since = parse_date(request.if_modified_since);
    if (since && meta.modified <= *since) return 304;
  }
  if (request.range.empty() || request.method != HTTP_GET) return 200;
  if (!request.if_range.empty() && request.if_range != meta.etag && request.if_range != date_text(meta.modified))
    return 200;
  switch (parse_range(request.range, meta.size, part)) {
    case RangeAnswer::whole:
      return 200;
    case RangeAnswer::part:
      return 206;
    case RangeAnswer::unsatisfiable:
      break;
  }
  return 416;
}

}  // namespace http
