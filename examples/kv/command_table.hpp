// All commands, as Redis 7.0 describes them.
#pragma once
#include <array>

#include "commands_key.hpp"
#include "commands_server.hpp"
#include "commands_string.hpp"
#include "service.hpp"

namespace kv {
namespace detail {

constexpr Keys no_key{0, 0, 0}, one_key{1, 1, 1}, all_keys{1, -1, 1}, key_pairs{1, -1, 2};

inline constexpr Command commands[] = {
    // clang-format off
    {"append", 3, "write denyoom fast", one_key, "@write @string @fast", "", "RW insert", "", detail::append},
    {"auth", -2, "noscript loading stale fast no_auth allow_busy", no_key, "@fast @connection", "", "", "", detail::auth},
    {"client", -2, "", no_key, "@slow", "", "", "", detail::container},
    {"client|getname", 2, "noscript loading stale", no_key, "@slow @connection", "", "", "", detail::client_getname},
    {"client|id", 2, "noscript loading stale", no_key, "@slow @connection", "", "", "", detail::client_id},
    {"client|setname", 3, "noscript loading stale", no_key, "@slow @connection", "", "", "", detail::client_setname},
    {"command", -1, "loading stale", no_key, "@slow @connection", "nondeterministic_output_order", "", "", detail::command},
    {"command|count", 2, "loading stale", no_key, "@slow @connection", "", "", "", detail::command_count},
    {"command|docs", -2, "loading stale", no_key, "@slow @connection", "nondeterministic_output_order", "", "", detail::command_docs},
    {"command|info", -2, "loading stale", no_key, "@slow @connection", "nondeterministic_output_order", "", "", detail::command_info},
    {"command|list", -2, "loading stale", no_key, "@slow @connection", "nondeterministic_output_order", "", "", detail::command_list},
    {"config", -2, "", no_key, "@slow", "", "", "", detail::container},
    {"config|get", -3, "admin noscript loading stale", no_key, "@admin @slow @dangerous", "", "", "", detail::config_get},
    {"dbsize", 1, "readonly fast", no_key, "@keyspace @read @fast", "request_policy:all_shards response_policy:agg_sum", "", "", detail::dbsize},
    {"decr", 2, "write denyoom fast", one_key, "@write @string @fast", "", "RW access update", "", detail::decr},
    {"decrby", 3, "write denyoom fast", one_key, "@write @string @fast", "", "RW access update", "", detail::incrby},
    {"del", -2, "write", all_keys, "@keyspace @write @slow", "request_policy:multi_shard response_policy:agg_sum", "RM delete", "", detail::del},
    {"echo", 2, "loading stale fast", no_key, "@fast @connection", "", "", "", detail::echo},
    {"exists", -2, "readonly fast", all_keys, "@keyspace @read @fast", "request_policy:multi_shard response_policy:agg_sum", "RO", "", detail::exists},
    {"expire", -3, "write fast", one_key, "@keyspace @write @fast", "", "RW update", "", detail::expire},
    {"expireat", -3, "write fast", one_key, "@keyspace @write @fast", "", "RW update", "", detail::expireat},
    {"expiretime", 2, "readonly fast", one_key, "@keyspace @read @fast", "", "RO access", "", detail::expiretime},
    {"flushall", -1, "write", no_key, "@keyspace @write @slow @dangerous", "request_policy:all_shards response_policy:all_succeeded", "", "", detail::flush},
    {"flushdb", -1, "write", no_key, "@keyspace @write @slow @dangerous", "request_policy:all_shards response_policy:all_succeeded", "", "", detail::flush},
    {"get", 2, "readonly fast", one_key, "@read @string @fast", "", "RO access", "", detail::get},
    {"getdel", 2, "write fast", one_key, "@write @string @fast", "", "RW access delete", "", detail::getdel},
    {"getex", -2, "write fast", one_key, "@write @string @fast", "", "RW access update", "RW and UPDATE because it changes the TTL", detail::getex},
    {"getset", 3, "write denyoom fast", one_key, "@write @string @fast", "", "RW access update", "", detail::getset},
    {"hello", -1, "noscript loading stale fast no_auth allow_busy", no_key, "@fast @connection", "", "", "", detail::hello},
    {"incr", 2, "write denyoom fast", one_key, "@write @string @fast", "", "RW access update", "", detail::incr},
    {"incrby", 3, "write denyoom fast", one_key, "@write @string @fast", "", "RW access update", "", detail::incrby},
    {"info", -1, "loading stale", no_key, "@slow @dangerous", "nondeterministic_output request_policy:all_shards response_policy:special", "", "", detail::info},
    {"keys", 2, "readonly", no_key, "@keyspace @read @slow @dangerous", "request_policy:all_shards nondeterministic_output_order", "", "", detail::keys},
    {"mget", -2, "readonly fast", all_keys, "@read @string @fast", "request_policy:multi_shard", "RO access", "", detail::mget},
    {"mset", -3, "write denyoom", key_pairs, "@write @string @slow", "request_policy:multi_shard response_policy:all_succeeded", "OW update", "", detail::mset},
    {"msetnx", -3, "write denyoom", key_pairs, "@write @string @slow", "request_policy:multi_shard response_policy:agg_min", "OW insert", "", detail::mset},
    {"persist", 2, "write fast", one_key, "@keyspace @write @fast", "", "RW update", "", detail::persist},
    {"pexpire", -3, "write fast", one_key, "@keyspace @write @fast", "", "RW update", "", detail::pexpire},
    {"pexpireat", -3, "write fast", one_key, "@keyspace @write @fast", "", "RW update", "", detail::pexpireat},
    {"pexpiretime", 2, "readonly fast", one_key, "@keyspace @read @fast", "", "RO access", "", detail::pexpiretime},
    {"ping", -1, "fast", no_key, "@fast @connection", "request_policy:all_shards response_policy:all_succeeded", "", "", detail::ping},
    {"psetex", 4, "write denyoom", one_key, "@write @string @slow", "", "OW update", "", detail::setex},
    {"psubscribe", -2, "pubsub noscript loading stale", no_key, "@pubsub @slow", "", "", "", detail::psubscribe},
    {"pttl", 2, "readonly fast", one_key, "@keyspace @read @fast", "nondeterministic_output", "RO access", "", detail::pttl},
    {"publish", 3, "pubsub loading stale fast", no_key, "@pubsub @fast", "", "", "", detail::publish},
    {"punsubscribe", -1, "pubsub noscript loading stale", no_key, "@pubsub @slow", "", "", "", detail::punsubscribe},
    {"quit", -1, "noscript loading stale fast no_auth allow_busy", no_key, "@fast @connection", "", "", "", detail::quit},
    {"reset", 1, "noscript loading stale fast no_auth allow_busy", no_key, "@fast @connection", "", "", "", detail::reset},
    {"select", 2, "loading stale fast", no_key, "@fast @connection", "", "", "", detail::select},
    {"set", -3, "write denyoom", one_key, "@write @string @slow", "", "RW access update variable_flags", "RW and ACCESS due to the optional `GET` argument", detail::set},
    {"setex", 4, "write denyoom", one_key, "@write @string @slow", "", "OW update", "", detail::setex},
    {"setnx", 3, "write denyoom fast", one_key, "@write @string @fast", "", "OW insert", "", detail::setnx},
    {"strlen", 2, "readonly fast", one_key, "@read @string @fast", "", "RO", "", detail::strlen},
    {"subscribe", -2, "pubsub noscript loading stale", no_key, "@pubsub @slow", "", "", "", detail::subscribe},
    {"ttl", 2, "readonly fast", one_key, "@keyspace @read @fast", "nondeterministic_output", "RO access", "", detail::ttl},
    {"type", 2, "readonly fast", one_key, "@keyspace @read @fast", "", "RO", "", detail::type},
    {"unlink", -2, "write fast", all_keys, "@keyspace @write @fast", "request_policy:multi_shard response_policy:agg_sum", "RM delete", "", detail::del},
    {"unsubscribe", -1, "pubsub noscript loading stale", no_key, "@pubsub @slow", "", "", "", detail::unsubscribe},
    // clang-format on
};

/// The commands by name: open addressing, made once.
class CommandTable {
public:
  CommandTable() {
    for (const Command& command : commands) {
      std::size_t at = hash(command.name);
      while (places_[at % size] != nullptr) ++at;
      places_[at % size] = &command;
    }
  }
  const Command* find(std::string_view name) const {
    for (std::size_t at = hash(name); places_[at % size] != nullptr; ++at)
      if (is_word(name, places_[at % size]->name)) return places_[at % size];
    return nullptr;
  }

private:
  static constexpr std::size_t size = 256;  // more than three times as many as there are
  static std::size_t hash(std::string_view name) {
    std::size_t value = name.size();
    for (const char c : name.substr(0, 16)) value = value * 31 + static_cast<unsigned char>(lower(c));
    return value;
  }
  std::array<const Command*, size> places_{};
};

}  // namespace detail

inline std::span<const Command> all_commands() { return detail::commands; }
inline const Command* find_command(std::string_view name) {
  static const detail::CommandTable table;
  return table.find(name);
}

}  // namespace kv
