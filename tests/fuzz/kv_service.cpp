// What kv_server does with requests, any words to any command: each is answered by whole replies; what was logged, replayed,
// gives the same keys; and a log that was torn off anywhere is read up to there.
#include <coil/detail/check.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../../examples/kv/command_table.hpp"
#include "../../examples/kv/log.hpp"
#include "../../examples/kv/service.hpp"
#include "input.hpp"
#include "pieces.hpp"

using coil::detail::check;

namespace {

using Words = std::vector<std::string>;

std::string all_of(kv::Output& out) {
  std::string text;
  while (out.size() != 0) {
    const std::string_view part = out.front(1000);
    check(!part.empty(), "what is there can be sent");
    text += part;
    out.skip(part.size());
  }
  return text;
}

/// Takes a reply, as a client reads it: false if there is no whole one.
bool take_reply(std::string_view& text, int depth = 0) {
  const std::size_t end = text.find("\r\n");
  if (end == text.npos || end == 0 || depth > 8) return false;
  const char kind = text[0];
  const std::string_view line = text.substr(1, end - 1);
  text.remove_prefix(end + 2);
  if (line.find('\n') != line.npos || line.find('\r') != line.npos) return false;
  if (kind == '+' || kind == '-') return true;
  const auto number = kv::parse_integer(line);
  if (!number) return false;
  if (kind == ':') return true;
  if (kind == '$' && *number >= 0) {
    const auto size = static_cast<std::size_t>(*number);
    if (text.size() < size + 2 || text.substr(size, 2) != "\r\n") return false;
    text.remove_prefix(size + 2);
  } else if (kind == '*') {
    for (std::int64_t left = *number; left > 0; --left)
      if (!take_reply(text, depth + 1)) return false;
  }
  return (kind == '$' || kind == '*') && *number >= -1;
}

struct Client final : kv::Session {
  explicit Client(kv::Service& its_service) : service(its_service) {}
  ~Client() override { service.hub.leave(*this); }
  void check_replies() {
    const std::string text = all_of(out);
    std::string_view left = text;
    while (!left.empty()) check(take_reply(left), "a client understands the replies");
  }
  kv::Service& service;
};

std::string any_word(coil_fuzz::Input& input) {
  static constexpr std::string_view words[] = {"a",
                                               "b",
                                               "c",
                                               "EX",
                                               "px",
                                               "NX",
                                               "XX",
                                               "GET",
                                               "KEEPTTL",
                                               "PXAT",
                                               "GT",
                                               "lt",
                                               "PERSIST",
                                               "*",
                                               "a*",
                                               "0",
                                               "1",
                                               "-1",
                                               "99",
                                               "9223372036854775807",
                                               "1700000000000",
                                               "h[^a-c]?\\x"};
  const unsigned kind = input.below(40);
  if (kind < std::size(words)) return std::string(words[kind]);
  if (kind < 32) return std::to_string(static_cast<std::int64_t>(input.number()) >> input.below(64));
  return coil_fuzz::stretch(input.text(input.below(40)));
}

/// Any command, but rather one that changes a key, and rather with a key and a number.
Words any_command(coil_fuzz::Input& input) {
  static constexpr std::string_view changes[] = {"set",     "setex",  "psetex",   "expire", "pexpire", "pexpireat",
                                                 "persist", "append", "incr",     "decrby", "getset",  "getex",
                                                 "getdel",  "del",    "expireat", "mset",   "msetnx",  "setnx"};
  const auto commands = kv::all_commands();
  const std::uint8_t which = input.byte();
  const std::string_view name =
      which < 128 ? changes[which % std::size(changes)] : commands[which % commands.size()].name;
  const std::size_t bar = name.find('|');
  Words words = {std::string(name.substr(0, bar))};
  if (bar != name.npos) words.emplace_back(name.substr(bar + 1));
  if (input.below(32) == 0) words[0] = any_word(input);
  const std::uint8_t form = input.byte();
  if (form % 4 != 0) words.push_back(form % 8 < 4 ? "a" : "b");
  if (form / 8 % 4 == 0) words.push_back(std::to_string(std::int64_t{1} << input.below(41)));
  for (unsigned count = form / 32 % 4; count != 0; --count) words.push_back(any_word(input));
  return words;
}

kv::Request as_request(const Words& words) {
  kv::Request request;
  for (const std::string& word : words) request.add(std::string_view(word));
  return request;
}

/// The records up to where the log ends or is torn off.
std::vector<Words> read_log(std::string_view log, kv::LogReader::Result& result, std::size_t& begin) {
  std::vector<Words> records;
  kv::LogReader reader(log);
  while ((result = reader.next()) == kv::LogReader::Result::record) {
    Words& words = records.emplace_back();
    for (std::size_t i = 0; i < reader.record().size(); ++i) words.emplace_back(reader.record()[i]);
  }
  begin = reader.begin();
  return records;
}

void check_log(const std::string& log, std::size_t cut, const kv::Store& store) {
  kv::LogReader::Result result{};
  std::size_t begin = 0;
  const std::vector<Words> records = read_log(log, result, begin);
  check(result == kv::LogReader::Result::end, "a log can be read");
  kv::Service replayed;
  for (const Words& record : records) check(replayed.replay(as_request(record)), "a record can be replayed");
  check(replayed.store.size() == store.size(), "as many keys are there after a replay");
  for (const auto& [key, entry] : store.items()) {
    const kv::Store::Item* item = replayed.store.find(key);
    check(item != nullptr && item->second.value.view() == entry.value.view(), "a value is the same after a replay");
    check(item->second.expires == entry.expires, "a key expires at the same time after a replay");
  }
  coil_fuzz::give(std::string_view(log).substr(0, cut), [&](std::string_view beginning) {
    const std::vector<Words> some = read_log(beginning, result, begin);
    check(result == kv::LogReader::Result::end || result == kv::LogReader::Result::torn,
          "a beginning is no other thing");
    check(some.size() <= records.size() && std::equal(some.begin(), some.end(), records.begin()),
          "it is the beginning");
    check(begin <= cut, "what is whole ends before what is torn off");
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  coil_fuzz::Input input(data, size);
  if (input.below(16) == 0) {  // anything as a log
    kv::LogReader::Result result{};
    std::size_t begin = 0;
    coil_fuzz::give(coil_fuzz::stretch(input.rest()), [&](std::string_view text) { read_log(text, result, begin); });
    return 0;
  }
  kv::Service service;
  service.logging = true;
  std::int64_t now = 1'700'000'000'000;
  std::string log;
  Client one(service), other(service);
  const std::uint64_t cut = input.number();
  while (!input.empty() && log.size() < 8 << 20) {
    Client& client = input.below(4) != 0 ? one : other;
    now += std::int64_t{1} << input.below(16);
    service.store.set_now(now);
    const Words words = any_command(input);
    service.execute(client, as_request(words));
    if (client.lost) break;
    check(client.out.size() != 0, "each command is answered");
    one.check_replies();
    other.check_replies();
    log += all_of(service.log);
    if (input.below(8) == 0) service.store.expire_due(2);
  }
  log += all_of(service.log);
  check_log(log, log.empty() ? 0 : cut % log.size(), service.store);
  return 0;
}
