#include "request.hpp"

#include <charconv>

namespace http {

bool same_word(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char byte) { return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte | 0x20) : byte; };
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return lower(x) == lower(y); });
}

namespace {

std::string_view trim(std::string_view text) noexcept {
  const auto blank = [](char byte) { return byte == ' ' || byte == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

/// Whether a list like "close, upgrade" has the word, given in lower case. llhttp overlooks one with a tab behind it.
bool has_word(std::string_view list, std::string_view word) noexcept {
  for (;;) {
    const std::size_t comma = list.find(',');
    if (same_word(trim(list.substr(0, comma)), word)) return true;
    if (comma == list.npos) return false;
    list.remove_prefix(comma + 1);
  }
}

/// A name or address with or without a port, or nothing, which is what a target without an authority has.
bool good_host(std::string_view host) noexcept {
  return detail::skip(host.data(), host.data() + host.size(), detail::host) == host.data() + host.size();
}

std::optional<std::uint64_t> parse_length(std::string_view text) noexcept {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  if (text.empty() || std::any_of(text.begin(), text.end(), [](char byte) { return byte < '0' || byte > '9'; }))
    return std::nullopt;
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc()) return UINT64_MAX;  // too large for a number is too large for a body
  return number;
}

}  // namespace

struct RequestParser::Callbacks {
  static RequestParser& self(llhttp_t* parser) noexcept { return *static_cast<RequestParser*>(parser->data); }
  static int url(llhttp_t* parser, const char* at, std::size_t size) noexcept {
    self(parser).request_.target = {at, size};
    return 0;
  }
  static int name(llhttp_t* parser, const char* at, std::size_t size) noexcept {
    self(parser).name_ = {at, size};
    self(parser).value_ = {};
    return 0;
  }
  static int value(llhttp_t* parser, const char* at, std::size_t size) noexcept {
    self(parser).value_ = {at, size};
    return 0;
  }
  static int value_complete(llhttp_t* parser) noexcept {
    RequestParser& here = self(parser);
    if (here.state_ == State::head) here.field(here.name_, trim(here.value_));  // else it is a trailer
    return 0;
  }
  static int headers_complete(llhttp_t* parser) noexcept {
    RequestParser& here = self(parser);
    here.request_.keep_alive = llhttp_should_keep_alive(parser) && !here.closes_;
    here.status_ = here.check_head();
    parser->upgrade = 0;  // an offer that is not taken up
    return here.status_ == 0 ? 0 : -1;
  }
  static int body(llhttp_t* parser, const char* at, std::size_t size) {
    self(parser).content_->append(at, size);
    return 0;
  }
  static int message_complete(llhttp_t* parser) noexcept {
    self(parser).message_complete_ = true;
    return 0;
  }
};

const llhttp_settings_t& RequestParser::settings() noexcept {
  static const llhttp_settings_t callbacks = [] {
    llhttp_settings_t made;
    llhttp_settings_init(&made);
    made.on_url = Callbacks::url;
    made.on_header_field = Callbacks::name;
    made.on_header_value = Callbacks::value;
    made.on_header_value_complete = Callbacks::value_complete;
    made.on_headers_complete = Callbacks::headers_complete;
    made.on_body = Callbacks::body;
    made.on_message_complete = Callbacks::message_complete;
    return made;
  }();
  return callbacks;
}

void RequestParser::forget_head() noexcept {
  if (partial_.capacity() > 1024)
    std::string().swap(partial_);  // a connection that waits holds little
  else
    partial_.clear();
}

std::size_t RequestParser::feed_head(std::string_view bytes) {
  const std::size_t size = head_guard_.feed(bytes);
  if (head_guard_.status() != 0) {
    refuse(head_guard_.status());
  } else if (!head_guard_.complete()) {
    partial_.append(bytes.substr(0, size));
  } else if (partial_.empty()) {
    parse_head(bytes.substr(0, size));
  } else {
    partial_.append(bytes.substr(0, size));
    parse_head(partial_);
  }
  return size;
}

void RequestParser::parse_head(std::string_view head) {
  head_ = head;
  hosts_ = lengths_ = codings_ = 0;
  bad_field_ = closes_ = message_complete_ = false;
  coding_known_ = true;
  head_guard_ = HeadGuard();
  parser_.data = this;
  const llhttp_errno_t error = llhttp_execute(&parser_, head.data(), head.size());
  if (status_ != 0) return refuse(status_);
  if (error != HPE_OK) return refuse(refusal(error));
  if (message_complete_ != !request_.has_body()) return refuse(400);
  if (message_complete_) {
    state_ = State::complete;
    return;
  }
  state_ = State::body;
  body_left_ = request_.length.value_or(0);
  if (request_.chunked) chunk_guard_ = ChunkGuard();
}

void RequestParser::field(std::string_view name, std::string_view value) noexcept {
  switch (name.size()) {
    case 4:
      if (!same_word(name, "host")) break;
      ++hosts_;
      bad_field_ |= !good_host(value);
      break;
    case 5:
      if (same_word(name, "range")) request_.range = value;
      break;
    case 6:
      if (same_word(name, "expect")) request_.expects_continue = same_word(value, "100-continue");
      break;
    case 8:
      if (same_word(name, "if-range")) request_.if_range = value;
      break;
    case 10:
      if (same_word(name, "connection")) closes_ |= has_word(value, "close");
      break;
    case 13:
      if (same_word(name, "if-none-match")) request_.if_none_match = value;
      break;
    case 14:
      if (!same_word(name, "content-length")) break;
      ++lengths_;
      request_.length = parse_length(value);
      bad_field_ |= !request_.length;
      break;
    case 17:
      if (same_word(name, "if-modified-since")) request_.if_modified_since = value;
      if (!same_word(name, "transfer-encoding")) break;
      ++codings_;
      request_.chunked = same_word(value, "chunked");
      coding_known_ = request_.chunked;
      break;
  }
}

/// What is wrong with a head that llhttp has read; 0 for nothing.
int RequestParser::check_head() noexcept {
  const int major = parser_.http_major, minor = parser_.http_minor;
  request_.method = static_cast<llhttp_method_t>(parser_.method);
  // llhttp reads RTSP and ICE, too.
  if (std::string_view(request_.target.data() + request_.target.size(), 6) != " HTTP/") return 400;
  if (major != 1 || minor > 1) return 505;
  request_.old = minor == 0;
  if (bad_field_ || hosts_ > 1 || (hosts_ == 0 && !request_.old)) return 400;
  if (lengths_ > 1 || codings_ > 1 || (lengths_ != 0 && codings_ != 0)) return 400;
  if (codings_ != 0 && request_.old) return 400;
  if (!coding_known_) return 501;
  if (request_.length.value_or(0) > body_max) return 413;
  if (request_.method == HTTP_CONNECT) return 501;
  if (request_.old) request_.expects_continue = false;
  return 0;
}

/// For what llhttp itself refuses.
int RequestParser::refusal(llhttp_errno_t error) const noexcept {
  if (error == HPE_INVALID_METHOD) return 501;
  if (error == HPE_INVALID_VERSION) return 505;
  if (llhttp_get_error_reason(&parser_) == std::string_view("Content-Length overflow") && codings_ == 0) {
    const char* at = llhttp_get_error_pos(&parser_);  // in `head_`, which ends with a line feed
    while (*at >= '0' && *at <= '9') ++at;
    if (*at == '\r') return 413;
  }
  return 400;
}

std::size_t RequestParser::feed_body(std::string_view bytes, std::string& content) {
  content_ = &content;
  std::size_t taken = 0;
  if (!request_.chunked) {
    taken = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, bytes.size()));
    body_left_ -= taken;
    parse_body(bytes.substr(0, taken));
    if (message_complete_ != (body_left_ == 0)) refuse(400);
  } else {
    while (taken < bytes.size() && !chunk_guard_.complete() && state_ != State::refused) {
      const bool is_extension = chunk_guard_.in_extension();
      const std::string_view piece = bytes.substr(taken, chunk_guard_.feed(bytes.substr(taken)));
      taken += piece.size();
      if (!is_extension) parse_body(piece);
      if (chunk_guard_.status() != 0) refuse(chunk_guard_.status());
    }
    if (message_complete_ != chunk_guard_.complete() && state_ != State::refused) refuse(400);
  }
  content_ = nullptr;
  if (message_complete_ && state_ != State::refused) state_ = State::complete;
  return taken;
}

void RequestParser::parse_body(std::string_view piece) {
  if (llhttp_execute(&parser_, piece.data(), piece.size()) != HPE_OK) refuse(400);
}

void RequestParser::keep() {
  if (head_.data() == partial_.data()) return;
  partial_.assign(head_);
  const auto move = [&](std::string_view& text) {
    if (text.data()) text = {partial_.data() + (text.data() - head_.data()), text.size()};
  };
  move(request_.target);
  move(request_.range);
  move(request_.if_range);
  move(request_.if_none_match);
  move(request_.if_modified_since);
  head_ = partial_;
}

}  // namespace http
