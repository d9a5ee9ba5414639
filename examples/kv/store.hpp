// Keys, their values, and when they expire.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "hash.hpp"
#include "output.hpp"

namespace kv {

constexpr std::int64_t never = -1;

/// A string: a small one by value, a large one shared with the replies that hold it.
class Value {
public:
  std::string_view view() const { return shared_ ? std::string_view(*shared_) : std::string_view(text_); }
  const Shared& shared() const { return shared_; }  // null for a small one

  void assign(std::string_view text) {
    shared_ = nullptr;
    if (text_.capacity() > 4 * (text.size() + 64))
      text_ = std::string(text);  // the room it had is not worth keeping
    else
      text_.assign(text);
  }
  void assign(Shared text) {
    text_ = {};
    shared_ = std::move(text);
  }
  void append(std::string_view more) {
    if (view().size() + more.size() < shared_size_min) {
      text_ += more;
    } else {
      auto longer = std::make_shared<std::string>();
      longer->reserve(view().size() + more.size());
      longer->append(view()).append(more);
      assign(Shared(std::move(longer)));
    }
  }

private:
  std::string text_;  // empty if shared_
  Shared shared_;
};

class Store {
public:
  struct Entry {
    Value value;
    std::int64_t expires = never;  // ms since 1970
    bool expired(std::int64_t now) const { return expires != never && expires <= now; }
  };
  using Map = std::unordered_map<std::string, Entry, KeyHash, std::equal_to<>>;
  using Item = Map::value_type;

  /// `expired` is told each key that goes by itself.
  explicit Store(std::function<void(std::string_view)> expired) : expired_(std::move(expired)) {}

  /// The time by which keys expire, in ms since 1970. In the beginning, and with `INT64_MIN`, none does.
  std::int64_t now() const { return now_; }
  void set_now(std::int64_t ms) { now_ = ms; }

  /// Null if there is none any more.
  Item* find(std::string_view key) {
    const auto at = items_.find(key);
    if (at == items_.end()) return nullptr;
    if (!at->second.expired(now_)) return &*at;
    expire(at);
    return nullptr;
  }
  /// The one there is, or a new one.
  Item& make(std::string_view key) {
    if (Item* item = find(key)) return *item;
    return *items_.emplace(key, Entry{}).first;
  }
  bool erase(std::string_view key) {
    const Item* item = find(key);
    if (item == nullptr) return false;
    const auto at = items_.find(key);
    forget_deadline(*at);
    items_.erase(at);
    return true;
  }
  void set_expires(Item& item, std::int64_t ms) {
    if (item.second.expires == ms) return;
    forget_deadline(item);
    item.second.expires = ms;
    if (ms != never) deadlines_.emplace(ms, &item.first);
  }
  void clear() {
    deadlines_.clear();
    items_ = {};
  }

  /// Lets up to `max` keys go whose time has come. Returns whether there may be more.
  bool expire_due(std::size_t max) {
    for (; max != 0; --max) {
      if (deadlines_.empty() || deadlines_.begin()->first > now_) return false;
      expire(items_.find(*deadlines_.begin()->second));
    }
    return true;
  }
  bool none_expires() const { return deadlines_.empty(); }
  std::size_t expiring() const { return deadlines_.size(); }
  std::size_t size() const { return items_.size(); }
  const Map& items() const { return items_; }

private:
  void forget_deadline(const Item& item) {
    if (item.second.expires != never) deadlines_.erase({item.second.expires, &item.first});
  }
  void expire(Map::iterator at) {
    expired_(at->first);
    forget_deadline(*at);
    items_.erase(at);
  }

  Map items_;
  std::set<std::pair<std::int64_t, const std::string*>> deadlines_;
  std::int64_t now_ = INT64_MIN;
  std::function<void(std::string_view)> expired_;
};

}  // namespace kv
