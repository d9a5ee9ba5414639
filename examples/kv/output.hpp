// What a connection is to be sent: replies in RESP2.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "text.hpp"

namespace kv {

using Shared = std::shared_ptr<const std::string>;

/// From this size on a string is passed on by reference instead of being copied.
constexpr std::size_t shared_size_min = 32 << 10;

/// Replies in order, as text and as references to large values. Past `limit` bytes of text, what comes is dropped and
/// `overrun` says so: that connection is lost.
class Output {
public:
  explicit Output(std::size_t limit) : limit_(limit) {}

  void simple(std::string_view text) { line('+', text); }
  /// With its code in front, e.g. "ERR no such key".
  void error(std::string_view text) {
    begin_error();
    for (const char c : text) add(c == '\r' || c == '\n' ? ' ' : c);
    add("\r\n");
  }
  void integer(std::int64_t value) { line(':', Decimal(value)); }
  void array(std::size_t count) { line('*', Decimal(static_cast<std::int64_t>(count))); }
  void null_bulk() { add("$-1\r\n"); }
  void bulk(std::string_view text) {
    line('$', Decimal(static_cast<std::int64_t>(text.size())));
    add(text);
    add("\r\n");
  }
  void bulk(const Shared& text) {
    line('$', Decimal(static_cast<std::int64_t>(text->size())));
    share(text);
    add("\r\n");
  }
  void add(std::string_view text) {
    if (text.size() > limit_ - std::min(limit_, size_ - shared_ + text_.size())) overrun_ = true;
    if (!overrun_) text_ += text;
  }
  /// Bytes that are sent as they are, and not copied.
  void share(Shared bytes) {
    if (bytes->empty()) return;
    seal();
    size_ += bytes->size();
    shared_ += bytes->size();
    parts_.push_back(Part{{}, std::move(bytes)});
  }

  std::size_t size() const { return size_ + text_.size() - offset_; }
  bool overrun() const { return overrun_; }
  std::uint64_t errors() const { return errors_; }

  /// Gives all to `write(std::string_view)`, if it is only text; what is large goes piece by piece, see `next`.
  bool only_text() const { return parts_.empty(); }
  std::string& text() { return text_; }

  /// The first bytes, at most `max`. They are gone with `skip`.
  std::string_view front(std::size_t max) const {
    std::string_view bytes = parts_.empty() ? std::string_view(text_) : parts_.front().view();
    return bytes.substr(offset_, max);
  }
  void skip(std::size_t count) {
    offset_ += count;
    if (parts_.empty()) {
      if (offset_ != text_.size()) return;
      text_.clear();
    } else {
      const Part& part = parts_.front();
      if (offset_ != part.view().size()) return;
      size_ -= offset_;
      if (part.shared) shared_ -= offset_;
      parts_.pop_front();
    }
    offset_ = 0;
  }
  void clear() { *this = Output(limit_); }

private:
  struct Part {
    std::string text;
    Shared shared;
    std::string_view view() const { return shared ? std::string_view(*shared) : std::string_view(text); }
  };

  void add(char c) { add(std::string_view(&c, 1)); }
  void begin_error() {
    ++errors_;
    add('-');
  }
  void line(char kind, std::string_view text) {
    char room[32];
    if (text.size() > sizeof room - 3) {
      add(kind);
      add(text);
      return add("\r\n");
    }
    room[0] = kind;
    text.copy(room + 1, text.size());
    room[text.size() + 1] = '\r';
    room[text.size() + 2] = '\n';
    add(std::string_view(room, text.size() + 3));
  }
  void seal() {
    if (text_.empty()) return;
    size_ += text_.size();
    parts_.push_back(Part{std::exchange(text_, {}), nullptr});
  }

  std::string text_;        // the end of it
  std::list<Part> parts_;   // what comes before; no part is empty
  std::size_t offset_ = 0;  // how much of the front is gone already
  std::size_t size_ = 0;    // of the parts
  std::size_t shared_ = 0;  // of those that are shared
  std::size_t limit_;
  bool overrun_ = false;
  std::uint64_t errors_ = 0;
};

}  // namespace kv
