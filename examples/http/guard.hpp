// A second opinion on what llhttp takes: the bytes of a request's head and the frame of a chunked body, read strictly.
//
// llhttp is lenient in places (bare line feeds, blanks around the target, chunk extensions without end), and what two
// parsers on the way read differently is how requests are smuggled. Only what passes here is given to llhttp, and what
// the two do not agree on is refused. Nothing here waits or allocates.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace http {

inline constexpr std::size_t request_line_max = 8 << 10;      // bytes without the line's end; more is a 414
inline constexpr std::size_t head_max = 64 << 10;             // bytes of a head, or of all trailers; more is a 431
inline constexpr std::size_t fields_max = 100;                // of a head, or trailers; more is a 431
inline constexpr std::size_t chunk_extension_max = 4 << 10;   // bytes after one chunk's size; more is a 400
inline constexpr std::size_t chunk_extensions_max = 1 << 20;  // bytes of all in one body; more is a 400
inline constexpr std::size_t chunk_digits_max = 16;
inline constexpr std::uint64_t body_max = 16 << 20;  // bytes; more is a 413

namespace detail {

enum : unsigned char { token = 1, visible = 2, value = 4, host = 8 };

constexpr std::array<unsigned char, 256> classify() {
  std::array<unsigned char, 256> classes{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool digit = byte >= '0' && byte <= '9';
    const bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
    if (digit || letter || std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(byte)) != std::string_view::npos)
      classes[byte] |= token;
    if (byte > 0x20 && byte < 0x7f) classes[byte] |= visible;
    const bool is_host = std::string_view("/?#@\\,\"<>{}|^`").find(static_cast<char>(byte)) == std::string_view::npos;
    if ((classes[byte] & visible) && is_host) classes[byte] |= host;
    if (byte == '\t' || (byte >= 0x20 && byte != 0x7f)) classes[byte] |= value;
  }
  return classes;
}
inline constexpr std::array<unsigned char, 256> classes = classify();

inline bool is(char byte, unsigned char kind) noexcept { return classes[static_cast<unsigned char>(byte)] & kind; }
inline const char* skip(const char* at, const char* end, unsigned char kind) noexcept {
  while (at != end && is(*at, kind)) ++at;
  return at;
}

}  // namespace detail

/// Reads a head, or the trailers, up to its end and not further: lines that end with CR LF, no control byte but tabs
/// in values, a name of token characters right before the colon, no continued lines.
class HeadGuard {
public:
  enum class Part : unsigned char { head, trailers };
  explicit HeadGuard(Part part = Part::head) noexcept : state_(part == Part::head ? State::before : State::field) {}

  /// Takes further bytes; gives how many of them belong to the head.
  std::size_t feed(std::string_view bytes) noexcept {
    const char* at = bytes.data();
    // No further than one byte too many, so that what is refused first does not depend on how the bytes come.
    const char* const end = at + std::min(bytes.size(), head_max + 1 - size_);
    while (at != end && state_ != State::complete && status_ == 0) at = step(at, end);
    const std::size_t taken = static_cast<std::size_t>(at - bytes.data());
    size_ += taken;
    if (status_ == 0 && size_ > head_max) status_ = 431;
    return taken;
  }
  bool complete() const noexcept { return state_ == State::complete && status_ == 0; }
  /// What to refuse the request with; 0 so far.
  int status() const noexcept { return status_; }

private:
  enum class State : unsigned char { before, before_lf, line, line_lf, field, name, text, text_lf, last_lf, complete };

  const char* refuse(const char* at, int status) noexcept {
    status_ = status;
    return at;
  }
  const char* expect(const char* at, char byte, State then) noexcept {
    if (*at != byte) return refuse(at, 400);
    state_ = then;
    return at + 1;
  }

  const char* step(const char* at, const char* end) noexcept {
    switch (state_) {
      case State::before:  // empty lines before a request are skipped, RFC 9112 2.2
        if (*at == '\r') return expect(at, '\r', State::before_lf);
        if (!detail::is(*at, detail::token)) return refuse(at, 400);
        state_ = State::line;
        return at;
      case State::before_lf:
        return expect(at, '\n', State::before);
      case State::line:
        return request_line(at, end);
      case State::line_lf:
        return expect(at, '\n', State::field);
      case State::field:
        if (*at == '\r') return expect(at, '\r', State::last_lf);
        if (!detail::is(*at, detail::token)) return refuse(at, 400);  // also a blank: a continued line
        if (++fields_ > fields_max) return refuse(at, 431);
        state_ = State::name;
        return at;
      case State::name:
        at = detail::skip(at, end, detail::token);
        return at == end ? at : expect(at, ':', State::text);
      case State::text:
        at = detail::skip(at, end, detail::value);
        return at == end ? at : expect(at, '\r', State::text_lf);
      case State::text_lf:
        return expect(at, '\n', State::field);
      case State::last_lf:
        return expect(at, '\n', State::complete);
      case State::complete:
        break;
    }
    return at;
  }

  /// Three words with one blank between them.
  const char* request_line(const char* at, const char* end) noexcept {
    const char* const start = at;
    end = at + std::min(static_cast<std::size_t>(end - at), request_line_max + 1 - line_);
    for (;;) {
      const char* const word = at;
      at = detail::skip(at, end, detail::visible);
      if (at != word) in_word_ = true;
      if (at == end || *at != ' ') break;
      if (!in_word_ || ++blanks_ > 2) return refuse(at, 400);
      in_word_ = false;
      ++at;
    }
    line_ += static_cast<std::size_t>(at - start);
    if (line_ > request_line_max) return refuse(at, 414);
    if (at == end) return at;
    if (blanks_ != 2 || !in_word_) return refuse(at, 400);
    return expect(at, '\r', State::line_lf);
  }

  State state_;
  bool in_word_ = false;
  unsigned char blanks_ = 0;  // in the request line
  unsigned char fields_ = 0;
  int status_ = 0;
  std::size_t line_ = 0;  // bytes of the request line
  std::size_t size_ = 0;  // bytes in all
};
static_assert(fields_max < 255);

/// Reads a chunked body up to its end and not further.
class ChunkGuard {
public:
  /// Takes further bytes; gives how many of them belong to the body. Stops before and after a chunk's extension.
  std::size_t feed(std::string_view bytes) noexcept {
    const char* at = bytes.data();
    const char* const end = at + bytes.size();
    const bool before = in_extension();
    while (at != end && !complete() && status_ == 0 && in_extension() == before) at = step(at, end);
    return static_cast<std::size_t>(at - bytes.data());
  }
  /// What is fed now says nothing that is needed, and llhttp need not see it: it refuses "5;a=b;c=d".
  bool in_extension() const noexcept { return state_ == State::extension; }
  bool complete() const noexcept { return trailers_.complete() && status_ == 0; }
  int status() const noexcept { return status_; }

private:
  enum class State : unsigned char { size, extension, size_cr, size_lf, data, data_cr, data_lf, trailers };

  const char* refuse(const char* at, int status) noexcept {
    status_ = status;
    return at;
  }
  const char* expect(const char* at, char byte, State then) noexcept {
    if (*at != byte) return refuse(at, 400);
    state_ = then;
    return at + 1;
  }

  const char* step(const char* at, const char* end) noexcept {
    switch (state_) {
      case State::size:
        return size_digit(at);
      case State::extension: {
        const char* const start = at;
        at = detail::skip(at, end, detail::value);
        extension_ += static_cast<std::size_t>(at - start);
        extensions_ += static_cast<std::size_t>(at - start);
        if (extension_ > chunk_extension_max || extensions_ > chunk_extensions_max) return refuse(at, 400);
        if (at == end) return at;
        if (extension_ == 1) return refuse(at, 400);  // nothing after the semicolon
        state_ = State::size_cr;
        return at;
      }
      case State::size_cr:
        return expect(at, '\r', State::size_lf);
      case State::size_lf:
        body_ += left_;
        if (body_ > body_max) return refuse(at, 413);
        return expect(at, '\n', left_ == 0 ? State::trailers : State::data);
      case State::data: {
        const std::uint64_t here = std::min(left_, static_cast<std::uint64_t>(end - at));
        left_ -= here;
        if (left_ == 0) state_ = State::data_cr;
        return at + here;
      }
      case State::data_cr:
        return expect(at, '\r', State::data_lf);
      case State::data_lf:
        digits_ = 0;
        extension_ = 0;
        return expect(at, '\n', State::size);
      case State::trailers:
        at += trailers_.feed({at, static_cast<std::size_t>(end - at)});
        status_ = trailers_.status();
        return at;
    }
    return at;
  }

  const char* size_digit(const char* at) noexcept {
    const char byte = *at;
    const char lower = static_cast<char>(byte | 0x20);
    if ((byte >= '0' && byte <= '9') || (lower >= 'a' && lower <= 'f')) {
      if (++digits_ > chunk_digits_max) return refuse(at, 400);
      left_ = left_ * 16 + static_cast<unsigned>(byte <= '9' ? byte - '0' : lower - 'a' + 10);
      return at + 1;
    }
    if (digits_ == 0) return refuse(at, 400);
    if (left_ > body_max) return refuse(at, 413);
    if (byte == ';') {
      state_ = State::extension;
      return at;
    }
    return expect(at, '\r', State::size_lf);
  }

  State state_ = State::size;
  unsigned char digits_ = 0;
  int status_ = 0;
  std::uint64_t left_ = 0;  // of the chunk
  std::uint64_t body_ = 0;  // bytes of all chunks
  std::size_t extension_ = 0;
  std::size_t extensions_ = 0;
  HeadGuard trailers_{HeadGuard::Part::trailers};
};

}  // namespace http
