// The append-only file: every change as the request that makes it, in RESP, as Redis writes its own.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "request.hpp"
#include "text.hpp"

namespace kv {

/// Reads a log that is in memory. Stricter than the parser of requests: what was torn off in the middle is told from what
/// never was a log.
class LogReader {
public:
  enum class Result { record, end, torn, foreign };

  explicit LogReader(std::string_view bytes) : bytes_(bytes) {}

  Result next() {
    if (at_ == bytes_.size()) return Result::end;
    record_.clear();
    begin_ = at_;
    std::int64_t count = 0, size = 0;
    Result result = header('*', INT32_MAX, count);
    if (result == Result::record && count == 0) result = Result::foreign;
    for (; result == Result::record && count != 0; --count) {
      result = header('$', bulk_size_max, size);
      if (result == Result::record) result = word(static_cast<std::size_t>(size));
    }
    // A file system that was cut off may have made room that was not filled.
    const bool unfilled =
        result == Result::foreign && begin_ != 0 && bytes_.find_first_not_of('\0', begin_) == bytes_.npos;
    if (unfilled) return Result::torn;
    return result;
  }
  const Request& record() const { return record_; }
  /// Where the last record begins, whatever it is.
  std::size_t begin() const { return begin_; }

private:
  Result header(char kind, std::int64_t max, std::int64_t& number) {
    const std::string_view line = bytes_.substr(at_, 24);
    const std::size_t end = std::min(line.find('\r'), line.size());
    if (!line.empty() && line[0] != kind) return Result::foreign;
    const bool whole = end + 1 < line.size();
    const std::string_view digits = line.substr(std::min<std::size_t>(1, end), end - std::min<std::size_t>(1, end));
    const auto value = digits.empty() && !whole ? std::optional<std::int64_t>(0) : parse_integer(digits);
    if (!value || *value < 0 || *value > max) return Result::foreign;
    if (!whole) return at_ + line.size() == bytes_.size() ? Result::torn : Result::foreign;
    if (line[end + 1] != '\n') return Result::foreign;
    number = *value;
    at_ += end + 2;
    return Result::record;
  }
  Result word(std::size_t size) {
    if (bytes_.size() - at_ < size) return Result::torn;
    record_.add(bytes_.substr(at_, size));
    at_ += size;
    const std::string_view end = bytes_.substr(at_, 2);
    if (end != std::string_view("\r\n").substr(0, end.size())) return Result::foreign;
    if (end.size() < 2) return Result::torn;
    at_ += 2;
    return Result::record;
  }

  std::string_view bytes_;
  std::size_t at_ = 0, begin_ = 0;
  Request record_;
};

}  // namespace kv
