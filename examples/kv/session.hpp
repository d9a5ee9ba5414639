// What the service knows of one connection.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "hash.hpp"
#include "output.hpp"

namespace kv {

struct Command;

constexpr std::size_t reply_size_max = 48 << 20;    // of replies to one connection that wait to be read
constexpr std::size_t backlog_size_max = 32 << 20;  // of messages to a subscriber likewise

struct Session {
  using Topics = std::unordered_map<std::string, std::uint64_t, KeyHash, std::equal_to<>>;

  virtual ~Session() = default;
  /// There is something in `out` that no command of its own brought, or `lost` is set.
  virtual void wake() {}

  std::size_t topics() const { return channels.size() + patterns.size(); }

  std::uint64_t id = 0;
  Output out{reply_size_max};
  std::string name;
  Topics channels, patterns;      // with the place in the order of subscribers
  bool closing = false;           // after what is in `out`
  bool lost = false;              // at once: it is too far behind
  std::string last_word;          // how the last command was written,
  const Command* last = nullptr;  // and which it is
};

}  // namespace kv
