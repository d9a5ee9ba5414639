// Commands as clients send them: RESP arrays of bulk strings, and lines ("inline commands").
#pragma once
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "output.hpp"
#include "text.hpp"

namespace kv {

constexpr std::size_t line_size_max = 64 << 10;      // of a header or an inline command
constexpr std::int64_t bulk_size_max = 512 << 20;    // of one argument
constexpr std::size_t request_size_max = 1ul << 30;  // of all of them, with what it takes to keep them
constexpr std::size_t words_kept_max = 1024;         // room that stays for the next command
constexpr std::size_t held_kept_max = 64 << 10;      // likewise, in bytes

/// The words of one command. They are views: of the bytes given to the parser, or of what it keeps.
class Request {
public:
  std::size_t size() const { return words_.size(); }
  std::string_view operator[](std::size_t i) const { return words_[i]; }
  /// A word as a string of its own. A large one that arrived in pieces is not copied.
  Shared share(std::size_t i) const {
    for (const Large& large : large_)
      if (large.index == i) return large.text;
    return std::make_shared<const std::string>(words_[i]);
  }

  void add(std::string_view word) { words_.push_back(word); }
  void add(Shared word) {
    large_.push_back({words_.size(), std::move(word)});
    words_.push_back(*large_.back().text);
  }
  void clear() {
    if (words_.capacity() > words_kept_max) words_ = {};
    words_.clear();
    large_.clear();
  }

private:
  struct Large {
    std::size_t index;
    Shared text;
  };
  std::vector<std::string_view> words_;
  std::vector<Large> large_;
};

/// Takes bytes as they come, in any pieces; each is looked at a bounded number of times. What is whole in the bytes at
/// hand is not copied.
class Parser {
public:
  enum class Result {
    more,     // all bytes are taken, and kept if need be
    request,  // `request()` is one, until the next call, and until the bytes go
    refused,  // against the protocol: `refusal()`, and no further call
  };

  Result next(std::string_view& bytes) {
    if (state_ == State::start) {
      release();
      if (take_whole(bytes)) return Result::request;
    }
    return take(bytes);
  }
  const Request& request() const { return request_; }
  /// What is to be answered; nothing if the connection is to be closed without a word.
  const std::string& refusal() const { return refusal_; }
  /// Whether the beginning of a command has been taken.
  bool inside() const { return state_ != State::start; }

private:
  enum class State { start, line, count, size, text, end };
  struct Piece {
    std::size_t begin, size;           // in held_
    std::shared_ptr<std::string> own;  // of a large one
  };

  /// The usual case: an array, all of it there. Leaves anything odd to `take`, which begins anew.
  bool take_whole(std::string_view& bytes);
  static const char* small_number(const char* at, const char* end, char kind, std::size_t& number);
  Result take(std::string_view& bytes);
  bool take_line(std::string_view& bytes, char last);
  bool take_count(std::string_view& bytes);
  bool take_size(std::string_view& bytes);
  bool take_text(std::string_view& bytes);
  bool finish_inline();
  void finish();
  void release();
  bool refuse(std::string what) {
    refusal_ = std::move(what);
    refused_ = true;
    return false;
  }

  State state_ = State::start;
  std::string line_;            // the line that is being taken, without its end
  bool line_ended_ = false;     // its '\r' was there, one byte is to follow
  bool line_poisoned_ = false;  // it has a NUL, so that its end is not found, see take_line
  std::int64_t words_left_ = 0;
  std::size_t bytes_left_ = 0;  // of a word, then of the two bytes behind it
  std::vector<Piece> pieces_;
  std::string held_;
  std::size_t cost_ = 0;
  std::vector<std::string> inline_words_;
  Request request_;
  std::string refusal_;
  bool refused_ = false;
};

/// A header like "$12\r\n" with up to 9 digits. Null if it is not there, or another one.
inline const char* Parser::small_number(const char* at, const char* end, char kind, std::size_t& number) {
  if (end - at < 4 || *at != kind || at[1] < '0' || at[1] > '9' || (at[1] == '0' && at[2] != '\r')) return nullptr;
  number = static_cast<std::size_t>(*++at - '0');
  const char* limit = end - at > 9 ? at + 9 : end;
  for (++at; at != limit && *at >= '0' && *at <= '9'; ++at) number = number * 10 + static_cast<std::size_t>(*at - '0');
  return end - at >= 2 && *at == '\r' ? at + 2 : nullptr;
}

inline bool Parser::take_whole(std::string_view& bytes) {
  const char* at = bytes.data();
  const char* end = at + bytes.size();
  std::size_t count = 0, size = 0;
  at = small_number(at, end, '*', count);
  if (at == nullptr || count == 0) return false;
  for (; count != 0; --count) {
    at = small_number(at, end, '$', size);
    if (at == nullptr || size > static_cast<std::size_t>(bulk_size_max) ||
        static_cast<std::size_t>(end - at) < size + 2) {
      request_.clear();
      return false;
    }
    request_.add(std::string_view(at, size));
    at += size + 2;
  }
  bytes.remove_prefix(static_cast<std::size_t>(at - bytes.data()));
  return true;
}

inline Parser::Result Parser::take(std::string_view& bytes) {
  for (;;) {
    bool taken = false;
    switch (state_) {
      case State::start:
        if (bytes.empty()) return Result::more;
        state_ = bytes[0] == '*' ? State::count : State::line;
        taken = true;
        break;
      case State::line:
        taken = take_line(bytes, '\n') && finish_inline();
        break;
      case State::count:
        taken = take_count(bytes);
        break;
      case State::size:
        taken = take_size(bytes);
        break;
      case State::text:
      case State::end:
        taken = take_text(bytes);
        break;
    }
    if (refused_) return Result::refused;
    if (!taken) return Result::more;
    if (state_ == State::start && request_.size() != 0) return Result::request;
  }
}

/// Takes a line up to `last`, and after a '\r' one byte more, whichever it is. Redis looks for it as in a C string, so it
/// finds none behind a NUL.
inline bool Parser::take_line(std::string_view& bytes, char last) {
  if (!line_ended_ && !line_poisoned_) {
    const std::size_t found = bytes.find(last);
    const std::string_view part = bytes.substr(0, found);
    line_ended_ = found != bytes.npos;
    if (part.find('\0') != part.npos) line_poisoned_ = true, line_ended_ = false;
    if (!line_poisoned_) {
      line_ += part;
      bytes.remove_prefix(part.size() + line_ended_);
    }
    if (line_ended_ && last == '\n') return line_.size() <= line_size_max || refuse("too big inline request");
  }
  if (line_ended_ && line_.size() <= line_size_max) {
    if (bytes.empty()) return false;
    bytes.remove_prefix(1);
    line_ended_ = false;
    return true;
  }
  if (line_poisoned_) {
    line_ += bytes;
    bytes = {};
  }
  if (line_.size() <= line_size_max) return false;
  return refuse(last == '\n'             ? "too big inline request"
                : state_ == State::count ? "too big mbulk count string"
                                         : "too big bulk count string");
}

inline bool Parser::finish_inline() {
  line_ended_ = false;
  if (!line_.empty() && line_.back() == '\r') line_.pop_back();
  auto words = split_words(line_);
  line_.clear();
  if (!words) return refuse("unbalanced quotes in request");
  inline_words_ = std::move(*words);
  for (const std::string& word : inline_words_) request_.add(std::string_view(word));
  state_ = State::start;
  return true;
}

inline bool Parser::take_count(std::string_view& bytes) {
  if (!take_line(bytes, '\r')) return false;
  const auto count = parse_integer(std::string_view(line_).substr(1));
  if (!count || *count > INT32_MAX) return refuse("invalid multibulk length");
  line_.clear();
  words_left_ = *count;
  state_ = *count > 0 ? State::size : State::start;
  return true;
}

inline bool Parser::take_size(std::string_view& bytes) {
  if (!take_line(bytes, '\r')) return false;
  const char kind = line_.empty() ? '\r' : line_[0];
  if (kind != '$') return refuse(std::string("expected '$', got '") + kind + "'");
  const auto size = parse_integer(std::string_view(line_).substr(1));
  if (!size || *size < 0 || *size > bulk_size_max) return refuse("invalid bulk length");
  line_.clear();
  bytes_left_ = static_cast<std::size_t>(*size);
  cost_ += bytes_left_ + sizeof(Piece) + sizeof(std::string_view);
  if (cost_ > request_size_max) return refuse("");
  const bool large = bytes_left_ >= shared_size_min;
  pieces_.push_back({held_.size(), bytes_left_, large ? std::make_shared<std::string>() : nullptr});
  state_ = State::text;
  return true;
}

inline bool Parser::take_text(std::string_view& bytes) {
  if (state_ == State::text) {
    Piece& piece = pieces_.back();
    std::string& to = piece.own ? *piece.own : held_;
    const std::string_view part = bytes.substr(0, bytes_left_);
    // Room grows with what arrives, never by what is announced.
    if (piece.own && to.capacity() - to.size() < part.size())
      to.reserve(std::min(piece.size, std::max(2 * to.capacity(), to.size() + part.size())));
    to += part;
    bytes.remove_prefix(part.size());
    bytes_left_ -= part.size();
    if (bytes_left_ != 0) return false;
    state_ = State::end;
    bytes_left_ = 2;
  }
  const std::size_t part = std::min(bytes_left_, bytes.size());
  bytes.remove_prefix(part);
  bytes_left_ -= part;
  if (bytes_left_ != 0) return false;
  state_ = State::size;
  if (--words_left_ == 0) finish();
  return true;
}

/// Makes the pieces a request.
inline void Parser::finish() {
  for (Piece& piece : pieces_) {
    if (piece.own)
      request_.add(Shared(std::move(piece.own)));
    else
      request_.add(std::string_view(held_).substr(piece.begin, piece.size));
  }
  state_ = State::start;
}

/// Lets go of the last request and of what it stood in.
inline void Parser::release() {
  request_.clear();
  if (pieces_.empty()) return;
  if (pieces_.size() > words_kept_max) pieces_ = {};
  pieces_.clear();
  if (held_.capacity() > held_kept_max) held_ = {};
  held_.clear();
  cost_ = 0;
}

}  // namespace kv
