// Requests, read by llhttp. No I/O: bytes go in, a request comes out.
#pragma once
#include <llhttp.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "guard.hpp"

namespace http {

/// The head of a request. The texts are valid until more is fed, or, after `RequestParser::keep`, until the next head.
struct Request {
  llhttp_method_t method = HTTP_GET;
  bool keep_alive = false;
  bool old = false;  // HTTP/1.0
  bool chunked = false;
  bool expects_continue = false;
  std::optional<std::uint64_t> length;  // of the body, where it is given
  std::string_view target;
  std::string_view range, if_range, if_none_match, if_modified_since;

  bool has_body() const noexcept { return chunked || length.value_or(0) > 0; }
};

/// Takes apart what one client sends, request by request.
class RequestParser {
public:
  enum class State : unsigned char { head, body, complete, refused };

  RequestParser() noexcept { llhttp_init(&parser_, HTTP_REQUEST, &settings()); }
  RequestParser(const RequestParser&) = delete;

  State state() const noexcept { return state_; }
  /// Refused: the status to answer with, before the connection is closed.
  int status() const noexcept { return status_; }
  /// In body or complete.
  const Request& request() const noexcept { return request_; }
  /// Whether a request has begun and its head is not complete.
  bool in_head() const noexcept { return state_ == State::head && !partial_.empty(); }

  /// After a complete request: begins the next one.
  void next() noexcept {
    state_ = State::head;
    request_ = Request();
    if (!partial_.empty()) forget_head();
  }
  /// In head: takes bytes, gives how many; no more than the head. Ends in `body`, or in `complete` where none follows.
  std::size_t feed_head(std::string_view bytes);
  /// In body: takes bytes, gives how many; no more than the body, whose content is appended to `content`.
  std::size_t feed_body(std::string_view bytes, std::string& content);
  /// Makes the request's texts independent of the bytes that were fed.
  void keep();

private:
  struct Callbacks;
  static const llhttp_settings_t& settings() noexcept;
  void refuse(int status) noexcept {
    state_ = State::refused;
    status_ = status;
  }
  void forget_head() noexcept;
  void parse_head(std::string_view head);
  void parse_body(std::string_view piece);
  int check_head() noexcept;
  int refusal(llhttp_errno_t error) const noexcept;
  void field(std::string_view name, std::string_view value) noexcept;

  llhttp_t parser_;
  State state_ = State::head;
  bool message_complete_ = false;
  bool bad_field_ = false;
  bool closes_ = false;  // "Connection: close"
  unsigned char hosts_ = 0, lengths_ = 0, codings_ = 0;
  bool coding_known_ = true;
  int status_ = 0;
  HeadGuard head_guard_;
  ChunkGuard chunk_guard_;
  std::uint64_t body_left_ = 0;  // of a body with a length
  Request request_;
  std::string_view head_;  // where the texts lie
  std::string partial_;    // a head that came in pieces, or is kept
  std::string_view name_, value_;
  std::string* content_ = nullptr;
};

/// Whether they are the same but for the case of letters.
bool same_word(std::string_view a, std::string_view b) noexcept;

}  // namespace http
