// What udp_dns makes of messages: of any bytes, without reading outside; of messages that are whole, each record's time
// to live; of messages that are cut short, nothing; and what it remembers gets older by the second.
#include <coil/detail/check.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../../examples/dns.hpp"
#include "input.hpp"
#include "pieces.hpp"

using coil::detail::check;

namespace {

std::string word(unsigned value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }

/// A message as RFC 1035 4.1 has it, and what is to be found in it.
struct Message {
  std::string text, question;
  std::vector<std::pair<std::uint32_t, std::size_t>> times;  // to live, and where they stand

  std::string query() const { return text.substr(0, 2) + std::string("\1\0\0\1\0\0\0\0\0\0", 10) + question; }
};

std::string any_name(coil_fuzz::Input& input) {
  std::string name;
  for (unsigned labels = input.below(5); labels != 0; --labels) {
    const std::string label = input.text(1 + input.below(63));
    if (label.empty()) break;
    name += static_cast<char>(label.size()) + label;
  }
  return name + '\0';
}

void write_record(coil_fuzz::Input& input, Message& message) {
  const unsigned kind = input.below(3);
  if (kind == 0)
    message.text += any_name(input);
  else if (kind == 1)
    message.text += "\xc0\x0c";  // as the question's
  else
    message.text += "\3www\xc0\x0c";
  message.text += word(input.byte()) + word(1);
  const auto time = static_cast<std::uint32_t>(input.number()) >> input.below(32);
  message.times.emplace_back(time, message.text.size());
  message.text += word(time >> 16) + word(time & 0xffff);
  const std::string data = coil_fuzz::stretch(input.text(input.byte()));
  const std::string_view kept = std::string_view(data).substr(0, 65'535);
  message.text += word(static_cast<unsigned>(kept.size()));
  message.text += kept;
}

Message write_answer(coil_fuzz::Input& input) {
  Message message;
  message.question = any_name(input) + word(input.byte()) + word(1);
  const unsigned answers = input.below(4), authorities = input.below(3), more = input.below(3);
  const char flags[] = {static_cast<char>(0x80 | (input.byte() & ~0x02)), static_cast<char>(input.byte() & 0xf0)};
  message.text = word(input.byte()) + std::string(flags, 2) + word(1);
  message.text += word(answers) + word(authorities) + word(more) + message.question;
  for (unsigned left = answers + authorities + more; left != 0; --left) write_record(input, message);
  return message;
}

/// Nothing but an exception comes of what is no message.
void check_any(std::string_view text, std::string_view query) {
  std::size_t records = 0;
  bool cut = false;
  try {
    const std::string_view question = dns::question_of(text);
    check(question.data() == text.data() + dns::header_size && question.size() >= 5, "the question is in the message");
    check(question.size() <= text.size() - dns::header_size, "the question ends in the message");
    dns::visit_times(text, [&](std::chrono::seconds, std::size_t at) {
      check(at > dns::header_size && at + 4 <= text.size(), "a time to live stands in the message");
      ++records;
    });
  } catch (const std::out_of_range&) {
    cut = true;
  }
  check(records <= 3 * 65'535 && records * 11 <= text.size(), "there are as many records as fit");
  if (cut) check(!dns::is_answer(text, query), "what is cut short is no answer");
  if (!cut) static_cast<void>(dns::is_answer(text, query));
  if (!cut) check(!dns::is_answer(text, text) || (text[2] & 0x80) != 0, "a question is no answer");
}

/// What is written is found, and in no beginning of it.
void check_answer(coil_fuzz::Input& input, const Message& message) {
  std::vector<std::pair<std::uint32_t, std::size_t>> times;
  coil_fuzz::give(message.text, [&](std::string_view text) {
    check(dns::question_of(text) == message.question, "the question is read");
    dns::visit_times(text, [&](std::chrono::seconds time, std::size_t at) {
      times.emplace_back(static_cast<std::uint32_t>(time.count()), at);
    });
  });
  check(times == message.times, "all records are read");
  const std::string query = message.query();
  check(dns::is_answer(message.text, query), "it is an answer to its question");
  std::string other = query;
  other[input.below(2)] ^= 1;
  check(!dns::is_answer(message.text, other), "it is none to a question with another identity");
  other = query;
  other[other.size() - 4 + input.below(4)] ^= 1;
  check(!dns::is_answer(message.text, other), "it is none to another question");
  const std::size_t size = input.number() % message.text.size();
  coil_fuzz::give(std::string_view(message.text).substr(0, size),
                  [&](std::string_view text) { check(!dns::is_answer(text, query), "a beginning is no answer"); });
}

/// Kept for as long as its shortest record, or an hour; meanwhile each record has so much less time to live.
coil::Coro<void> check_cache(coil_fuzz::Input& input, const Message& message) {
  dns::Cache cache;
  cache.keep("key", message.text);
  check(!cache.find("other"), "nothing else is known");
  std::uint32_t lasts = message.times.empty() ? 0 : 3600;
  for (const auto& [time, at] : message.times) lasts = std::min(lasts, time);
  std::uint32_t age = 0;
  for (int i = 0; i < 4; ++i) {
    const std::optional<std::string> found = cache.find("key");
    check(found.has_value() == (age < lasts), "an answer is known as long as it holds");
    if (!found) co_return;
    std::string expected = message.text;
    for (const auto& [time, at] : message.times)
      expected.replace(at, 4, word((time - age) >> 16) + word((time - age) & 0xffff));
    check(*found == expected, "the answer is what was kept, but older");
    const std::uint32_t more = static_cast<std::uint32_t>(input.number()) >> (19 + input.below(12));
    co_await coil::sleep(std::chrono::seconds(more));
    age += more;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static coil::Runner runner({.clock = coil::Clock::virtual_});
  coil_fuzz::Input input(data, size);
  const unsigned kind = input.below(4);
  if (kind == 0) {
    const std::string query = input.text(input.byte());
    coil_fuzz::give(input.rest(), [&](std::string_view text) { check_any(text, query); });
    return 0;
  }
  Message message = write_answer(input);
  if (kind == 1) {
    for (unsigned count = 1 + input.below(3); count != 0; --count)  // somebody has damaged it
      message.text[input.number() % message.text.size()] = static_cast<char>(input.byte());
    coil_fuzz::give(message.text, [&](std::string_view text) { check_any(text, message.query()); });
  } else if (kind == 2) {
    check_answer(input, message);
  } else {
    runner.run(check_cache(input, message));
  }
  return 0;
}
