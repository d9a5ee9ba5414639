// What http_server makes of a target, a Range and the fields about what a client has already: never a path that leads
// outside, never a byte that is not there, and the same as RFC 9110 and 3986 read once more, slowly.
#include <coil/detail/check.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../../examples/http/range.hpp"
#include "../../examples/http/target.hpp"
#include "input.hpp"
#include "pieces.hpp"

using coil::detail::check;

namespace {

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == at)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

void check_target(std::string_view text) {
  const http::Target target = http::resolve_target(text);
  check(target.status == 0 || target.status == 400 || target.status == 404, "it is taken or refused");
  if (target.status != 0) return check(target.path.empty(), "what is refused has no path");
  check(!target.path.starts_with('/'), "a path is relative");
  check(target.path.find('\0') == target.path.npos, "a path has no NUL");
  check(target.path.size() <= text.size(), "a path is not longer than what it comes from");
  for (const std::string& name : split(target.path, '/'))
    check(!name.starts_with('.') || name == ".well-known", "no name begins with a dot");
}

/// Any path, encoded in any way, is decoded.
void check_path(coil_fuzz::Input& input) {
  constexpr std::string_view plain = "abcdefgXYZ0123456789-_~!$&'()*+,;=:@/.";
  constexpr char digits[] = "0123456789abcdef0123456789ABCDEF";
  std::string path, target = "/";
  bool hidden = false, refused = false;
  for (unsigned size = input.byte(); size != 0 && !input.empty(); --size) {
    const char c = input.below(2) == 0 ? plain[input.below(plain.size())] : static_cast<char>(input.byte());
    const auto byte = static_cast<unsigned char>(c);
    if (path.empty() && c == '/') continue;
    path += c;
    refused |= c == '\0';
    const unsigned how = input.below(3);
    if (how == 0 && plain.find(c) != plain.npos)
      target += c;
    else
      target += std::string("%") + digits[byte / 16 + 16 * (how == 1)] + digits[byte % 16 + 16 * (how == 2)];
  }
  for (const std::string& name : split(path, '/')) {
    refused |= name == "." || name == "..";
    hidden |= name.starts_with('.') && name != ".well-known";
  }
  const http::Target found = http::resolve_target(target + (input.below(2) == 0 ? "?a=/../b" : ""));
  if (refused || hidden)
    check(found.status == 400 || (hidden && found.status == 404), "what is hidden is refused");
  else
    check(found.status == 0 && found.path == path, "what was encoded is decoded");
}

/// "bytes=FROM-TO" as RFC 9110 14.1.2 has it, digit by digit. Nothing if it is not of that form.
struct Range {
  bool good = false, has_first = false, has_last = false;
  std::string first, last;  // digits
};
Range read_range(std::string_view text) {
  Range range;
  constexpr std::string_view unit = "bytes=";
  std::size_t at = 0;
  for (; at < unit.size(); ++at)
    if (at >= text.size() || (text[at] | (at < 5 ? 0x20 : 0)) != unit[at]) return range;
  std::string* to = &range.first;
  bool dash = false;
  for (; at < text.size(); ++at) {
    if (text[at] == '-' && !dash) {
      dash = true;
      to = &range.last;
    } else if (text[at] >= '0' && text[at] <= '9') {
      *to += text[at];
    } else {
      return range;
    }
  }
  range.has_first = !range.first.empty();
  range.has_last = !range.last.empty();
  range.good = dash && (range.has_first || range.has_last);
  return range;
}
/// Of digits; what is too large for 64 bits is the largest.
std::uint64_t value_of(const std::string& digits) {
  unsigned __int128 value = 0;
  for (const char c : digits) {
    value = value * 10 + static_cast<unsigned>(c - '0');
    if (value > UINT64_MAX) value = UINT64_MAX;
  }
  return static_cast<std::uint64_t>(value);
}

void check_range(std::string_view text, std::uint64_t size) {
  const Range range = read_range(text);
  http::Part part{1, 0};
  const http::RangeAnswer answer = http::parse_range(text, size, part);
  const std::uint64_t first = value_of(range.first), last = range.has_last ? value_of(range.last) : UINT64_MAX;
  if (!range.good || (range.has_first && last < first))
    return check(answer == http::RangeAnswer::whole, "what is no range is ignored");
  const bool none = size == 0 || (range.has_first ? first >= size : last == 0);
  if (none) return check(answer == http::RangeAnswer::unsatisfiable, "there is no such byte");
  check(answer == http::RangeAnswer::part && part.first < part.end && part.end <= size, "what is sent is there");
  if (range.has_first)
    check(part.first == first && part.end - 1 == std::min(last, size - 1), "from the one to the other");
  else
    check(part.end == size && part.end - part.first == std::min(last, size), "the last so many");
}

std::uint64_t any_size(coil_fuzz::Input& input) { return input.number() >> input.below(64); }

void check_written_range(coil_fuzz::Input& input) {
  static constexpr std::string_view marks[] = {"-", "-", "-", "", "--", "-,", "- "};
  const std::uint64_t size = any_size(input);
  std::string text = input.below(2) == 0 ? "bytes=" : "ByTES=";
  const auto number = [&] {
    switch (input.below(6)) {
      case 0:
        return std::string();
      case 1:
        return std::to_string(size - 1);
      case 2:
        return std::to_string(size);
      case 3:
        return std::to_string(any_size(input)) + std::to_string(any_size(input));
      default:
        return std::to_string(any_size(input));
    }
  };
  text += number();
  text += marks[input.below(std::size(marks))];
  text += number();
  check_range(text, size);
}

/// A list of entity tags, RFC 9110 13.1.2, and whether the file's is among them.
void check_tags(coil_fuzz::Input& input) {
  http::Meta meta{.size = 10, .modified = 784111777, .etag = "\"" + input.text(1 + input.below(3)) + "\"", .type = {}};
  for (std::size_t i = 1; i + 1 < meta.etag.size(); ++i)
    if (static_cast<unsigned char>(meta.etag[i]) <= ' ' || meta.etag[i] == '"') meta.etag[i] = 'x';
  std::string list;
  bool named = false;
  for (unsigned count = 1 + input.below(4); count != 0; --count) {
    const bool same = input.below(3) == 0;
    named |= same;
    if (!list.empty()) list += input.below(2) == 0 ? ", " : ",";
    if (input.below(2) == 0) list += "W/";
    list += same ? meta.etag : "\"no" + std::to_string(count) + "\"";
  }
  named |= list.find("no") != list.npos && meta.etag.starts_with("\"no") && list.find(meta.etag) != list.npos;
  http::Request request;
  http::Part part;
  request.if_none_match = list;
  check(http::answer_status(request, meta, part) == (named ? 304 : 200), "a tag is named or not");
}

void check_date(coil_fuzz::Input& input) {
  const auto when = static_cast<std::time_t>(input.number() % 253'402'300'800);  // up to the year 9999
  const std::string text = http::date_text(when);
  check(http::parse_date(text) == when, "a date is read as it was written");
  const std::string any = input.rest();
  static_cast<void>(http::parse_date(any));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  coil_fuzz::Input input(data, size);
  switch (input.below(7)) {
    case 0:
      coil_fuzz::give(input.rest(), check_target);
      break;
    case 1:
      coil_fuzz::give("http://" + input.rest(), check_target);
      break;
    case 2:
      check_path(input);
      break;
    case 3: {
      const std::uint64_t bytes = any_size(input);
      coil_fuzz::give("bytes=" + input.rest(), [&](std::string_view text) { check_range(text, bytes); });
      break;
    }
    case 4:
      check_written_range(input);
      break;
    case 5:
      check_tags(input);
      break;
    default:
      check_date(input);
  }
  return 0;
}
