// How kv_server reads requests: the same in whatever pieces the bytes come, and what was written is what is read.
#include <coil/detail/check.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../../examples/kv/request.hpp"
#include "input.hpp"
#include "pieces.hpp"

using coil::detail::check;

namespace {

using Words = std::vector<std::string>;

/// What a connection makes of the bytes.
struct Reader {
  void feed(std::string_view piece) {
    while (!refused) {
      const kv::Parser::Result result = parser.next(piece);
      if (result == kv::Parser::Result::refused) {
        refused = true;
        refusal = parser.refusal();
      }
      if (result == kv::Parser::Result::more) {
        check(piece.empty(), "all that came was taken");
        return;
      }
      if (result == kv::Parser::Result::request) keep(parser.request());
    }
  }
  void keep(const kv::Request& request) {
    check(request.size() != 0, "no request is empty");
    Words words;
    for (std::size_t i = 0; i < request.size(); ++i) {
      words.emplace_back(request[i]);
      check(*request.share(i) == words.back(), "a word is the same as a string of its own");
    }
    requests.push_back(std::move(words));
  }
  bool operator==(const Reader& other) const {
    return requests == other.requests && refused == other.refused && refusal == other.refusal &&
           parser.inside() == other.parser.inside();
  }

  kv::Parser parser;
  std::vector<Words> requests;
  bool refused = false;
  std::string refusal;
};

/// Any words, as a client of Redis sends them.
std::string as_array(const Words& words) {
  std::string text = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return text;
}

/// As a person types them, with all that is special escaped.
std::string as_line(const Words& words, bool with_return) {
  constexpr char digits[] = "0123456789aBcDeF";
  std::string text;
  for (const std::string& word : words) {
    text += text.empty() ? "\"" : " \"";
    for (const char c : word) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte > ' ' && byte < 0x7f && c != '"' && c != '\\')
        text += c;
      else
        text += std::string("\\x") + digits[byte / 16] + digits[byte % 16];
    }
    text += '"';
  }
  return text + (with_return ? "\r\n" : "\n");
}

/// Requests, their text, and what else there is in between.
std::string write_requests(coil_fuzz::Input& input, std::vector<Words>& requests) {
  std::string text;
  while (!input.empty()) {
    const unsigned kind = input.below(8);
    Words words;
    for (unsigned count = 1 + input.below(5); count != 0; --count)
      words.push_back(coil_fuzz::stretch(input.text(input.below(40))));
    const std::string line = as_line(words, kind % 2 != 0);
    const bool fits = line.size() <= kv::line_size_max;
    if (kind == 7) text += "\r\n*0\r\n*-1\r\n \n";  // nothing is asked
    text += kind < 2 && fits ? line : as_array(words);
    requests.push_back(std::move(words));
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  coil_fuzz::Input input(data, size);
  const coil_fuzz::Cuts cuts(input);
  const bool any_text = input.below(2) == 0;
  std::vector<Words> written;
  const std::string text = any_text ? coil_fuzz::stretch(input.rest()) : write_requests(input, written);

  Reader whole, pieces;
  coil_fuzz::give(text, [&](std::string_view all) { whole.feed(all); });
  coil_fuzz::give_in_pieces(text, cuts, [&](std::string_view piece) { pieces.feed(piece); });
  check(whole == pieces, "it is the same in pieces");
  if (!any_text) {
    check(!whole.refused && !whole.parser.inside(), "what was written is taken");
    check(whole.requests == written, "what was written is read");
  }
  return 0;
}
