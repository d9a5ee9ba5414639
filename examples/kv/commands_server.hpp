// Commands on the connection, on subscriptions, and on the server.
#pragma once
#include <array>
#include <string>
#include <string_view>

#include "service.hpp"

namespace kv::detail {

constexpr std::string_view version_spoken = "7.0.15";  // of Redis

// ---- The connection --------------------------------------------------------------------------------------

inline void ping(Call& call) {
  if (call.size() > 2) return refuse_arity(call, "ping");
  if (call.session.topics() != 0) {
    call.out.array(2);
    call.out.bulk("pong");
    call.out.bulk(call.size() == 2 ? call[1] : "");
  } else if (call.size() == 1) {
    call.out.simple("PONG");
  } else {
    call.out.bulk(call[1]);
  }
}

inline void echo(Call& call) {
  call[1].size() < shared_size_min ? call.out.bulk(call[1]) : call.out.bulk(call.words.share(1));
}

inline void quit(Call& call) {
  call.out.simple("OK");
  call.session.closing = true;
}

inline void select(Call& call) {
  const auto index = parse_integer(call[1]);
  if (!index) return call.out.error("ERR value is not an integer or out of range");
  if (*index < INT32_MIN || *index > INT32_MAX)
    return call.out.error("ERR value is out of range, value must between -2147483648 and 2147483647");
  *index == 0 ? call.out.simple("OK") : call.out.error("ERR DB index is out of range");
}

inline void auth(Call& call) {
  if (call.size() == 2)
    call.out.error(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
        "configuration is correct?");
  else if (call.size() == 3)
    call[1] == "default" ? call.out.simple("OK")
                         : call.out.error("WRONGPASS invalid username-password pair or user is disabled.");
  else
    refuse_syntax(call);
}

/// False after an error.
inline bool set_name(Call& call, std::string_view name) {
  for (const char c : name) {
    if (c >= '!' && c <= '~') continue;
    call.out.error("ERR Client names cannot contain spaces, newlines or special characters.");
    return false;
  }
  call.session.name = name;
  return true;
}

/// Whoever asks for RESP3 is told that it is not spoken here, and goes on in RESP2.
inline void hello(Call& call) {
  if (call.size() > 1) {
    const auto version = parse_integer(call[1]);
    if (!version) return call.out.error("ERR Protocol version is not an integer or out of range");
    if (*version != 2) return call.out.error("NOPROTO unsupported protocol version");
  }
  for (std::size_t i = 2; i < call.size(); ++i) {
    const std::size_t more = call.size() - 1 - i;
    if (call.is(i, "auth") && more >= 2) {
      if (call[i + 1] != "default")
        return call.out.error("WRONGPASS invalid username-password pair or user is disabled.");
      i += 2;
    } else if (call.is(i, "setname") && more >= 1) {
      if (!set_name(call, call[++i])) return;
    } else {
      return call.out.error("ERR Syntax error in HELLO option '" + std::string(up_to_nul(call[i], SIZE_MAX)) + "'");
    }
  }
  Output& out = call.out;
  out.array(14);
  const std::array<std::string_view, 4> begin = {"server", "redis", "version", version_spoken};
  for (const std::string_view word : begin) out.bulk(word);
  out.bulk("proto");
  out.integer(2);
  out.bulk("id");
  out.integer(static_cast<std::int64_t>(call.session.id));
  const std::array<std::string_view, 5> end = {"mode", "standalone", "role", "master", "modules"};
  for (const std::string_view word : end) out.bulk(word);
  out.array(0);
}

inline void reset(Call& call) {
  call.service.hub.leave(call.session);
  call.session.name.clear();
  call.out.simple("RESET");
}

inline void client_id(Call& call) { call.out.integer(static_cast<std::int64_t>(call.session.id)); }
inline void client_getname(Call& call) {
  call.session.name.empty() ? call.out.null_bulk() : call.out.bulk(call.session.name);
}
inline void client_setname(Call& call) {
  if (set_name(call, call[2])) call.out.simple("OK");
}

// ---- Subscriptions ---------------------------------------------------------------------------------------

inline void tell_subscription(Call& call, std::string_view what, std::string_view topic) {
  call.out.array(3);
  call.out.bulk(what);
  call.out.bulk(topic);
  call.out.integer(static_cast<std::int64_t>(call.session.topics()));
}

inline void subscribe_to(Call& call, Hub::Kind kind) {
  for (std::size_t i = 1; i < call.size(); ++i) {
    call.service.hub.subscribe(call.session, kind, call[i]);
    tell_subscription(call, call.command.name, call[i]);
  }
}
inline void subscribe(Call& call) { subscribe_to(call, Hub::Kind::channel); }
inline void psubscribe(Call& call) { subscribe_to(call, Hub::Kind::pattern); }

inline void unsubscribe_from(Call& call, Hub::Kind kind) {
  Session& session = call.session;
  Session::Topics& own = kind == Hub::Kind::channel ? session.channels : session.patterns;
  for (std::size_t i = 1; i < call.size(); ++i) {
    call.service.hub.unsubscribe(session, kind, call[i]);
    tell_subscription(call, call.command.name, call[i]);
  }
  if (call.size() > 1) return;
  if (own.empty()) {
    call.out.array(3);
    call.out.bulk(call.command.name);
    call.out.null_bulk();
    call.out.integer(static_cast<std::int64_t>(session.topics()));
  }
  while (!own.empty()) {
    const std::string topic = own.begin()->first;
    call.service.hub.unsubscribe(session, kind, topic);
    tell_subscription(call, call.command.name, topic);
  }
}
inline void unsubscribe(Call& call) { unsubscribe_from(call, Hub::Kind::channel); }
inline void punsubscribe(Call& call) { unsubscribe_from(call, Hub::Kind::pattern); }

inline void publish(Call& call) {
  call.out.integer(static_cast<std::int64_t>(call.service.hub.publish(call[1], call[2])));
}

// ---- The server ------------------------------------------------------------------------------------------

/// CONFIG and CLIENT, which are nothing without a word more.
inline void container(Call& call) { refuse_arity(call, call.command.name); }

inline void config_get(Call& call) {
  const Service::Facts& facts = call.service.facts;
  const std::string port = std::to_string(facts.port);
  const std::array<std::pair<std::string_view, std::string_view>, 12> settings = {{
      {"appendfilename", facts.path},
      {"appendfsync", "everysec"},
      {"appendonly", facts.appends ? "yes" : "no"},
      {"bind", "127.0.0.1"},
      {"client-output-buffer-limit", "normal 50331648 0 0 slave 0 0 0 pubsub 33554432 0 0"},
      {"databases", "1"},
      {"maxmemory", "0"},
      {"maxmemory-policy", "noeviction"},
      {"port", port},
      {"proto-max-bulk-len", "536870912"},
      {"save", ""},
      {"timeout", "0"},
  }};
  Output found(reply_size_max);
  std::size_t count = 0;
  for (const auto& [name, value] : settings) {
    for (std::size_t i = 2; i < call.size(); ++i) {
      const std::string pattern = lowered(call[i]);
      if (!matches(pattern, name)) continue;
      found.bulk(pattern.find_first_of("*?[\\") == pattern.npos ? call[i] : name);  // as it was asked for
      found.bulk(value);
      ++count;
      break;
    }
  }
  call.out.array(2 * count);
  call.out.add(found.text());
}

inline void info(Call& call) {
  const Service& service = call.service;
  const std::int64_t uptime = (call.store().now() - service.facts.started) / 1000;
  const auto number = [](auto value) { return std::to_string(value); };
  std::string keyspace;
  if (const std::size_t keys = call.store().size())
    keyspace = "db0:keys=" + number(keys) + ",expires=" + number(call.store().expiring()) + ",avg_ttl=0\r\n";
  const std::array<std::pair<std::string_view, std::string>, 6> sections = {{
      {"Server", "redis_version:" + std::string(version_spoken) +
                     "\r\nredis_mode:standalone\r\nmultiplexing_api:io_uring" +
                     "\r\ntcp_port:" + number(service.facts.port) + "\r\nuptime_in_seconds:" + number(uptime) + "\r\n"},
      {"Clients", "connected_clients:" + number(service.facts.connections) + "\r\n"},
      {"Persistence", "loading:0\r\naof_enabled:" + number(int{service.facts.appends}) +
                          "\r\naof_last_write_status:" + (service.log_broken.empty() ? "ok" : "err") + "\r\n"},
      {"Stats", "total_connections_received:" + number(service.session_ids) + "\r\ntotal_commands_processed:" +
                    number(service.commands) + "\r\npubsub_channels:" + number(service.hub.channels()) +
                    "\r\npubsub_patterns:" + number(service.hub.patterns()) + "\r\n"},
      {"Replication", "role:master\r\nconnected_slaves:0\r\n"},
      {"Keyspace", keyspace},
  }};
  std::string text;
  for (const auto& [name, lines] : sections) {
    bool wanted = call.size() == 1;
    for (std::size_t i = 1; i < call.size(); ++i)
      wanted = wanted || is_word(call[i], lowered(name)) || call.is(i, "default") || call.is(i, "all") ||
               call.is(i, "everything");
    if (wanted) text += (text.empty() ? "# " : "\r\n# ") + std::string(name) + "\r\n" + lines;
  }
  call.out.bulk(text);
}

// ---- COMMAND ---------------------------------------------------------------------------------------------

/// The words of a text with a blank between them.
template <class F>
std::size_t each_word(std::string_view text, F f) {
  std::size_t count = 0;
  for (; !text.empty(); ++count) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    f(word);
  }
  return count;
}

inline void tell_words(Output& out, std::string_view text, bool bulk = false) {
  out.array(each_word(text, [](std::string_view) {}));
  each_word(text, [&](std::string_view word) { bulk ? out.bulk(word) : out.simple(word); });
}

/// Where the keys are, in the words of Redis' "key specifications".
inline void tell_keys(Output& out, const Command& command) {
  if (command.keys.first == 0) return out.array(0);
  const auto field = [&](std::string_view name, std::size_t count) {
    out.bulk(name);
    out.array(count);
  };
  const auto type = [&](std::string_view name, std::size_t count) {
    out.bulk("type");
    out.bulk(name);
    field("spec", count);
  };
  const auto number = [&](std::string_view name, int value) {
    out.bulk(name);
    out.integer(value);
  };
  out.array(1);
  out.array(command.notes.empty() ? 6 : 8);
  if (!command.notes.empty()) {
    out.bulk("notes");
    out.bulk(command.notes);
  }
  out.bulk("flags");
  tell_words(out, command.access);
  field("begin_search", 4);
  type("index", 2);
  number("index", command.keys.first);
  field("find_keys", 4);
  type("range", 6);
  number("lastkey", command.keys.last > 0 ? 0 : command.keys.last);
  number("keystep", command.keys.step);
  number("limit", 0);
}

inline void tell_command(Output& out, const Command* command) {
  if (command == nullptr) return out.null_bulk();
  out.array(10);
  out.bulk(command->name);
  out.integer(command->arity);
  tell_words(out, command->flags);
  out.integer(command->keys.first);
  out.integer(command->keys.last);
  out.integer(command->keys.step);
  tell_words(out, command->categories);
  tell_words(out, command->tips, true);
  tell_keys(out, *command);
  const auto is_sub = [&](const Command& other) {
    return other.name.starts_with(command->name) && other.name.substr(command->name.size()).starts_with('|');
  };
  std::size_t subcommands = 0;
  for (const Command& other : all_commands()) subcommands += is_sub(other);
  out.array(subcommands);
  for (const Command& other : all_commands())
    if (is_sub(other)) tell_command(out, &other);
}

inline bool is_top(const Command& command) { return command.name.find('|') == command.name.npos; }
inline std::size_t count_top() {
  std::size_t count = 0;
  for (const Command& command : all_commands()) count += is_top(command);
  return count;
}

inline void command(Call& call) {
  call.out.array(count_top());
  for (const Command& each : all_commands())
    if (is_top(each)) tell_command(call.out, &each);
}
inline void command_count(Call& call) { call.out.integer(static_cast<std::int64_t>(count_top())); }
inline void command_info(Call& call) {
  if (call.size() == 2) return command(call);
  call.out.array(call.size() - 2);
  for (std::size_t i = 2; i < call.size() && !call.out.overrun(); ++i) tell_command(call.out, find_command(call[i]));
}
inline void command_list(Call& call) {
  if (call.size() > 2) return refuse_syntax(call);
  call.out.array(count_top());
  for (const Command& each : all_commands())
    if (is_top(each)) call.out.bulk(each.name);
}
inline void command_docs(Call& call) { call.out.array(0); }  // redis-cli asks, and does without

}  // namespace kv::detail
