// The service itself, without sockets and files: requests in, replies and log records out.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "hub.hpp"
#include "output.hpp"
#include "request.hpp"
#include "session.hpp"
#include "store.hpp"

namespace kv {

class Service;

/// One command that is being carried out.
struct Call {
  Service& service;
  Session& session;
  const Request& words;
  const Command& command;
  Output& out = session.out;

  std::string_view operator[](std::size_t i) const { return words[i]; }
  std::size_t size() const { return words.size(); }
  /// Whether a word is that option, given in lower case.
  bool is(std::size_t i, std::string_view option) const { return is_word(up_to_nul(words[i], SIZE_MAX), option); }
  inline Store& store() const;
};

struct Keys {
  int first, last, step;  // among the words; a last of -1 is the last word
};

/// What COMMAND says of a command, in words with a blank between them, and what carries it out.
struct Command {
  std::string_view name;  // in lower case; of a subcommand "config|get"
  int arity;              // with the name; -N: at least N
  std::string_view flags;
  Keys keys;
  std::string_view categories, tips, access, notes;
  void (*run)(Call&);

  bool writes = flags.starts_with("write");
  bool listens = name.ends_with("subscribe") || name == "ping" || name == "quit" || name == "reset";
  bool replays = writes || name == "select";                                // may stand in a log
  bool parent = name == "client" || name == "command" || name == "config";  // of subcommands
};

/// Null if there is none of that name, in whatever case.
const Command* find_command(std::string_view name);
std::span<const Command> all_commands();

class Service {
public:
  struct Facts {  // for CONFIG and INFO
    bool appends = false;
    std::uint16_t port = 0;
    std::size_t connections = 0;
    std::int64_t started = 0;  // ms since 1970
    std::string path;
  };

  Service() : store([this](std::string_view key) { log_record({"DEL", key}); }) {}
  Service(const Service&) = delete;

  /// Carries out one request at the time `store.now()`.
  void execute(Session& session, const Request& request);
  /// What is to be answered to what the parser refuses.
  static void refuse(Session& session, std::string_view refusal) {
    if (!refusal.empty()) session.out.error("ERR Protocol error: " + std::string(refusal));
    session.closing = true;
  }
  /// Carries out a record of a log. False if it is none.
  bool replay(const Request& record);

  /// Adds a record to the log.
  void log_record(std::initializer_list<std::string_view> words) {
    if (!begin_record(words.size())) return;
    for (const std::string_view word : words) log.bulk(word);
  }
  void log_set(std::string_view key, const Value& value, std::int64_t expires, bool keep = false) {
    if (!begin_record(expires != never ? 5 : keep ? 4 : 3)) return;
    log.bulk("SET");
    log.bulk(key);
    value.shared() ? log.bulk(value.shared()) : log.bulk(value.view());
    if (expires != never) {
      log.bulk("PXAT");
      log.bulk(Decimal(expires));
    } else if (keep) {
      log.bulk("KEEPTTL");
    }
  }
  void log_request(const Request& request) {
    if (!begin_record(request.size())) return;
    for (std::size_t i = 0; i < request.size(); ++i) log.bulk(request[i]);
  }

  Store store;
  Hub hub;
  Output log{SIZE_MAX};  // records that are not in the file yet
  bool logging = false;
  std::string log_broken;  // why the file cannot be written, if so
  Facts facts;
  std::uint64_t commands = 0, session_ids = 0;

private:
  bool begin_record(std::size_t words) {
    if (logging) log.array(words);
    return logging;
  }
};

inline Store& Call::store() const { return service.store; }

inline void refuse_arity(Call& call, std::string_view command) {
  call.out.error("ERR wrong number of arguments for '" + std::string(command) + "' command");
}
inline void refuse_syntax(Call& call) { call.out.error("ERR syntax error"); }

inline void reply_unknown(Session& session, const Request& request) {
  std::string text =
      "ERR unknown command '" + std::string(up_to_nul(request[0], 128)) + "', with args beginning with: ";
  const std::size_t begin = text.size();
  for (std::size_t i = 1; i < request.size() && text.size() - begin < 128; ++i)
    text += "'" + std::string(up_to_nul(request[i], 128 - (text.size() - begin))) + "' ";
  session.out.error(text);
}

/// What a request may begin with: a subcommand is not called by its full name.
inline const Command* find_top_command(std::string_view name) {
  const Command* command = find_command(name);
  return command != nullptr && command->name.find('|') == name.npos ? command : nullptr;
}

/// Whether a web page may be behind it, which makes its user's browser send commands.
inline bool is_http(std::string_view word) { return is_word(word, "post") || is_word(word, "host:"); }

/// Null after an error.
inline const Command* find_subcommand(Session& session, const Request& request, const Command& parent) {
  std::string name = std::string(parent.name) + '|' + std::string(up_to_nul(request[1], 128));
  if (const Command* command = find_command(name)) return command;
  const std::string_view subcommand = std::string_view(name).substr(parent.name.size() + 1);
  std::string text = "ERR unknown subcommand '" + std::string(subcommand) + "'. Try ";
  for (const char c : parent.name) text += static_cast<char>(c - ('a' - 'A'));
  session.out.error(text + " HELP.");
  return nullptr;
}

inline void Service::execute(Session& session, const Request& request) {
  ++commands;
  if (request[0] != session.last_word) {
    session.last = find_top_command(request[0]);
    session.last_word = session.last ? request[0] : std::string_view();
  }
  const Command* command = session.last;
  if (command == nullptr && is_http(request[0])) {
    session.lost = true;
    return;
  }
  if (command == nullptr) return reply_unknown(session, request);
  if (command->parent && request.size() > 1) command = find_subcommand(session, request, *command);
  if (command == nullptr) return;
  Call call{*this, session, request, *command};
  const auto arity = static_cast<std::size_t>(std::abs(command->arity));
  if (command->arity > 0 ? request.size() != arity : request.size() < arity) return refuse_arity(call, command->name);
  if (command->writes && !log_broken.empty())
    return session.out.error("MISCONF Errors writing to the AOF file: " + log_broken);
  if (!command->listens && session.topics() != 0)
    return session.out.error(
        "ERR Can't execute '" + std::string(command->name) +
        "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context");
  command->run(call);
}

inline bool Service::replay(const Request& record) {
  Session reader;
  const Command* command = find_top_command(record[0]);
  if (command == nullptr || !command->replays) return false;
  const bool was_logging = std::exchange(logging, false);
  execute(reader, record);
  logging = was_logging;
  return reader.out.errors() == 0;
}

}  // namespace kv
