// How http_server reads requests: the same in whatever pieces the bytes come, what was written is what is read, and
// nothing is longer than the limits say.
#include <coil/detail/check.hpp>

#include <cctype>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../../examples/http/request.hpp"
#include "input.hpp"
#include "pieces.hpp"

using coil::detail::check;
using State = http::RequestParser::State;

namespace {

/// A request with texts of its own.
struct Heard {
  explicit Heard(const http::Request& request)
      : method(request.method),
        flags{request.keep_alive, request.old, request.chunked, request.expects_continue},
        length(request.length),
        texts{std::string(request.target), std::string(request.range), std::string(request.if_range),
              std::string(request.if_none_match), std::string(request.if_modified_since)} {}
  Heard() = default;
  bool operator==(const Heard&) const = default;

  llhttp_method_t method = HTTP_GET;
  std::vector<bool> flags;
  std::optional<std::uint64_t> length;
  std::vector<std::string> texts;
  std::string body;
};

/// What a connection makes of the bytes.
struct Reader {
  explicit Reader(bool always_keeps) : keeps(always_keeps) {}

  void feed(std::string_view piece) {
    while (!piece.empty() && !ended) {
      std::size_t taken = 0;
      if (parser.state() == State::head) {
        taken = parser.feed_head(piece);
        if (parser.state() == State::body || parser.state() == State::complete) begin();
      } else {
        taken = parser.feed_body(piece, requests.back().body);
        check(requests.back().body.size() <= http::body_max, "no body is too long");
      }
      check(taken != 0 || parser.state() == State::refused, "it goes on");
      piece.remove_prefix(taken);
      if (parser.state() == State::refused) refuse();
      if (parser.state() == State::complete) finish();
    }
  }
  void begin() {
    const Heard before(parser.request());
    kept = keeps || parser.state() == State::body;
    if (kept) parser.keep();
    requests.push_back(Heard(parser.request()));
    check(requests.back() == before, "what is kept is the same");
    std::size_t sum = 0;
    for (const std::string& text : before.texts) sum += text.size();
    check(before.texts[0].size() <= http::request_line_max && sum <= http::head_max, "no text is too long");
    check(before.length.value_or(0) <= http::body_max, "no body is too long");
  }
  void finish() {
    Heard now = kept ? Heard(parser.request()) : requests.back();
    now.body = requests.back().body;
    check(now == requests.back(), "what was kept has stayed");
    ended = !parser.request().keep_alive;
    parser.next();
  }
  void refuse() {
    ended = true;
    status = parser.status();
    check(status >= 400 && status < 600, "what is refused has a status");
    if (requests.size() > 0) requests.back().body.clear();  // how much of it had come depends on the pieces
  }
  bool operator==(const Reader& other) const {
    return requests == other.requests && ended == other.ended && status == other.status &&
           parser.in_head() == other.parser.in_head() && parser.state() == other.parser.state();
  }

  http::RequestParser parser;
  std::vector<Heard> requests;
  bool keeps, kept = false, ended = false;
  int status = 0;
};

/// Writes requests that are good, and what is to be heard of them.
class Writer {
public:
  explicit Writer(coil_fuzz::Input& input) : input_(input) {}

  std::string text;
  std::vector<Heard> requests;

  void write_all() {
    while (!input_.empty() && (requests.empty() || requests.back().flags[0])) write();
  }

private:
  static constexpr llhttp_method_t methods[] = {HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OPTIONS};

  std::string characters(std::string_view allowed, unsigned size_max) {
    std::string result;
    for (unsigned size = input_.below(size_max); size != 0; --size) result += allowed[input_.byte() % allowed.size()];
    return result;
  }
  std::string any_case(std::string name) {
    std::uint8_t bits = input_.byte();
    for (char& c : name) {
      if (bits & 1) c = static_cast<char>(std::toupper(c));
      bits = static_cast<std::uint8_t>(bits << 7 | bits >> 1);
    }
    return name;
  }
  static std::string in_hexadecimal(std::size_t number) {
    std::string text;
    for (; number != 0; number /= 16) text.insert(0, 1, "0123456789abcdef"[number % 16]);
    return "0" + text;
  }
  void field(const std::string& name, std::string_view value) {
    static constexpr std::string_view blanks[] = {"", " ", "\t", "  \t "};
    text += any_case(name) + ':';
    text += blanks[input_.below(4)];
    text += value;
    text += blanks[input_.below(4)];
    text += "\r\n";
  }
  /// llhttp does not know some values with a tab behind them; what it then makes of the request is refused.
  void plain_field(const std::string& name, std::string_view value) {
    text += any_case(name) + ": ";
    text += value;
    text += "\r\n";
  }
  void maybe_field(const std::string& name, std::string& heard) {
    if (input_.below(3) != 0) return;
    heard = characters("\"abc=*-/0123456789,:", 30);
    field(name, heard);
  }

  void write() {
    Heard request;
    request.method = methods[input_.below(std::size(methods))];
    const bool old = input_.below(4) == 0, close = input_.below(4) == 0;
    const std::string target = "/" + characters("abcXYZ019%._~/?&=-+:", 60);
    request.flags = {old ? false : !close, old, false, false};
    request.texts = {target, "", "", "", ""};
    text += input_.below(5) == 0 ? "\r\n\r\n" : "";
    text += llhttp_method_name(request.method);
    text += " " + target + (old ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
    field("host", characters("abc.0123456789-:", 20));
    if (close) field("connection", "close");
    if (!close && old && input_.below(2) == 0) {
      plain_field("connection", "keep-alive");
      request.flags[0] = true;
    }
    maybe_field("range", request.texts[1]);
    maybe_field("if-range", request.texts[2]);
    maybe_field("if-none-match", request.texts[3]);
    maybe_field("if-modified-since", request.texts[4]);
    for (unsigned count = input_.below(4); count != 0; --count)
      field("x-" + characters("abc-", 6), characters("any \tvalue;,\x80\xff:()<>@", 40));
    if (input_.below(5) == 0) {
      field("expect", "100-continue");
      request.flags[3] = !old;
    }
    write_body(request, old ? input_.below(2) : input_.below(3));
    requests.push_back(std::move(request));
  }

  void write_body(Heard& request, unsigned kind) {
    if (kind == 0) {
      text += "\r\n";
    } else if (kind == 1) {
      request.body = coil_fuzz::stretch(input_.text(input_.below(60)));
      request.length = request.body.size();
      plain_field("content-length", std::to_string(request.body.size()));
      text += "\r\n" + request.body;
    } else {
      request.flags[2] = true;
      plain_field("transfer-encoding", "chunked");
      text += "\r\n";
      write_chunks(request.body);
    }
  }
  void write_chunks(std::string& body) {
    for (unsigned count = input_.below(4); count != 0; --count) {
      const std::string chunk = coil_fuzz::stretch(input_.text(1 + input_.below(30)));
      if (chunk.empty()) break;  // which would be the last one
      text += any_case(in_hexadecimal(chunk.size()));
      if (input_.below(3) == 0) text += ";" + characters("ab=c; \t\"", 10) + "e";
      text += "\r\n" + chunk + "\r\n";
      body += chunk;
    }
    text += "0\r\n";
    for (unsigned count = input_.below(3); count != 0; --count) field("x-trailer", characters("abc ", 10));
    text += "\r\n";
  }

  coil_fuzz::Input& input_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  coil_fuzz::Input input(data, size);
  const coil_fuzz::Cuts cuts(input);
  const bool any_text = input.below(2) == 0;
  const bool keeps = input.below(2) == 0;
  Writer writer(input);
  if (any_text)
    writer.text = coil_fuzz::stretch(input.rest());
  else
    writer.write_all();

  Reader whole(keeps), pieces(keeps);
  coil_fuzz::give(writer.text, [&](std::string_view all) { whole.feed(all); });
  coil_fuzz::give_in_pieces(writer.text, cuts, [&](std::string_view piece) { pieces.feed(piece); });
  check(whole == pieces, "it is the same in pieces");
  if (!any_text) {
    if (whole.requests != writer.requests) std::fprintf(stderr, "%s\n", writer.text.c_str());
    check(whole.status == 0 && whole.parser.state() == State::head && !whole.parser.in_head(), "what is good is taken");
    check(whole.requests == writer.requests, "what was written is read");
  }
  return 0;
}
