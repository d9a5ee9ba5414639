// Commands on values.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "service.hpp"

namespace kv::detail {

constexpr std::string_view not_an_integer = "ERR value is not an integer or out of range";

inline void reply_value(Output& out, const Value& value) {
  value.shared() ? out.bulk(value.shared()) : out.bulk(value.view());
}
inline void reply_item(Output& out, const Store::Item* item) {
  item ? reply_value(out, item->second.value) : out.null_bulk();
}
inline void refuse_expiry(Call& call) {
  call.out.error("ERR invalid expire time in '" + std::string(call.command.name) + "' command");
}

/// The point in time that an option gives, in ms. Nothing after an error.
inline std::optional<std::int64_t> expiry(Call& call, std::size_t word, bool seconds, bool absolute) {
  const auto given = parse_integer(call[word]);
  if (!given) {
    call.out.error(not_an_integer);
    return std::nullopt;
  }
  const std::int64_t unit = seconds ? 1000 : 1, base = absolute ? 0 : call.store().now();
  if (*given > 0 && *given <= INT64_MAX / unit && *given * unit <= INT64_MAX - base) return *given * unit + base;
  refuse_expiry(call);
  return std::nullopt;
}

struct SetOptions {
  bool nx = false, xx = false, get = false, keep = false, persist = false;
  std::size_t expiry = 0;  // the word with the time
  bool seconds = false, absolute = false;
};

inline bool take_expiry(Call& call, SetOptions& options, std::size_t& i, std::string_view word, bool seconds,
                        bool absolute) {
  if (!call.is(i, word) || i + 1 == call.size() || options.keep || options.persist) return false;
  if (options.expiry != 0 && (options.seconds != seconds || options.absolute != absolute)) return false;
  options.expiry = ++i;
  options.seconds = seconds;
  options.absolute = absolute;
  return true;
}

/// The options of SET, or of GETEX. Nothing after an error.
inline std::optional<SetOptions> set_options(Call& call, std::size_t i, bool sets) {
  SetOptions options;
  const auto flag = [&](std::string_view word, bool& which, bool fits) {
    if (!fits || !call.is(i, word)) return false;
    return which = true;
  };
  for (; i < call.size(); ++i) {
    const bool taken =
        flag("nx", options.nx, sets && !options.xx) || flag("xx", options.xx, sets && !options.nx) ||
        flag("get", options.get, sets) ||
        flag("keepttl", options.keep, sets && options.expiry == 0 && !options.persist) ||
        flag("persist", options.persist, !sets && options.expiry == 0) ||
        take_expiry(call, options, i, "ex", true, false) || take_expiry(call, options, i, "px", false, false) ||
        take_expiry(call, options, i, "exat", true, true) || take_expiry(call, options, i, "pxat", false, true);
    if (!taken) {
      refuse_syntax(call);
      return std::nullopt;
    }
  }
  return options;
}

inline void put(Call& call, std::string_view key, std::size_t word, std::int64_t expires, bool keep = false) {
  Store::Item& item = call.store().make(key);
  if (call[word].size() < shared_size_min)
    item.second.value.assign(call[word]);
  else
    item.second.value.assign(call.words.share(word));
  if (!keep) call.store().set_expires(item, expires);
  call.service.log_set(key, item.second.value, expires, keep);
}

inline void get(Call& call) { reply_item(call.out, call.store().find(call[1])); }

inline void set(Call& call) {
  if (call.size() == 3) {
    put(call, call[1], 2, never);
    return call.out.simple("OK");
  }
  const auto options = set_options(call, 3, true);
  if (!options) return;
  std::int64_t expires = never;
  if (options->expiry != 0) {
    const auto at = expiry(call, options->expiry, options->seconds, options->absolute);
    if (!at) return;
    expires = *at;
  }
  const Store::Item* old = call.store().find(call[1]);
  if (options->get) reply_item(call.out, old);
  if ((options->nx && old) || (options->xx && !old)) {
    if (!options->get) call.out.null_bulk();
    return;
  }
  put(call, call[1], 2, expires, options->keep);
  if (!options->get) call.out.simple("OK");
}

inline void setnx(Call& call) {
  const bool there = call.store().find(call[1]) != nullptr;
  if (!there) put(call, call[1], 2, never);
  call.out.integer(!there);
}

inline void setex(Call& call) {  // and psetex
  const auto expires = expiry(call, 2, call.command.name == "setex", false);
  if (!expires) return;
  put(call, call[1], 3, *expires);
  call.out.simple("OK");
}

inline void getset(Call& call) {
  reply_item(call.out, call.store().find(call[1]));
  put(call, call[1], 2, never);
}

inline void getdel(Call& call) {
  const Store::Item* item = call.store().find(call[1]);
  reply_item(call.out, item);
  if (item == nullptr) return;
  call.store().erase(call[1]);
  call.service.log_record({"DEL", call[1]});
}

inline void getex(Call& call) {
  const auto options = set_options(call, 2, false);
  if (!options) return;
  Store& store = call.store();
  Store::Item* item = store.find(call[1]);
  if (item == nullptr) return call.out.null_bulk();
  std::int64_t expires = never;
  if (options->expiry != 0) {
    const auto at = expiry(call, options->expiry, options->seconds, options->absolute);
    if (!at) return;
    expires = *at;
  }
  reply_value(call.out, item->second.value);
  if (options->expiry != 0 && expires <= store.now()) {
    store.erase(call[1]);
    call.service.log_record({"DEL", call[1]});
  } else if (options->expiry != 0) {
    store.set_expires(*item, expires);
    call.service.log_record({"PEXPIREAT", call[1], Decimal(expires)});
  } else if (options->persist && item->second.expires != never) {
    store.set_expires(*item, never);
    call.service.log_record({"PERSIST", call[1]});
  }
}

inline void mget(Call& call) {
  call.out.array(call.size() - 1);
  for (std::size_t i = 1; i < call.size() && !call.out.overrun(); ++i) reply_item(call.out, call.store().find(call[i]));
}

inline void mset(Call& call) {  // and msetnx
  if (call.size() % 2 == 0) return refuse_arity(call, call.command.name);
  const bool only_new = call.command.name == "msetnx";
  for (std::size_t i = 1; only_new && i < call.size(); i += 2)
    if (call.store().find(call[i])) return call.out.integer(0);
  for (std::size_t i = 1; i < call.size(); i += 2) put(call, call[i], i + 1, never);
  only_new ? call.out.integer(1) : call.out.simple("OK");
}

inline void add_to(Call& call, std::int64_t change) {
  Store::Item* item = call.store().find(call[1]);
  const auto old = item ? parse_integer(item->second.value.view()) : 0;
  if (!old) return call.out.error(not_an_integer);
  std::int64_t sum = 0;
  if (__builtin_add_overflow(*old, change, &sum)) return call.out.error("ERR increment or decrement would overflow");
  if (item == nullptr) item = &call.store().make(call[1]);
  item->second.value.assign(Decimal(sum));
  call.service.log_request(call.words);
  call.out.integer(sum);
}

inline void incr(Call& call) { add_to(call, 1); }
inline void decr(Call& call) { add_to(call, -1); }

inline void incrby(Call& call) {  // and decrby
  const auto change = parse_integer(call[2]);
  if (!change) return call.out.error(not_an_integer);
  if (call.command.name == "incrby") return add_to(call, *change);
  if (*change == INT64_MIN) return call.out.error("ERR decrement would overflow");
  add_to(call, -*change);
}

inline void append(Call& call) {
  const Store::Item* old = call.store().find(call[1]);
  const std::size_t size = (old ? old->second.value.view().size() : 0) + call[2].size();
  if (old && size > static_cast<std::size_t>(bulk_size_max))
    return call.out.error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  call.store().make(call[1]).second.value.append(call[2]);
  call.service.log_request(call.words);
  call.out.integer(static_cast<std::int64_t>(size));
}

inline void strlen(Call& call) {
  const Store::Item* item = call.store().find(call[1]);
  call.out.integer(item ? static_cast<std::int64_t>(item->second.value.view().size()) : 0);
}

}  // namespace kv::detail
