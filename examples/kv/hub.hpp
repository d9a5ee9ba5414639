// Who listens to which channel.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "glob.hpp"
#include "hash.hpp"
#include "session.hpp"

namespace kv {

constexpr std::size_t message_shared_min = 1 << 10;  // a longer one is kept once for all its receivers

class Hub {
public:
  enum class Kind { channel, pattern };

  /// False if it has been subscribed to already.
  bool subscribe(Session& session, Kind kind, std::string_view topic) {
    Session::Topics& own = kind == Kind::channel ? session.channels : session.patterns;
    if (!own.emplace(topic, ++order_).second) return false;
    topics(kind)[std::string(topic)].emplace(order_, &session);
    return true;
  }
  bool unsubscribe(Session& session, Kind kind, std::string_view topic) {
    Session::Topics& own = kind == Kind::channel ? session.channels : session.patterns;
    const auto at = own.find(topic);
    if (at == own.end()) return false;
    Topics& all = topics(kind);
    const auto subscribers = all.find(topic);
    subscribers->second.erase(at->second);
    if (subscribers->second.empty()) all.erase(subscribers);
    own.erase(at);
    return true;
  }
  void leave(Session& session) {
    while (!session.channels.empty()) unsubscribe(session, Kind::channel, std::string(session.channels.begin()->first));
    while (!session.patterns.empty()) unsubscribe(session, Kind::pattern, std::string(session.patterns.begin()->first));
  }

  /// Returns how many it goes to: subscribers of the channel in their order, then those of patterns.
  std::size_t publish(std::string_view channel, std::string_view message) {
    std::size_t count = 0;
    const auto found = channels_.find(channel);
    if (found != channels_.end()) count += send(found->second, {}, channel, message);
    for (auto& [pattern, subscribers] : patterns_)
      if (matches(pattern, channel)) count += send(subscribers, &pattern, channel, message);
    return count;
  }

  std::size_t channels() const { return channels_.size(); }
  std::size_t patterns() const { return patterns_.size(); }

private:
  using Subscribers = std::map<std::uint64_t, Session*>;
  using Topics = std::unordered_map<std::string, Subscribers, KeyHash, std::equal_to<>>;

  Topics& topics(Kind kind) { return kind == Kind::channel ? channels_ : patterns_; }

  static std::size_t send(const Subscribers& to, const std::string* pattern, std::string_view channel,
                          std::string_view message) {
    Output encoded(SIZE_MAX);
    encoded.array(pattern ? 4 : 3);
    encoded.bulk(pattern ? "pmessage" : "message");
    if (pattern) encoded.bulk(*pattern);
    encoded.bulk(channel);
    encoded.bulk(message);
    const Shared bytes = std::make_shared<const std::string>(std::move(encoded.text()));
    for (const auto& [order, session] : to) {
      if (session->lost) continue;
      if (bytes->size() >= message_shared_min)
        session->out.share(bytes);
      else
        session->out.add(*bytes);
      if (session->out.size() > backlog_size_max) session->lost = true;
      session->wake();
    }
    return to.size();
  }

  Topics channels_, patterns_;
  std::uint64_t order_ = 0;
};

}  // namespace kv
