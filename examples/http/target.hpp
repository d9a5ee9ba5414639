// From the target of a request to a path below the served folder, and from a path to a type.
#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

namespace http {

/// Where a target points to.
struct Target {
  int status = 0;    // to refuse it with; 0 for none
  std::string path;  // decoded, relative to the folder; "" is the folder itself
};

/// The target without query and fragment, and without scheme and authority where it has them; begins with "/".
inline std::string_view path_of(std::string_view target) noexcept {
  target = target.substr(0, target.find_first_of("?#"));
  const std::size_t scheme = target.find("://");
  if (!target.starts_with('/') && scheme != std::string_view::npos) {
    const std::size_t slash = target.find('/', scheme + 3);
    return slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  return target;
}

inline int hex_digit(char byte) noexcept {
  if (byte >= '0' && byte <= '9') return byte - '0';
  const char lower = static_cast<char>(byte | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// Undoes percent-encoding, once; nothing for what is none, or a NUL.
inline std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char byte = text[i];
    if (byte == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      byte = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (byte == '\0') return std::nullopt;
    decoded += byte;
  }
  return decoded;
}

/// Refuses names that begin with a dot, so that neither ".." nor what is hidden (.git, .env) can be named; but for
/// ".well-known", RFC 8615. That nothing leads outside, also no symbolic link, is up to the kernel: see files.hpp.
inline Target resolve_target(std::string_view target) {
  const std::optional<std::string> decoded = percent_decode(path_of(target));
  if (!decoded || !decoded->starts_with('/')) return {400, {}};
  std::string path = decoded->substr(std::min(decoded->find_first_not_of('/'), decoded->size()));
  for (std::string_view rest = path; !rest.empty();) {
    const std::string_view name = rest.substr(0, rest.find('/'));
    if (name == ".." || name == ".") return {400, {}};
    if (name.starts_with('.') && name != ".well-known") return {404, {}};
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
  }
  return {0, std::move(path)};
}

/// By the end of the name.
inline std::string_view type_of(std::string_view path) noexcept {
  struct Type {
    std::string_view ending, name;
  };
  static constexpr Type types[] = {
      {"html", "text/html; charset=utf-8"},
      {"htm", "text/html; charset=utf-8"},
      {"txt", "text/plain; charset=utf-8"},
      {"md", "text/markdown; charset=utf-8"},
      {"css", "text/css; charset=utf-8"},
      {"csv", "text/csv; charset=utf-8"},
      {"js", "text/javascript; charset=utf-8"},
      {"mjs", "text/javascript; charset=utf-8"},
      {"json", "application/json"},
      {"xml", "application/xml"},
      {"pdf", "application/pdf"},
      {"wasm", "application/wasm"},
      {"zip", "application/zip"},
      {"gz", "application/gzip"},
      {"svg", "image/svg+xml"},
      {"png", "image/png"},
      {"jpg", "image/jpeg"},
      {"jpeg", "image/jpeg"},
      {"gif", "image/gif"},
      {"webp", "image/webp"},
      {"ico", "image/x-icon"},
      {"mp3", "audio/mpeg"},
      {"mp4", "video/mp4"},
      {"webm", "video/webm"},
      {"woff2", "font/woff2"},
  };
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return "application/octet-stream";
  for (const Type& type : types)
    if (name.substr(dot + 1) == type.ending) return type.name;
  return "application/octet-stream";
}

}  // namespace http
