// What the server says: status lines, dates, heads.
#pragma once
#include <array>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace http {

inline std::string_view reason_of(int status) noexcept {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 416:
      return "Range Not Satisfiable";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
  }
  return "Unknown";
}

/// A moment as "Sun, 06 Nov 1994 08:49:37 GMT", RFC 9110 5.6.7.
inline std::string date_text(std::time_t when) {
  static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm parts{};
  ::gmtime_r(&when, &parts);
  std::array<char, 64> text;
  const int size =
      std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[parts.tm_wday], parts.tm_mday,
                    months[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
  return std::string(text.data(), static_cast<std::size_t>(size));
}

/// What `date_text` gives; nothing for another form.
inline std::optional<std::time_t> parse_date(std::string_view text) {
  std::tm parts{};
  const std::string copy(text);
  const char* const end = ::strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return ::timegm(&parts);
}

/// "HTTP/1.1 200 OK", the server's name and the date: how each answer begins. Made anew once a second.
class Beginning {
public:
  std::string_view ok() {
    const std::time_t now = ::time(nullptr);
    if (now != when_) {
      when_ = now;
      fields_ = "\r\nServer: coil\r\nDate: " + date_text(now) + "\r\n";
      ok_ = "HTTP/1.1 200 OK" + fields_;
    }
    return ok_;
  }
  std::string of(int status) {
    static_cast<void>(ok());
    return "HTTP/1.1 " + std::to_string(status) + ' ' + std::string(reason_of(status)) + fields_;
  }

private:
  std::time_t when_ = -1;
  std::string fields_, ok_;
};

/// The last lines of a head: what becomes of the connection. An HTTP/1.0 client is told when it stays open, a later one
/// when it does not.
inline std::string_view end_of_head(bool old, bool keep_alive) noexcept {
  if (!keep_alive) return "Connection: close\r\n\r\n";
  return old ? "Connection: keep-alive\r\n\r\n" : "\r\n";
}

}  // namespace http
